"""After an unclean stop: what was in hand is taken one entry at a time, so that one bad entry cannot kill for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine import limits
from engine.errors import FactRejectedError
from engine.matching.engine import Engine
from engine.model.journal import StreamId
from engine.runtime.logging import logger

if TYPE_CHECKING:
    from engine.runtime.loop import Loop, LoopStore

#: An entry whose evaluation was begun so often, and never committed, is quarantined.
_TRIES: Final = 3
#: Two batches may be in hand at once: one being decided, one on its way to Redis.
_IN_HAND: Final = 2 * limits.MAX_BATCH
_LOG = logger("careful")


class Careful:
    """One use, after recovery."""

    def __init__(self, store: LoopStore, epoch: int, poison: str, follows_server: bool) -> None:
        self._store = store
        self._epoch = epoch
        entry, _, count = poison.partition(":")
        self._last, self._count = entry, int(count or "0")
        self._follows_server = follows_server

    async def run(self, loop: Loop, engine: Engine) -> None:
        """Apply what may have been in hand, noting each entry before it is evaluated."""
        server_ms = await self._store.time_ms() if self._follows_server else None
        entries = await self._store.read_journal(engine.position, _IN_HAND)
        for identity, fields in entries:
            entry = StreamId.parse(identity)
            count = self._count + 1 if str(entry) == self._last else 1
            await self._store.note({"poison": f"{entry}:{count}"}, self._epoch)
            if count >= _TRIES:
                await self._quarantine(loop, engine, entry, fields, server_ms)
            else:
                engine = await loop.take_one(engine, entry, fields, server_ms)
            self._last, self._count = "", 0
        await self._store.note({"poison": None}, self._epoch)

    async def _quarantine(
        self, loop: Loop, engine: Engine, entry: StreamId, fields: list[bytes], server_ms: int | None
    ) -> None:
        _LOG.critical("an entry has killed the daemon twice; it is quarantined", entry=str(entry))
        engine.begin_entry(entry, loop.entry_time(engine, entry, server_ms))
        error = FactRejectedError("F311", f"evaluating it ended the daemon {_TRIES - 1} times", "please report it")
        engine.reject(entry, fields, error)
        engine.finish_entry()
        await loop.commit(engine)
