"""Brings what is told of a chain up to its head: new blocks, reorganisations, depths.

The position moves in the same write as the facts of the blocks it moves over; so after any crash the next life goes on
at exactly the fact that was not written.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from connectors.base import Observation
from connectors.evm.blocks import Block, ChainMovedError, check_linked, headers
from connectors.evm.counting import Counting
from connectors.evm.draft import Draft
from connectors.evm.events import Found, Mapped
from connectors.evm.forks import Fork
from connectors.evm.logs import Logs, Told
from connectors.evm.node import Node, NodeRefusedError
from connectors.evm.options import WatchOptions
from connectors.evm.window import PREFIX, Entry, Window

_OWED: Final = PREFIX + "owed"
_LOG = logging.getLogger("lockstep.connector.evm")


class Advance:
    """One chain, as far as it was told.

    Attributes:
        window: the blocks that were told.
    """

    def __init__(
        self,
        connector: str,
        network: str,
        node: Node,
        options: WatchOptions,
        mapped: Sequence[Mapped],
        notes: Mapping[str, str],
    ) -> None:
        self.window = Window(options.window, notes)
        self._connector = connector
        self._network = network
        self._node = node
        self._options = options
        self._logs = Logs(node, network, mapped)
        self._deepest = max((each.most for each in mapped), default=1)
        self._range = options.range
        self._counting = Counting()
        self._is_settled = False
        # Identities of removed facts; what they had replaced is to be told again.
        self._owed: list[str] = json.loads(notes.get(_OWED, "[]"))

    # -- reorganisations -----------------------------------------------------------
    async def reorganise(self, fork: Fork, head: Block, draft: Draft) -> None:
        """Tells which blocks were removed, and steps back to where both chains agree.

        Raises:
            LeaseLostError: another daemon leads.
        """
        entries = self.window.entries
        gone = entries[fork.keep :]
        first = entries[0].number
        draft.note(self.window.cut(fork.keep))
        for part in range(0, len(gone), 500):
            removed = [entry.hash for entry in gone[part : part + 500]]
            draft.reorg(self._network, removed, list(fork.added) if part == 0 else [])
        draft.note(self.window.lift(fork.added))
        self._owed = sorted({*self._owed, *(key for entry in gone for key in entry.keys)})
        fields = {"network": self._network, "from_height": gone[0].number, "removed": len(gone)}
        if fork.keep:
            _LOG.warning("blocks were reorganised away", extra=fields)
        else:
            # No block is left of which it is known that it was told; everything that may be new is told again.
            begin = max(min(first, head.number) - self.window.size, 0)
            draft.note(self.window.begin_at(begin))
            draft.observe(self._too_deep(first, begin, head))
            self._owed = []
            _LOG.critical("a reorganisation is deeper than the window", extra={**fields, "told_again_from": begin})
        draft.note({_OWED: json.dumps(self._owed) if self._owed else None})
        self._is_settled = False
        await draft.flush()

    def _too_deep(self, first: int, begin: int, head: Block) -> Observation:
        data: dict[str, Any] = {
            "id": f"{self._connector}:reorg:{head.hash}",
            "network": self._network,
            "open": True,
            "severity": "critical",
            "reason": f"REORG_TOO_DEEP: no block from {first} on, the oldest whose hash is remembered, is still on the"
            f" chain; facts on blocks before {first} may be gone too and were not retracted; events are told again from"
            f" block {begin} on",
        }
        return Observation("assert", data, kind="incident")

    # -- after a start or a reorganisation -------------------------------------------------
    async def settle(self, draft: Draft) -> None:
        """Reads again the facts whose depth still rises, and tells again those that a removed one had replaced.

        Raises:
            ChainMovedError: the chain changed meanwhile.
            NodeError: the node cannot be asked.
            LeaseLostError: another daemon leads.
        """
        if self._is_settled:
            return
        self._counting = Counting()
        if self.window.last is not None:
            await self._resume(self.window.last, draft)
        if self._owed:
            self._owed = []
            draft.note({_OWED: None})
            await draft.flush()
        self._is_settled = True

    async def _resume(self, last: Entry, draft: Draft) -> None:
        owed = set(self._owed)
        for found in (await self._newest(last)).values():
            depth = last.number - found.height + 1
            if found.identity in owed:
                draft.tell(found, depth)
                self._counting.told(found, depth)
                await draft.flush_if_full()
            elif depth <= found.mapped.most:
                self._counting.resume(found)

    async def _newest(self, last: Entry) -> dict[str, Found]:
        """The newest fact of each identity, of the blocks that matter, oldest first."""
        span = self.window.size if self._owed else self._deepest if self._deepest > 1 else 0
        if not span or self._logs.is_idle:
            return {}
        first = max(last.number - span + 1, 0)
        known = self.window.unbroken(first)
        blocks: list[Told] = []
        while first < known[0].number:
            blocks += await self._some(first, known[0].number - 1)
            first = blocks[-1].number + 1
        blocks += await self._logs.of_blocks(known)
        newest: dict[str, Found] = {}
        for told in blocks:
            is_cut = told.number == last.number and not last.is_whole
            for found in told.found[: last.told] if is_cut else told.found:
                newest.pop(found.identity, None)
                newest[found.identity] = found
        return newest

    # -- new blocks ---------------------------------------------------------------------
    async def advance(self, head: Block, draft: Draft) -> bool:
        """Tells the next blocks up to ``head``, a bounded number of them. True: there are more.

        Raises:
            ChainMovedError: the chain changed meanwhile.
            NodeError: the node cannot be asked.
            LeaseLostError: another daemon leads.
        """
        first = self.window.next_number
        if first is None:
            first = head.number if self._options.start == "latest" else int(self._options.start)
            # Kept at once: where it began must not depend on how far it comes.
            draft.note(self.window.begin_at(first))
            await draft.flush()
        if first > head.number:
            await self._deepen(head, (), draft)
            await draft.flush()
            return False
        near = max(head.number - self.window.size + 1, 0)
        if first < near:
            told = await self._far(first, near - 1)
        else:
            told = await self._near(first, head)
        self._check_resumed(told[0])
        # From here on nothing is asked: what is drafted, and what the window says in memory, is written.
        await self._deepen(head, told, draft)
        for block in told:
            await self._tell(block, head, draft)
        await draft.flush()
        return told[-1].number < head.number

    async def _far(self, first: int, last: int) -> list[Told]:
        """Blocks too deep to be reorganised within the window: those with events, and the last one."""
        if self._logs.is_idle:
            return await self._logs.of_range(last, last)
        return await self._some(first, last)

    async def _some(self, first: int, last: int) -> list[Told]:
        """As many of these blocks as the node gives at once, from the first on."""
        while True:
            try:
                told = await self._logs.of_range(first, min(first + self._range - 1, last))
            except NodeRefusedError:
                if self._range == 1:
                    raise
                # Nodes bound their answer rather than the range, each in its own way; a smaller one may pass.
                self._range = max(self._range // 2, 1)
            else:
                self._range = min(self._range * 2, self._options.range)
                return told

    async def _near(self, first: int, head: Block) -> list[Told]:
        """Every block, each standing on the one before."""
        blocks = [*(await headers(self._node, range(first, head.number))), head]
        check_linked(blocks)
        last = self.window.last
        if last is not None and last.is_whole and blocks[0].number == last.number + 1 and blocks[0].parent != last.hash:
            raise ChainMovedError(f"block {blocks[0].number} does not stand on what was told")
        return await self._logs.of_blocks(blocks)

    def _check_resumed(self, block: Told) -> None:
        last = self.window.last
        if last is not None and last.number == block.number and last.hash != block.hash:
            raise ChainMovedError(f"block {block.number} was replaced while it was being told")

    async def _deepen(self, head: Block, told: Sequence[Told], draft: Draft) -> None:
        """Tells the depths that a new head changed; before the blocks, so that the position does not pass them by."""
        for block in told:
            for found in block.found:
                self._counting.replaced(found)
        for found in self._counting.due(head.number):
            depth = head.number - found.height + 1
            draft.tell(found, depth)
            self._counting.told(found, depth)
            await draft.flush_if_full()

    async def _tell(self, block: Told, head: Block, draft: Draft) -> None:
        last = self.window.last
        done = last.told if last is not None and last.number == block.number else 0
        if block.hash in self.window.removed:
            draft.note(self.window.lift([block.hash]))
            draft.reorg(self._network, [], [block.hash])
        keys = tuple(sorted({found.identity for found in block.found if found.mapped.key}))
        depth = head.number - block.number + 1
        while True:
            part = block.found[done : done + max(draft.room, 1)]
            for found in part:
                draft.tell(found, depth)
                self._counting.told(found, depth)
            done += len(part)
            is_whole = done == len(block.found)
            draft.note(self.window.add(Entry(block.number, block.hash, block.time_ms, done, is_whole, keys)))
            await draft.flush_if_full()
            if is_whole:
                return
