"""After an unclean stop: what was in hand is taken one entry at a time, so that one bad entry cannot kill for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine import limits
from engine.errors import FactRejectedError
from engine.model.journal import StreamId
from engine.runtime.logging import logger
from engine.runtime.patience import patiently

if TYPE_CHECKING:
    from engine.runtime.loop import Loop, LoopStore

#: An entry whose evaluation is begun for the third time, and never ended, is quarantined.
_TRIES: Final = 3
#: Two batches may be in hand at once: one being decided, one on its way to Redis.
_IN_HAND: Final = 2 * limits.MAX_BATCH
#: Entries read at once; the server's clock is asked as often.
_READ: Final = 100
_LOG = logger("careful")


class Careful:
    """Notes each entry before it is evaluated, and takes the note back once that is over.

    So a note that is found tells of a process that died in between: not before, when what was due ran, and not after,
    when the commit was on its way.
    """

    def __init__(self, store: LoopStore, epoch: int, poison: str) -> None:
        """Makes it; does nothing yet.

        Args:
            store: where notes go.
            epoch: the leadership.
            poison: ``entry:count``, as the last process left it; empty: it left none.
        """
        self._store = store
        self._epoch = epoch
        entry, _, count = poison.partition(":")
        self._suspect, self._count = entry, int(count or "0")
        self._noted = poison
        self._left = _IN_HAND

    async def run(self, loop: Loop) -> bool:
        """Apply a few of the entries that may have been in hand; False once there are no more."""
        server_ms = await loop.server_ms()
        after = loop.engine.position
        entries = await patiently(lambda: self._store.read_journal(after, min(_READ, self._left)))
        for identity, fields in entries:
            if loop.is_stopping:
                return False
            entry = StreamId.parse(identity)
            now = await loop.run_due_before(entry, server_ms)
            if await self._begin(entry):
                await loop.take(identity, entry, fields, now)
            else:
                self._quarantine(loop, entry, fields, now)
            # Taken back before the commit: to die while that is on its way says nothing about the entry.
            await self._note("")
            await loop.commit()
            self._left -= 1
        if entries and self._left:
            return True
        await self._note("")
        return False

    async def _begin(self, entry: StreamId) -> bool:
        """Note that an entry is about to be evaluated; False if that has killed too often."""
        count = self._count + 1 if str(entry) == self._suspect else 1
        await self._note(f"{entry}:{count}")
        return count < _TRIES

    async def _note(self, text: str) -> None:
        if text != self._noted:
            await patiently(lambda: self._store.note({"poison": text or None}, self._epoch))
            self._noted = text

    def _quarantine(self, loop: Loop, entry: StreamId, fields: list[bytes], now: int) -> None:
        _LOG.critical("an entry has killed the daemon again and again; it is quarantined", entry=str(entry))
        engine = loop.engine
        loop.time.note(engine, entry, now)
        engine.begin_entry(entry, now)
        error = FactRejectedError("F311", "the daemon died each time it evaluated this entry", "please report it")
        engine.reject(entry, fields, error)
        engine.finish_entry()
