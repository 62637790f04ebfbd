"""A recording that is still in Redis: a kept snapshot, the journal after it, and a view of what it has come to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

from engine.model.journal import Cursor, StreamId
from engine.model.signing import RESERVED_OPS, verify
from engine.runtime.careful import QUARANTINED
from engine.runtime.lease import owner_name
from engine.runtime.replay.done import left_at
from engine.runtime.replay.recording import STREAMS, Head, Part, ReplayError, Side, Told
from engine.store.redis_store import RedisStore
from engine.store.views import Decided, Row

_PAGE: Final = 500
_RESERVED: Final = {op.encode() for op in RESERVED_OPS}
#: Refusals that follow from what was so at the time, and not from the entry and the state.
_CIRCUMSTANTIAL: Final = {QUARANTINED.encode(), b"F315"}


class LiveRecording:
    """Everything from a kept snapshot to now; ``now`` stands still while this is used, and the daemon goes on."""

    def __init__(self, store: RedisStore, secret: bytes, view: str, metas: dict[Side, dict[str, str]]) -> None:
        """See ``live_recording``."""
        self._store = store
        self._secret = secret
        self._view = view
        self._metas = metas
        start, end = metas["start"], metas["end"]
        self._is_genesis = not start
        version = start.get("semantics") or end.get("semantics", "0")
        cursor = Cursor.parse(start.get("cursor", "")) if start.get("cursor") else Cursor()
        self.head = Head(int(version), cursor, Cursor.parse(end.get("cursor", "0-0@0")), end.get("due", ""))

    async def state(self, side: Side, part: Part) -> AsyncIterator[tuple[bytes, bytes]]:
        """Field and record of that part of the committed state."""
        store, cursor = self._store, self.head.start
        if part == "meta":
            for name, text in sorted(self._metas[side].items()):
                if not name.startswith("at:"):
                    yield name.encode(), text.encode()
            return
        if side == "start" and self._is_genesis:
            return
        if side == "end":
            rows = store.view_facts(self._view) if part == "facts" else store.view_active(self._view)
        else:
            rows = store.snapshot_facts(cursor) if part == "facts" else store.snapshot_active(cursor)
        async for pair in rows:
            yield pair

    async def done(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """How coordinations ended that left working memory between start and end, both included: id, record."""
        first, last = self.head.start.now_ms, self.head.end.now_ms
        async for identity, record in self._store.load_done():
            if first <= left_at(record) <= last:
                yield identity, record

    async def get_revision(self, revision: str) -> bytes | None:
        """As stored."""
        return await self._store.get_revision(revision)

    async def journal(self) -> AsyncIterator[Told]:
        """The entries after the start, up to the end, in order."""
        refused = await self._refused()
        clock = self._store.clock_after(self.head.start.entry)
        noted = await anext(clock, None)
        after, last = self.head.start.entry, self.head.end.entry
        while after < last:
            entries = await self._store.read_journal(after, _PAGE)
            for identity, fields in entries:
                entry = StreamId.parse(identity)
                if entry > last:
                    break
                while noted is not None and noted[0] < entry:
                    noted = await anext(clock, None)
                now_ms = noted[1] if noted is not None and noted[0] == entry else entry.ms
                yield Told(entry, fields, now_ms, self._is_signed(fields), refused.get(entry, ""))
            if not entries:
                break
            after = StreamId.parse(entries[-1][0])
        await self._check_kept()

    def decided(self, stream: Decided) -> AsyncIterator[Row]:
        """What was written to that stream between start and end, in order."""
        return self._store.decided(stream, self._position("start", stream), self._position("end", stream))

    def _position(self, side: Side, stream: Decided) -> StreamId:
        return StreamId.parse(self._metas[side].get(f"at:{stream}", "0-0"))

    def _is_signed(self, fields: list[bytes]) -> bool:
        if not _RESERVED.intersection(fields):
            return False
        pairs = zip(fields[::2], fields[1::2], strict=False)
        return verify({name.decode(errors="replace"): value for name, value in pairs}, self._secret)

    async def _refused(self) -> dict[StreamId, str]:
        """Entry → code, of circumstantial refusals; the stream they are read from is bounded."""
        found: dict[StreamId, str] = {}
        async for _, fields in self.decided("rejected"):
            said = dict(fields)  # the engine's fields are the last ones, and win
            if said.get(b"code") in _CIRCUMSTANTIAL:
                found[StreamId.parse(said[b"entry"])] = said[b"code"].decode()
        return found

    async def check_whole(self) -> None:
        """Raises ReplayError unless everything that is needed is still there."""
        if self.head.start.entry < self.head.end.entry and await self._is_whole("journal") is False:
            raise ReplayError(
                "R102", f"the journal is trimmed behind {self.head.start.entry}", "replay from a later snapshot: --from"
            )
        for stream in STREAMS:
            if await self._is_whole(stream) is False:
                raise ReplayError(
                    "R106", f"{stream} is trimmed behind the start", "replay from a later snapshot: --from"
                )

    async def _check_kept(self) -> None:
        """The daemon trims the journal behind its oldest snapshot, also while it is read here."""
        kept = await self._store.list_snapshots()
        if kept and kept[0].cursor.entry > self.head.start.entry:
            raise ReplayError(
                "R107", "the journal was trimmed while it was read", "replay from a later snapshot: --from"
            )

    async def _is_whole(self, stream: str) -> bool | None:
        if stream == "journal":
            return await self._store.is_whole("journal", self.head.start.entry)
        name = next(each for each in STREAMS if each == stream)
        return await self._store.is_whole(name, self._position("start", name))


@asynccontextmanager
async def live_recording(store: RedisStore, secret: bytes, start: Cursor | None = None) -> AsyncIterator[LiveRecording]:
    """What is in Redis, for as long as this is open.

    Args:
        store: connected.
        secret: the engine's.
        start: cursor of a kept snapshot; None: the oldest, or the very beginning if there is no snapshot yet.

    Raises:
        ReplayError: R102 or R106 trimmed, R104 no such snapshot, R105 a snapshot of an earlier version.
        StoreError: Redis is away or refuses.
    """
    view = owner_name()
    async with store.view(view):
        # What stands still first: no snapshot that is listed after it can be later than it.
        end = await store.view_meta(view)
        metas: dict[Side, dict[str, str]] = {
            "start": await _start_meta(store, start, end.get("cursor", "")),
            "end": end,
        }
        recording = LiveRecording(store, secret, view, metas)
        await recording.check_whole()
        yield recording


async def _start_meta(store: RedisStore, start: Cursor | None, end: str) -> dict[str, str]:
    kept = [
        each.cursor for each in await store.list_snapshots() if each.cursor.entry <= Cursor.parse(end or "0-0").entry
    ]
    if start is None and not kept:
        return {}
    if start is not None and start not in kept:
        raise ReplayError("R104", f"no snapshot is kept at {start}", _kept(kept))
    meta = await store.snapshot_meta(kept[0] if start is None else start)
    if any(f"at:{stream}" not in meta for stream in STREAMS):
        raise ReplayError(
            "R105",
            f"the snapshot at {meta.get('cursor')} does not say how far the audit was",
            "it is of an earlier version; replay from a later one: --from",
        )
    return meta


def _kept(cursors: Iterable[Cursor]) -> str:
    shown = ", ".join(map(str, cursors))
    return f"kept: {shown}" if shown else "none is kept yet; without --from everything is replayed"
