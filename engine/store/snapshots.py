"""Snapshots: the state at one cursor, from which the journal behind it is no longer needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from engine import limits
from engine.model.journal import Cursor
from engine.store import scripts
from engine.store.journal import Journal
from engine.store.part import pairs, texts
from engine.store.wire import Word

_PARTS = ("meta", "facts", "active")


class Snapshot(NamedTuple):
    """A kept snapshot: the cursor it stands at, and when (server time) it was taken."""

    cursor: Cursor
    taken_at_ms: int


class Snapshots(Journal):
    """Taking, listing and reading snapshots, and trimming the journal behind them."""

    async def write_snapshot(self, epoch: int, keep: int = limits.SNAPSHOTS_KEPT) -> Cursor | None:
        """Copy facts, active and meta as they are, keep the newest ``keep`` snapshots.

        Atomic; holds Redis for about 50 ms per 100,000 facts. None if another daemon leads or a commit came between
        (ask again).
        """
        text = await self._wire.call("HGET", self._keys.meta, "cursor")
        cursor = Cursor.parse(text.decode()) if text else Cursor()
        others = [each.cursor for each in await self.list_snapshots() if each.cursor != cursor]
        dropped = others[: max(0, len(others) - keep + 1)]
        k = self._keys
        keys = [k.meta, k.facts, k.active, k.snapshots, k.outbox, k.audit, k.rejected]
        for each in (cursor, *dropped):
            keys += [self._keys.snapshot(each, part) for part in _PARTS]
        args: list[Word] = [epoch, str(cursor), *(str(each) for each in dropped)]
        return cursor if await self._wire.run(scripts.SNAPSHOT, keys, args) else None

    async def list_snapshots(self) -> list[Snapshot]:
        """Kept snapshots, oldest first."""
        rows = pairs(await self._wire.call("HGETALL", self._keys.snapshots))
        found = [Snapshot(Cursor.parse(cursor.decode()), int(taken)) for cursor, taken in rows]
        return sorted(found, key=lambda each: (each.cursor.entry, each.cursor.now_ms))

    async def snapshot_meta(self, cursor: Cursor) -> dict[str, str]:
        """``meta`` of that snapshot, and the last ids of the streams (``at:…``); empty if it is not kept."""
        return texts(await self._wire.call("HGETALL", self._keys.snapshot(cursor, "meta")))

    def snapshot_facts(self, cursor: Cursor) -> AsyncIterator[tuple[bytes, bytes]]:
        """``facts`` of that snapshot: field, record."""
        return self._scan_hash(self._keys.snapshot(cursor, "facts"))

    def snapshot_active(self, cursor: Cursor) -> AsyncIterator[tuple[bytes, bytes]]:
        """``active`` of that snapshot: field, record."""
        return self._scan_hash(self._keys.snapshot(cursor, "active"))

    async def trim_journal(self) -> int:
        """Drop what the oldest kept snapshot has behind it; nothing without a snapshot. Gives how many entries went.

        The clock goes with the journal, not by length: a replay needs the time of every entry that is left.
        """
        kept = await self.list_snapshots()
        if not kept:
            return 0
        through = kept[0].cursor.entry
        await self._trim(self._keys.clock, through)
        return await self._trim(self._keys.journal, through)
