"""Looks after every transaction that is noted, until it is final, and tells what becomes of it.

Each round asks the node for its view once, and then after each note in the order of nonces. A note changes together
with what is said of it, so each change is told, and none is told of that did not happen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from connectors.base import Pace
from connectors.evm import telling
from connectors.evm.calls import Call
from connectors.evm.chain import Chain, Receipt
from connectors.evm.node import NodeAwayError, NodeError, NodeRefusedError
from connectors.evm.nonces import who_took
from connectors.evm.notes import Book, Mined, Note, Outcome
from connectors.evm.pushing import Pushing
from connectors.evm.rarely import Rarely
from connectors.evm.receipts import outcome_of
from connectors.evm.sending_options import SendingOptions
from connectors.evm.telling import Teller
from connectors.evm.view import View
from engine.clock import monotonic_ms

_LOG = logging.getLogger("lockstep.connector.evm")
#: Of the ``transaction`` fact, by what was told of the command.
_STATES: Final = {"done": telling.DONE, "failed": telling.FAILED, "unknown": telling.MINED}
_AWAY: Final = "away"
#: Waits after a node that was away double up to this.
_LONGEST_WAIT_MS: Final = 30_000
#: A pool is asked so often for what it is known to have, even while no block comes.
_POOL_EVERY_MS: Final = 10_000


class Following:
    """The loop, and what it does with one note."""

    def __init__(
        self,
        options: SendingOptions,
        network: str,
        chain_id: int,
        chain: Chain,
        book: Book,
        calls: Mapping[str, Call],
        pace: Pace | None,
    ) -> None:
        self._options = options
        self._network = network
        self._chain_id = chain_id
        self._chain = chain
        self._book = book
        self._calls = calls
        self._pace = pace
        self._teller = Teller(book, network)
        self.pushing = Pushing(options, chain, book, self._teller)
        self._rarely = Rarely()
        self._woken = asyncio.Event()
        #: The head of the last whole round: what is in a block stands as it stood while no block comes.
        self._seen_head = ""
        self._pool_due_ms = 0
        self._highest = 0
        #: Since when the node has shown fewer blocks than it had shown before, monotonic ms.
        self._shrunk_since_ms: int | None = None

    def wake(self) -> None:
        """There is a new note."""
        self._woken.set()

    def handed_over(self, command_id: str) -> None:
        """Its sender tells that a node has it."""
        self.pushing.handed_over.add(command_id)
        self._woken.set()

    async def run(self) -> None:
        """Rounds, at the configured pace while anything is under way; until cancelled."""
        if self._pace is not None:
            self._pace("sending", self._options.poll, self._tick)
        wait_ms, not_before_ms = 0, 0
        while True:
            self._woken.clear()
            if self._book.open and monotonic_ms() >= not_before_ms:
                try:
                    await self.round()
                    wait_ms = 0
                    if self._rarely.is_over(_AWAY):
                        _LOG.info("receipts are followed again", extra={"network": self._network})
                except NodeError as error:
                    wait_ms = min(max(2 * wait_ms, self._options.poll), _LONGEST_WAIT_MS)
                    not_before_ms = monotonic_ms() + wait_ms
                    if self._rarely.is_due(_AWAY):
                        fields = {"network": self._network, "reason": str(error)}
                        _LOG.warning("receipts cannot be followed", extra=fields)
            await self._woken.wait()

    def _tick(self) -> None:
        if self._book.open:
            self._woken.set()

    async def round(self) -> None:
        """Looks at every note of which there may be news.

        Raises:
            NodeAwayError: the node cannot be asked.
        """
        head = await self._chain.head()
        is_shrunk = self._is_shrunk(head.number)
        is_due = is_shrunk or head.hash != self._seen_head or monotonic_ms() >= self._pool_due_ms
        wanted = [note for note in self._book.open.values() if is_due or _is_restless(note)]
        if not wanted:
            return
        # Another chain's blocks and nonces would be taken for this one's.
        if (found := await self._chain.chain_id()) != self._chain_id:
            raise NodeAwayError(f"the node is of chain {found}, not of {self._chain_id}")
        view = View(self._chain, head, self._options.final_after)
        # On a chain that is slow to be final there may be hundreds of them.
        await view.look_at(note.mined.block for note in wanted if note.mined is not None)
        for note in sorted(wanted, key=lambda each: each.nonce):
            await self._look(note, view)
        if is_due:
            self._seen_head = head.hash
            self._pool_due_ms = monotonic_ms() + _POOL_EVERY_MS

    async def _look(self, note: Note, view: View) -> None:
        if note.mined is not None and await view.has(note.mined):
            await self._count(note, view, None)
            return
        is_used = note.nonce < await view.used(note.sender)
        receipt = await self._receipt(note, view) if is_used else None
        if receipt is not None:
            mined = Mined(receipt.hash, receipt.block, receipt.block_hash)
            stands = telling.stand(note, telling.MINED, mined=mined, seen=True, waits_since_ms=None)
            await self._count(stands, view, receipt)
            return
        if note.mined is not None:
            if self._is_behind(note.mined, view):
                return
            _LOG.warning("a block left the chain", extra={"command": note.command, "tx": note.mined.hash})
            note = telling.stand(note, telling.UNCONFIRMED, mined=None)
            await self._teller.change(note, view.head.number, "the block it was in is no longer on the chain")
        if is_used:
            await self._nonce_used(note, view)
        else:
            await self.pushing.push(note, view)

    def _is_shrunk(self, height: int) -> bool:
        """The node shows fewer blocks than had been seen, in this life or an earlier one."""
        mined = (note.mined.block for note in self._book.open.values() if note.mined is not None)
        self._highest = max([self._highest, *mined])
        if height >= self._highest:
            self._highest, self._shrunk_since_ms = height, None
        elif self._shrunk_since_ms is None:
            self._shrunk_since_ms = monotonic_ms()
        return self._shrunk_since_ms is not None

    # -- in a block --------------------------------------------------------------------
    def _is_behind(self, mined: Mined, view: View) -> bool:
        """The node has not come to that block yet, again; if it stays so, the block is gone."""
        if view.head.number >= mined.block or self._shrunk_since_ms is None:
            return False
        return monotonic_ms() - self._shrunk_since_ms < self._options.gone_after

    async def _receipt(self, note: Note, view: View) -> Receipt | None:
        """Of whichever version is in a block that is on the chain; nodes also answer from blocks that have left."""
        for tx in note.hashes:
            receipt = await self._chain.receipt(tx)
            if receipt is not None and await view.has(Mined(tx, receipt.block, receipt.block_hash)):
                return receipt
        return None

    async def _count(self, note: Note, view: View, receipt: Receipt | None) -> None:
        """It is in a block: told once it is deep enough, let go once it is final."""
        mined = note.mined
        if mined is None:
            return
        deep = telling.depth(mined, view.head.number)
        is_told = note.outcome is not None and note.outcome.detail.get("block_hash") == mined.block_hash
        if not is_told and deep >= self._options.confirmations:
            await self._conclude(note, view, receipt)
        elif is_told and note.outcome is not None and mined.block <= await view.final():
            final = telling.stand(note, telling.FINAL)
            reason = str(note.outcome.detail.get("reason", ""))
            await self._teller.close(final, note.outcome, view.head.number, reason)
            self.pushing.handed_over.discard(note.command)
        elif note != self._book.open.get(note.command):
            await self._teller.change(replace(note, missing_since_ms=None), view.head.number)

    async def _conclude(self, note: Note, view: View, receipt: Receipt | None) -> None:
        receipt = receipt or await self._receipt(note, view)
        if receipt is None or note.mined is None or receipt.block_hash != note.mined.block_hash:
            return  # it moved while we looked; the next round sees where to
        outcome = await outcome_of(self._chain, note, receipt, self._calls.get(note.verb))
        reason = str(outcome.detail.get("reason", ""))
        state = _STATES[outcome.status]
        note = telling.stand(note, state, outcome=outcome, told=outcome.status, missing_since_ms=None)
        said = telling.report(note, outcome.status, outcome.detail)
        await self._teller.change(note, view.head.number, reason, said)

    # -- its nonce was used by another ------------------------------------------------------
    async def _nonce_used(self, note: Note, view: View) -> None:
        """Until that is final, and the other transaction is found, nobody knows; then ours can never be mined."""
        try:
            final = await view.final()
            taken = await who_took(self._chain, note, final) if final >= 0 else None
        except NodeRefusedError:
            taken = None  # that state is no longer kept: it cannot be proved
        if taken is None or taken.hash in note.hashes:
            await self.pushing.miss(note, view, f"nonce {note.nonce} is used, by none of its transactions")
            return
        detail = {"reason": "nonce_taken", "nonce": note.nonce, "by": taken.hash, "block": taken.block}
        outcome = Outcome("failed", detail)
        note = telling.stand(note, telling.FAILED)
        reason = f"nonce {note.nonce} was taken by {taken.hash}, which is final"
        said = telling.report(note, "failed", detail)
        await self._teller.close(note, outcome, view.head.number, reason, said)
        self.pushing.handed_over.discard(note.command)


def _is_restless(note: Note) -> bool:
    """Not known to be in a block nor in a pool: that may change without a block."""
    return note.mined is None and (not note.seen or note.waits_since_ms is None)
