"""One direction: from the bridge where deposits are locked to the one where they are released."""

from __future__ import annotations

from typing import Final

from connectors.evm.blocks import ChainMovedError
from connectors.evm.node import NodeAwayError, NodeRefusedError
from engine.insight.chains.relayer.book import Book, Entry, State
from engine.insight.chains.relayer.deposit import Deposit
from engine.insight.chains.relayer.peer import LOG, Peer
from engine.insight.chains.relayer.source import BranchLostError, Look, counts, look
from engine.insight.chains.relayer.target import Target

_REFUSED: Final = "%s: %s cannot be released yet: %s"


class Route:
    """Brings deposits of one chain over to the other, each once."""

    def __init__(self, source: Peer, target: Peer, depth: int, book: Book) -> None:
        self._source = source
        self._target = Target(target)
        self._depth = depth
        self._book = book
        self._coming: dict[str, Deposit] = {}
        #: The head under which everything was read.
        self._head: str | None = None
        #: id → the last reason for which it could not be released, so that it is said once.
        self._refused: dict[str, str] = {}

    async def walk(self) -> None:
        """Looks once at both chains, and does what is to be done. It may be called again whatever happened.

        Raises:
            ChainError: X157, a node is of another chain.
        """
        if await self._read():
            for entry in self._book.open_of(self._source.network):
                await self._bring(entry)

    async def _read(self) -> bool:
        """Takes new deposits into the book; False if the source cannot be read now."""
        name = self._source.network
        try:
            head = await self._source.head()
            if head.hash == self._head:
                self._source.is_back()
                return True
            seen = await look(self._source, head, self._depth, self._book.marks.get(name))
        except NodeAwayError as error:
            self._source.is_gone(error)
            return False
        except (ChainMovedError, NodeRefusedError) as error:
            LOG.info("%s: to be read again: %s", name, error)
            return False
        except BranchLostError as error:
            LOG.warning("%s: blocks that were deep enough are gone, all is read again: %s", name, error)
            self._book.forget_network(name)
            self._book.save()
            return False
        self._head = head.hash if seen.is_whole else None
        self._source.is_back()
        self._tell_coming(seen)
        self._take(seen)
        return True

    def _tell_coming(self, seen: Look) -> None:
        coming = {deposit.id: deposit for deposit in seen.coming}
        stays = {*coming, *(deposit.id for deposit in seen.settled)}
        for deposit in self._coming.values():
            if deposit.id not in stays:
                LOG.warning("%s: deposit %s is gone with block %d", deposit.network, deposit.short, deposit.height)
        for deposit in coming.values():
            before = self._coming.get(deposit.id)
            if before is None or before.block_hash != deposit.block_hash:
                words = "%s: sees deposit %s of %d in block %d, intent %s"
                LOG.info(words, deposit.network, deposit.short, deposit.amount, deposit.height, deposit.intent)
        self._coming = coming

    def _take(self, seen: Look) -> None:
        mark = self._book.marks.get(self._source.network)
        if seen.mark is None or seen.mark == mark:
            return
        self._book.marks[self._source.network] = seen.mark
        for deposit in seen.settled:
            LOG.info("%s: deposit %s is %d deep", deposit.network, deposit.short, self._depth)
            self._book.entries[deposit.id] = Entry(deposit)
        # The mark alone may be lost: what is read again is the same.
        if seen.settled:
            self._book.save()

    async def _bring(self, entry: Entry) -> None:
        try:
            found = await self._target.found(entry.deposit)
            if found is not None:
                self._note_released(entry, *found)
            elif not await self._target.is_under_way(entry.deposit, entry.tx):
                await self._release(entry)
        except NodeAwayError as error:
            self._target.peer.is_gone(error)
        except ChainMovedError:
            return
        except NodeRefusedError as error:
            self._say_refused(entry.deposit, str(error))
        else:
            self._target.peer.is_back()

    def _note_released(self, entry: Entry, tx: str, depth: int) -> None:
        deposit = entry.deposit
        name = self._target.peer.network
        state: State = "final" if depth >= self._depth else "released"
        if (state, tx) == (entry.state, entry.tx):
            return
        if entry.state not in ("released", "final"):
            LOG.info("%s: released %d for %s, transaction %s", name, deposit.arrives, deposit.short, tx)
        if state == "final":
            LOG.info("%s: the release for %s is %d deep, done", name, deposit.short, depth)
        self._book.note(deposit, state, tx)
        self._book.save()

    async def _release(self, entry: Entry) -> None:
        deposit, name = entry.deposit, self._target.peer.network
        if entry.state == "released":
            LOG.warning("%s: the release for %s is gone with its block", name, deposit.short)
        if not await self._still_counts(deposit):
            return
        tx = await self._target.release(deposit)
        self._refused.pop(deposit.id, None)
        words = "%s: releases %d for %s to %s in transaction %s"
        LOG.info(words, name, deposit.arrives, deposit.short, deposit.receiver, tx)
        self._book.note(deposit, "sent", tx)
        self._book.save()

    async def _still_counts(self, deposit: Deposit) -> bool:
        """The last look at the source before anything is sent."""
        try:
            return await counts(self._source, deposit, self._depth)
        except NodeAwayError as error:
            self._source.is_gone(error)
        except NodeRefusedError as error:
            self._say_refused(deposit, str(error))
        return False

    def _say_refused(self, deposit: Deposit, words: str) -> None:
        if self._refused.get(deposit.id) != words:
            self._refused[deposit.id] = words
            LOG.warning(_REFUSED, self._target.peer.network, deposit.short, words)
