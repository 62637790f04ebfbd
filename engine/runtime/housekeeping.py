"""What months ask for: snapshots, and trimming of what they make unnecessary. Nothing here decides anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from engine import limits
from engine.errors import StoreError
from engine.model.journal import Cursor
from engine.runtime.logging import logger
from engine.runtime.rounds import Rounds
from engine.store.redis_store import RedisStore

#: How often it is looked whether something is to be done.
LOOK_EVERY_MS = 60_000
#: Commands stay readable, for explanations and for executors that were away, as long as their facts do.
_KEEP_COMMANDS_MS = limits.COMMAND_KEEP_MS
#: A commit may come between looking at the cursor and copying: then it is tried again, that often.
_SNAPSHOT_TRIES = 5
_LOG = logger("housekeeping")


class Housekeeping(Rounds):
    """Writes snapshots and trims streams, under one epoch."""

    def __init__(
        self, store: RedisStore, epoch: int, applied: Callable[[], int], connectors: Callable[[], Iterable[str]]
    ) -> None:
        """Makes it; does nothing yet.

        Args:
            store: the store.
            epoch: the leadership.
            applied: how many entries were applied since the start.
            connectors: names whose command streams exist.
        """
        super().__init__()
        self._store = store
        self._epoch = epoch
        self._applied = applied
        self._connectors = connectors
        self._applied_at_snapshot = 0

    async def look(self) -> None:
        """Does what is due."""
        now_ms = await self._store.time_ms()
        kept = await self._store.list_snapshots()
        is_old = not kept or now_ms - kept[-1].taken_at_ms >= limits.SNAPSHOT_EVERY_MS
        is_long = self._applied() - self._applied_at_snapshot >= limits.SNAPSHOT_EVERY_ENTRIES
        if not (is_old or is_long):
            return
        at = await self._snapshot()
        if at is None:
            return
        self._applied_at_snapshot = self._applied()
        trimmed = await self._store.trim_journal()
        await self._store.trim_outbox(_KEEP_COMMANDS_MS)
        for name in self._connectors():
            await self._store.trim_commands(name, _KEEP_COMMANDS_MS)
        _LOG.info("snapshot", cursor=str(at), journal_trimmed=trimmed)

    def put_off(self, error: StoreError) -> None:
        """Streams grow meanwhile."""
        _LOG.warning("could not tidy up", code=error.code, reason=error.message)

    async def _snapshot(self) -> Cursor | None:
        for _ in range(_SNAPSHOT_TRIES):
            at = await self._store.write_snapshot(self._epoch)
            if at is not None:
                return at
        return None
