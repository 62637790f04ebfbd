"""One look after another at one network, and what each leads to."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from connectors.base import Notebook, Observation
from connectors.evm.advance import Advance
from connectors.evm.blocks import ChainMovedError
from connectors.evm.draft import Draft, Seen
from connectors.evm.events import Mapped
from connectors.evm.forks import Fork, find_fork
from connectors.evm.heads import Head, WrongChainError, ask_head, observed_at_ms, state_of
from connectors.evm.holdings import Holdings
from connectors.evm.network import NetworkReport
from connectors.evm.node import Node, NodeAwayError
from connectors.evm.options import EvmOptions, WatchOptions
from engine.clock import monotonic_ms, wall_ms

_LOG = logging.getLogger("lockstep.connector.evm")
#: One failure may be a hiccup; so many in a row are the node's state. Chains also change while they are read.
_PATIENCE: Final = 2
_PATIENCE_WITH_CHANGES: Final = 5


class Look:
    """What one life of the watcher knows. Whatever it forgets when it is cut off is in the notebook."""

    def __init__(
        self,
        name: str,
        options: EvmOptions,
        watch: WatchOptions,
        node: Node,
        mapped: Sequence[Mapped],
        notebook: Notebook,
        notes: Mapping[str, str],
    ) -> None:
        self._options = options
        self._watch = watch
        self._node = node
        self._notebook = notebook
        self._seen = Seen(wall_ms, notes)
        self._advance = Advance(name, options.network, node, watch, mapped, notes)
        self._holdings = Holdings(node, options.network, watch.balances, watch.pools)
        self._network = NetworkReport(name, options.network, options.chain_id, notes)
        self._short_since_ms: int | None = None
        self._held_at = ("", 0)

    async def once(self) -> bool:
        """Looks once, and tells what changed. True: there is more to catch up with at once.

        Raises:
            WrongChainError: the node is of another chain.
            ChainMovedError: the chain changed while it was read.
            NodeError: the node cannot be asked.
            LeaseLostError: another daemon leads.
        """
        draft = Draft(self._notebook, self._seen)
        head = await ask_head(self._node, self._options.chain_id)
        fork = await find_fork(self._node, self._advance.window, head.latest)
        if fork is None or not fork.is_short:
            self._short_since_ms = None
        if fork is not None:
            if fork.is_short and not self._is_gone(head):
                await self._tell_unwell("behind", self._short_words(head), draft)
                return False
            await self._reorganise(fork, head, draft)
        await self._advance.settle(draft)
        has_more = await self._advance.advance(head.latest, draft)
        last = self._advance.window.last
        # What stands on a block that the window does not hold would outlive it.
        await self._sample(head, draft, is_catching_up=last is None or last.hash != head.latest.hash)
        return has_more

    async def failed(self, error: Exception, failures: int) -> None:
        """A look gave nothing, for the so-manieth time in a row.

        Raises:
            LeaseLostError: another daemon leads.
        """
        state = "down"
        if isinstance(error, WrongChainError):
            state = "wrong_chain"
        elif isinstance(error, NodeAwayError) and error.is_slow:
            state = "slow"
        patience = _PATIENCE_WITH_CHANGES if isinstance(error, ChainMovedError) else _PATIENCE
        if state == "wrong_chain" or failures >= patience:
            await self._tell_unwell(state, str(error), Draft(self._notebook, self._seen))

    async def _tell_unwell(self, state: str, words: str, draft: Draft) -> None:
        observations = self._network.unwell(state, words, self._seen.now_ms())
        if observations:
            fields = {"network": self._options.network, "state": state, "reason": words}
            _LOG.warning("the node is not well", extra=fields)
        draft.observe(*observations)
        draft.note(self._network.notes)
        await draft.flush()

    def _is_gone(self, head: Head) -> bool:
        """The blocks above a head that is lower than before are lost, and not merely unknown to this node."""
        now = monotonic_ms()
        if self._short_since_ms is None:
            self._short_since_ms = now
        # An old head is that of a node which has fallen behind or begins anew, and says nothing of the chain.
        is_old = state_of(head, self._seen.now_ms(), self._watch.behind_after) == "behind"
        return not is_old and now - self._short_since_ms >= self._watch.gone_after

    def _short_words(self, head: Head) -> str:
        last = self._advance.window.last
        told = last.number if last is not None else 0
        return f"its newest block is {head.latest.number}, and {told} was seen before"

    async def _reorganise(self, fork: Fork, head: Head, draft: Draft) -> None:
        window = self._advance.window
        draft.note(self._network.forget_blocks(frozenset(entry.hash for entry in window.entries[fork.keep :])))
        self._short_since_ms = None
        await self._advance.reorganise(fork, head.latest, draft)

    async def _sample(self, head: Head, draft: Draft, *, is_catching_up: bool) -> None:
        """Tells of the network and of what is held at its head."""
        held = [] if is_catching_up else await self._held(head)
        now = self._seen.now_ms()
        observations = self._network.well(
            head,
            self._advance.window.entries,
            now,
            behind_after_ms=self._watch.behind_after,
            renew_ms=self._watch.renew,
            is_catching_up=is_catching_up,
        )
        draft.note(self._network.notes)
        for incident in (each.data for each in observations if each.kind == "incident"):
            level = logging.WARNING if incident["open"] else logging.INFO
            _LOG.log(level, incident["reason"], extra={"network": self._options.network})
        for observation in [*observations, *held]:
            draft.observe(observation)
            await draft.flush_if_full()
        await draft.flush()

    async def _held(self, head: Head) -> list[Observation]:
        now = monotonic_ms()
        block_hash, told_ms = self._held_at
        if block_hash == head.latest.hash and now - told_ms < self._watch.renew:
            return []
        facts = await self._holdings.at(head.latest)
        self._held_at = (head.latest.hash, now)
        observed = observed_at_ms(head, self._seen.now_ms(), self._watch.behind_after)
        return [Observation("assert", fact.fields, kind=fact.kind, observed_at_ms=observed) for fact in facts]
