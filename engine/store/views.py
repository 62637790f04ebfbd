"""What a reader of the whole state and of everything decided needs, beside a daemon that goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from engine.model.journal import ZERO_ID, Cursor, OutboxCommand, StreamId
from engine.store import scripts
from engine.store.dispatch_table import command_of
from engine.store.part import Part, pairs, texts

#: The streams of what was decided.
Decided = Literal["outbox", "audit", "rejected"]
_PARTS = ("meta", "facts", "active")
_PAGE = 500
#: A view that its reader did not drop goes by itself after that long.
_KEPT_MS = 3_600_000

#: An entry: its id, and its fields as they stand.
Row = tuple[StreamId, tuple[tuple[bytes, bytes], ...]]


class Views(Part):
    """States that stand still, and streams from one place to another."""

    @asynccontextmanager
    async def view(self, name: str) -> AsyncIterator[Cursor]:
        """The committed state as it is now, under a name of the reader's own, for as long as this is open.

        Atomic; copies the state within Redis, as a snapshot does: about 50 ms and as much memory again per 100,000
        facts. Gives the cursor it stands at.
        """
        k = self._keys
        copies = [k.view(name, part) for part in _PARTS]
        keys = [k.meta, k.facts, k.active, k.outbox, k.audit, k.rejected, *copies]
        cursor = Cursor.parse((await self._wire.run(scripts.VIEW, keys, (_KEPT_MS,))).decode())
        try:
            yield cursor
        finally:
            await self._wire.call("UNLINK", *copies)

    async def view_meta(self, name: str) -> dict[str, str]:
        """``meta`` of that view, and the last ids of the streams (``at:…``)."""
        return texts(await self._wire.call("HGETALL", self._keys.view(name, "meta")))

    def view_facts(self, name: str) -> AsyncIterator[tuple[bytes, bytes]]:
        """``facts`` of that view: field, record."""
        return self._scan_hash(self._keys.view(name, "facts"))

    def view_active(self, name: str) -> AsyncIterator[tuple[bytes, bytes]]:
        """``active`` of that view: field, record."""
        return self._scan_hash(self._keys.view(name, "active"))

    async def clock_after(self, after: StreamId) -> AsyncIterator[tuple[StreamId, int]]:
        """The times given to entries after ``after`` whose id did not carry time, in the order of the journal."""
        async for entry, fields in self._rows(self._keys.clock, after, None):
            yield entry, int(fields[0][1])

    def decided(self, stream: Decided, after: StreamId, through: StreamId) -> AsyncIterator[Row]:
        """What was decided after ``after`` up to ``through``, both ids of that stream, oldest first."""
        return self._rows(getattr(self._keys, stream), after, through)

    async def is_whole(self, stream: Decided | Literal["journal"], after: StreamId) -> bool | None:
        """Whether nothing after ``after`` was trimmed; None: this server cannot tell."""
        key = getattr(self._keys, stream)
        if after != ZERO_ID and await self._wire.call("XRANGE", key, str(after), str(after)):
            return True
        if not await self._wire.call("EXISTS", key):
            return True
        told = dict(pairs(await self._wire.call("XINFO", "STREAM", key)))
        if b"max-deleted-entry-id" in told:  # Redis 7
            return StreamId.parse(told[b"max-deleted-entry-id"]) <= after
        return None

    async def _rows(self, key: str, after: StreamId, through: StreamId | None) -> AsyncIterator[Row]:
        last = "+" if through is None else str(through)
        while through is None or after < through:
            rows = await self._wire.call("XRANGE", key, f"({after}", last, "COUNT", _PAGE)
            for identity, flat in rows:
                yield StreamId.parse(identity), tuple(pairs(flat))
            if len(rows) < _PAGE:
                return
            after = StreamId.parse(rows[-1][0])


def outbox_command(row: Row) -> OutboxCommand:
    """The command of an outbox entry, without the epoch that decided it."""
    return command_of({name.decode(): value.decode(errors="surrogateescape") for name, value in row[1]})
