"""What is not in a block: handed over, handed over again when pools lose it, replaced when it is stuck."""

from __future__ import annotations

import logging
import re
from typing import Final

from connectors.base import Observation
from connectors.evm import telling
from connectors.evm.chain import Chain
from connectors.evm.fees import Market, Offer, first_offer, raised_offer
from connectors.evm.keys import Signer
from connectors.evm.node import NodeRefusedError
from connectors.evm.notes import Book, Note
from connectors.evm.replacement import signed_version
from connectors.evm.sending_options import SendingOptions
from connectors.evm.telling import Teller
from connectors.evm.view import View
from engine.clock import wall_ms

_LOG = logging.getLogger("lockstep.connector.evm")
#: What nodes say of a transaction that they have, or of whose nonce they know better.
_KNOWN: Final = ("already known", "alreadyknown", "already imported", "known transaction", "nonce too low", "oldnonce")
_NONCE_USED: Final = re.compile("nonce too low|oldnonce", re.IGNORECASE)
_TOO_CHEAP: Final = ("underpriced", "less than block base fee", "fee too low", "too low for the next block")
#: Offers for one command beyond which none is made that is not higher than all before.
_MAX_VERSIONS: Final = 64
#: There is one with that nonce in the pool, and this one does not offer enough more.
_BESIDE_ANOTHER: Final = "replacement"


def is_known_already(refused: NodeRefusedError) -> bool:
    """The node has it, or its nonce is used: nothing is to be handed over."""
    return any(words in refused.message.lower() for words in _KNOWN)


def is_nonce_used(refused: NodeRefusedError) -> bool:
    """By this transaction or by another one; only a receipt tells."""
    return _NONCE_USED.search(refused.message) is not None


class Pushing:
    """Gets a noted transaction into a block, or at least says why not.

    Attributes:
        signer: whose notes can be replaced; set at the start.
        handed_over: commands of which dispatch tells that they are submitted.
    """

    def __init__(self, options: SendingOptions, chain: Chain, book: Book, teller: Teller) -> None:
        self._options = options
        self._chain = chain
        self._book = book
        self._teller = teller
        self.signer: Signer | None = None
        self.handed_over: set[str] = set()

    async def push(self, note: Note, view: View) -> None:
        """Nobody has mined it: it waits in the pool, or was lost from it."""
        is_known = await self._chain.knows(note.last.hash)
        if note.outcome is not None and note.outcome.status == "failed" and not note.last.cancels:
            # It reverted, that was told, and its block is gone: a second run must not succeed behind everybody's back.
            await self._replace(note, view, "it has failed", cancels=True)
        elif is_known:
            await self._waits(note, view)
        elif self._is_over(note) and not note.last.cancels:
            # It has expired, and no pool has it: it must not be carried out any more. But its nonce is given.
            await self._replace(note, view, "expired", cancels=True)
        else:
            await self._hand_over(note, view)

    async def _hand_over(self, note: Note, view: View) -> None:
        try:
            await self._chain.broadcast(note.last.raw)
        except NodeRefusedError as refused:
            if is_nonce_used(refused):
                return  # the next look sees by which transaction
            if is_known_already(refused):
                await self._waits(note, view)  # many nodes do not show what waits in their pool
                return
            if await self._is_too_cheap(note, refused):
                await self._replace(note, view, refused.message, cancels=note.last.cancels or self._is_over(note))
                return
            await self.miss(note, view, refused.message)
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
            used = await view.used(note.sender)
            is_late = now_ms - since_ms >= self._options.stuck_after and view.head.number > note.last.block
            if is_late and note.nonce == used:
                await self._replace(note, view, "no block took it", cancels=note.last.cancels or self._is_over(note))
            elif is_late and note.nonce == self._lowest(note.sender) and note.state != telling.STUCK:
                reason = f"nonce {used} comes first; nobody uses it"
                await self._teller.change(telling.stand(note, telling.STUCK), view.head.number, reason)
            return
        state = telling.PENDING if note.state in ("", telling.MISSING) else note.state
        told, said = note.told, list[Observation]()
        if not told:
            told = "submitted"
            if note.command not in self.handed_over:
                said.append(telling.report(note, told, {"tx": note.last.hash, "nonce": note.nonce}))
        is_new = state != note.state
        note = telling.stand(note, state, seen=True, waits_since_ms=now_ms, missing_since_ms=None, told=told)
        if is_new:
            await self._teller.change(note, view.head.number, "", *said)
        else:
            await self._book.change(note, said)

    def _lowest(self, sender: str) -> int:
        """Nonce of the account's first transaction that waits for a block."""
        return min(note.nonce for note in self._book.open.values() if note.sender == sender and note.mined is None)

    async def _replace(self, note: Note, view: View, why: str, *, cancels: bool) -> None:
        """A higher offer at the same nonce, noted before a node sees it."""
        offer = await self._offer(note, view, cancels=cancels)
        if offer is None or self.signer is None or self.signer.address != note.sender:
            if note.state != telling.STUCK:
                at_cap = "a higher offer is above the cap" if offer is None else "its key is no longer configured"
                await self._teller.change(telling.stand(note, telling.STUCK), view.head.number, f"{why}; {at_cap}")
            return
        now_ms = wall_ms()
        note = signed_version(self.signer, note, offer, now_ms, view.head.number, cancels=cancels)
        await self._teller.change(
            telling.stand(note, telling.PENDING, waits_since_ms=now_ms), view.head.number, f"replaced: {why}"
        )
        try:
            await self._chain.broadcast(note.last.raw)
        except NodeRefusedError as refused:
            _LOG.info("a replacement waits", extra={"command": note.command, "reason": refused.message})

    async def _offer(self, note: Note, view: View, *, cancels: bool) -> Offer | None:
        """More than its last one; if no pool has it, so that there is nothing to outbid, what is asked now will do."""
        last = Offer(note.last.max_fee, note.last.priority)
        market = Market(view.head.base_fee, await self._chain.tip())
        raised = raised_offer(last, market, self._options.fees)
        if raised is not None or len(note.versions) >= _MAX_VERSIONS:
            return raised
        if any([await self._chain.knows(tx) for tx in note.hashes]):
            return None
        fresh = first_offer(market, self._options.fees)
        is_the_same = fresh == last and cancels == note.last.cancels
        return None if is_the_same else fresh

    async def miss(self, note: Note, view: View, reason: str) -> None:
        """No node has it. After a while that is told; what becomes of it may still be seen."""
        now_ms = wall_ms()
        since_ms = note.missing_since_ms
        if since_ms is None or since_ms > now_ms:
            state = note.state if note.state == telling.UNCONFIRMED else telling.MISSING
            await self._teller.change(
                telling.stand(note, state, missing_since_ms=now_ms, waits_since_ms=None), view.head.number, reason
            )
            return
        if now_ms - since_ms >= self._options.unknown_after and note.told not in ("unknown", "done", "failed"):
            note = telling.stand(note, telling.MISSING, told="unknown", missing_since_ms=since_ms, waits_since_ms=None)
            detail = {"reason": reason, "tx": note.last.hash, "nonce": note.nonce}
            await self._teller.change(note, view.head.number, reason, telling.report(note, "unknown", detail))

    def _is_over(self, note: Note) -> bool:
        """It is not to be pushed any more. What was told as done is, whatever the time."""
        if note.outcome is not None and note.outcome.status != "unknown":
            return note.outcome.status == "failed"
        return note.expires_ms is not None and wall_ms() > note.expires_ms
