"""Looks after every transaction that is noted, until it is final, and tells what becomes of it.

Each round asks the node for its view once, and then after each note in the order of nonces. A note changes together
with what is said of it, so each change is told, and none is told of that did not happen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from connectors.base import Observation, Pace
from connectors.evm import telling
from connectors.evm.calls import Call
from connectors.evm.chain import Chain, Head, Receipt
from connectors.evm.fees import Market, Offer, raised_offer
from connectors.evm.keys import Signer
from connectors.evm.node import NodeAwayError, NodeError, NodeRefusedError
from connectors.evm.nonces import who_took
from connectors.evm.notes import Book, Mined, Note, Outcome
from connectors.evm.receipts import outcome_of
from connectors.evm.replacement import signed_version
from connectors.evm.sending_options import SendingOptions
from engine.clock import monotonic_ms, wall_ms

_LOG = logging.getLogger("lockstep.connector.evm")
#: Waits after a node that was away double up to this.
_LONGEST_WAIT_MS: Final = 30_000
#: What nodes say of a transaction that they have, or of whose nonce they know better.
_KNOWN: Final = ("already known", "alreadyknown", "already imported", "known transaction", "nonce too low", "oldnonce")
_TOO_CHEAP: Final = ("underpriced", "less than block base fee", "fee too low", "too low for the next block")
#: There is one with that nonce in the pool, and this one does not offer enough more.
_BESIDE_ANOTHER: Final = "replacement"


def is_known_already(refused: NodeRefusedError) -> bool:
    """The node has it, or its nonce is used: nothing is to be handed over."""
    return any(words in refused.message.lower() for words in _KNOWN)


@dataclass(slots=True)
class View:
    """What the node showed at the beginning of a round.

    Attributes:
        head: the latest block.
        final: number of the latest block that counts as final.
        used: by account, how many nonces the chain has used.
        hashes: of blocks that were asked for, by number.
    """

    head: Head
    final: int
    used: dict[str, int] = field(default_factory=dict)
    hashes: dict[int, str | None] = field(default_factory=dict)


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
        #: Whose notes can be replaced; set at the start.
        self.signer: Signer | None = None
        self._woken = asyncio.Event()
        #: The head of the last whole round: what is in a block stands as it stood while no block comes.
        self._seen_head = ""
        #: Commands of which dispatch tells that they are submitted.
        self._handed_over: set[str] = set()

    def wake(self) -> None:
        """There is a new note."""
        self._woken.set()

    def handed_over(self, command_id: str) -> None:
        """Its sender tells that a node has it."""
        self._handed_over.add(command_id)
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
                except NodeError as error:
                    wait_ms = min(max(2 * wait_ms, self._options.poll), _LONGEST_WAIT_MS)
                    not_before_ms = monotonic_ms() + wait_ms
                    _LOG.warning("receipts cannot be followed", extra={"network": self._network, "reason": str(error)})
            await self._woken.wait()

    def _tick(self) -> None:
        if self._book.open:
            self._woken.set()

    async def round(self) -> None:
        """Looks at every note once.

        Raises:
            NodeAwayError: the node cannot be asked.
        """
        view = await self._view()
        for note in sorted(self._book.open.values(), key=lambda each: each.nonce):
            if note.mined is not None and view.head.hash == self._seen_head:
                continue
            if note.sender not in view.used:
                view.used[note.sender] = await self._chain.nonces_used(note.sender)
            await self._look(note, view)
        self._seen_head = view.head.hash

    async def _view(self) -> View:
        found = await self._chain.chain_id()
        if found != self._chain_id:
            raise NodeAwayError(f"the node is of chain {found}, not of {self._chain_id}")
        head = await self._chain.head()
        final = await self._chain.finalized()
        return View(head, head.number - self._options.final_after if final is None else final)

    async def _look(self, note: Note, view: View) -> None:
        if note.mined is not None and await self._is_there(note.mined, view):
            await self._count(note, view, None)
            return
        receipt = await self._receipt(note, view) if note.nonce < view.used[note.sender] else None
        if receipt is not None:
            mined = Mined(receipt.hash, receipt.block, receipt.block_hash)
            await self._count(
                telling.stand(note, telling.MINED, mined=mined, seen=True, waits_since_ms=None), view, receipt
            )
            return
        if note.mined is not None:
            _LOG.warning("a block left the chain", extra={"command": note.command, "tx": note.mined.hash})
            note = telling.stand(note, telling.UNCONFIRMED, mined=None)
            await self._tell(note, view, "the block it was in is no longer on the chain")
        if note.nonce < view.used[note.sender]:
            await self._nonce_used(note, view)
        else:
            await self._push(note, view)

    # -- in a block --------------------------------------------------------------------
    async def _is_there(self, mined: Mined, view: View) -> bool:
        if mined.block not in view.hashes:
            view.hashes[mined.block] = await self._chain.block_hash(mined.block)
        return view.hashes[mined.block] == mined.block_hash

    async def _receipt(self, note: Note, view: View) -> Receipt | None:
        """Of whichever version is in a block that is on the chain; nodes also answer from blocks that have left."""
        for tx in note.hashes:
            receipt = await self._chain.receipt(tx)
            if receipt is not None and await self._is_there(Mined(tx, receipt.block, receipt.block_hash), view):
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
        elif is_told and note.outcome is not None and mined.block <= view.final:
            final = telling.stand(note, telling.FINAL)
            await self._book.close(final, note.outcome, [self._fact(final, view)])
            self._handed_over.discard(note.command)
        elif note != self._book.open.get(note.command):
            await self._tell(replace(note, missing_since_ms=None), view)

    async def _conclude(self, note: Note, view: View, receipt: Receipt | None) -> None:
        receipt = receipt or await self._receipt(note, view)
        if receipt is None or note.mined is None or receipt.block_hash != note.mined.block_hash:
            return  # it moved while we looked; the next round sees where to
        outcome = await outcome_of(self._chain, note, receipt, self._calls.get(note.verb))
        reason = str(outcome.detail.get("reason", ""))
        state = telling.DONE if outcome.status == "done" else telling.FAILED
        note = telling.stand(note, state, outcome=outcome, told=outcome.status, missing_since_ms=None)
        said = telling.report(note, outcome.status, outcome.detail)
        await self._book.change(note, [said, self._fact(note, view, reason)])

    # -- its nonce was used by another ------------------------------------------------------
    async def _nonce_used(self, note: Note, view: View) -> None:
        """Until that is final, and the other transaction is found, nobody knows; then ours can never be mined."""
        try:
            taken = await who_took(self._chain, note, view.final) if view.final >= 0 else None
        except NodeRefusedError:
            taken = None  # that state is no longer kept: it cannot be proved
        if taken is None or taken.hash in note.hashes:
            await self._miss(note, view, f"nonce {note.nonce} is used, by none of its transactions")
            return
        detail = {"reason": "nonce_taken", "nonce": note.nonce, "by": taken.hash, "block": taken.block}
        outcome = Outcome("failed", detail)
        note = telling.stand(note, telling.FAILED)
        reason = f"nonce {note.nonce} was taken by {taken.hash}, which is final"
        said = [telling.report(note, "failed", detail), self._fact(note, view, reason)]
        await self._book.close(note, outcome, said)
        self._handed_over.discard(note.command)

    # -- not in a block -----------------------------------------------------------------------
    async def _push(self, note: Note, view: View) -> None:
        """Nobody has mined it: it waits in the pool, or was lost from it."""
        if note.outcome is not None and note.outcome.status == "failed" and not note.last.cancels:
            # It reverted, that was told, and its block is gone: a second run must not succeed behind everybody's back.
            await self._replace(note, view, "it has failed", cancels=True)
        elif await self._chain.knows(note.last.hash):
            await self._waits(note, view)
        elif self._is_over(note) and not note.seen and not note.last.cancels:
            # It has expired, and perhaps no node ever had it: it must not be carried out now. But its nonce is given.
            await self._replace(note, view, "expired", cancels=True)
        else:
            await self._hand_over(note, view)

    async def _hand_over(self, note: Note, view: View) -> None:
        try:
            await self._chain.broadcast(note.last.raw)
        except NodeRefusedError as refused:
            if is_known_already(refused):
                return  # the next look sees where it stands
            if await self._is_too_cheap(note, refused):
                await self._replace(note, view, refused.message, cancels=note.last.cancels or self._is_over(note))
                return
            await self._miss(note, view, refused.message)
            return
        await self._waits(note, view)

    async def _is_too_cheap(self, note: Note, refused: NodeRefusedError) -> bool:
        """It offers too little by itself, or beside an earlier version of it; not beside another program's."""
        said = refused.message.lower()
        if not any(words in said for words in _TOO_CHEAP):
            return False
        if _BESIDE_ANOTHER not in said:
            return True
        return any([await self._chain.knows(tx) for tx in note.hashes[1:]])

    async def _waits(self, note: Note, view: View) -> None:
        """A node has it in its pool."""
        now_ms, since_ms = wall_ms(), note.waits_since_ms
        # A clock that was set back begins to count anew.
        if since_ms is not None and since_ms <= now_ms and note.seen:
            is_late = now_ms - since_ms >= self._options.stuck_after and view.head.number > note.last.block
            if is_late and note.nonce == view.used[note.sender]:
                await self._replace(note, view, "no block took it", cancels=note.last.cancels or self._is_over(note))
            elif is_late and note.nonce == self._lowest(note.sender) and note.state != telling.STUCK:
                before = view.used[note.sender]
                await self._tell(
                    telling.stand(note, telling.STUCK), view, f"nonce {before} comes first; nobody uses it"
                )
            return
        state = telling.PENDING if note.state in ("", telling.MISSING) else note.state
        told, said = note.told, list[Observation]()
        if not told:
            told = "submitted"
            if note.command not in self._handed_over:
                said.append(telling.report(note, told, {"tx": note.last.hash, "nonce": note.nonce}))
        is_new = state != note.state
        note = telling.stand(note, state, seen=True, waits_since_ms=now_ms, missing_since_ms=None, told=told)
        if is_new:
            said.append(self._fact(note, view))
        await self._book.change(note, said)

    def _lowest(self, sender: str) -> int:
        """Nonce of the account's first transaction that waits for a block."""
        return min(note.nonce for note in self._book.open.values() if note.sender == sender and note.mined is None)

    async def _replace(self, note: Note, view: View, why: str, *, cancels: bool) -> None:
        """A higher offer at the same nonce, noted before a node sees it."""
        offer = await self._raised(note, view)
        if offer is None or self.signer is None or self.signer.address != note.sender:
            if note.state != telling.STUCK:
                at_cap = "a higher offer is above the cap" if offer is None else "its key is no longer configured"
                await self._tell(telling.stand(note, telling.STUCK), view, f"{why}; {at_cap}")
            return
        now_ms = wall_ms()
        note = signed_version(self.signer, note, offer, now_ms, view.head.number, cancels=cancels)
        await self._tell(telling.stand(note, telling.PENDING, waits_since_ms=now_ms), view, f"replaced: {why}")
        try:
            await self._chain.broadcast(note.last.raw)
        except NodeRefusedError as refused:
            _LOG.info("a replacement waits", extra={"command": note.command, "reason": refused.message})

    async def _raised(self, note: Note, view: View) -> Offer | None:
        market = Market(view.head.base_fee, await self._chain.tip())
        return raised_offer(Offer(note.last.max_fee, note.last.priority), market, self._options.fees)

    async def _miss(self, note: Note, view: View, reason: str) -> None:
        """No node has it. After a while that is told; what becomes of it may still be seen."""
        now_ms = wall_ms()
        since_ms = note.missing_since_ms
        if since_ms is None or since_ms > now_ms:
            state = note.state if note.state == telling.UNCONFIRMED else telling.MISSING
            await self._tell(telling.stand(note, state, missing_since_ms=now_ms, waits_since_ms=None), view, reason)
            return
        if now_ms - since_ms >= self._options.unknown_after and note.told not in ("unknown", "done", "failed"):
            note = telling.stand(note, telling.MISSING, told="unknown", missing_since_ms=since_ms, waits_since_ms=None)
            detail = {"reason": reason, "tx": note.last.hash, "nonce": note.nonce}
            await self._tell(note, view, reason, telling.report(note, "unknown", detail))

    def _is_over(self, note: Note) -> bool:
        """It is not to be pushed any more. What was told as done is, whatever the time."""
        if note.outcome is not None:
            return note.outcome.status == "failed"
        return note.expires_ms is not None and wall_ms() > note.expires_ms

    def _fact(self, note: Note, view: View, reason: str = "") -> Observation:
        return telling.fact(self._network, note, view.head.number, reason)

    async def _tell(self, note: Note, view: View, reason: str = "", *said: Observation) -> None:
        await self._book.change(note, [*said, self._fact(note, view, reason)])
