"""The journal: reading it, adding to it, trimming it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import cast

from engine.errors import Retry, StoreError
from engine.model.journal import ZERO_ID, RawEntry, StreamId
from engine.store import scripts
from engine.store.part import Part, pairs
from engine.store.wire import Reply

_LAST_SEQ = 2**64 - 1
#: Entries one lag count looks at; more are reported as this many.
LAG_BOUND = 10_000


@dataclass(frozen=True, slots=True)
class JournalExtent:
    """How much of the journal is kept. ``last_id`` is the last id ever given, even when that entry is trimmed."""

    length: int
    first_id: StreamId
    last_id: StreamId


class Journal(Part):
    """The stream of everything that happened."""

    async def time_ms(self) -> int:
        """The server's clock, unix ms."""
        seconds, micros = await self._wire.call("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    async def read_journal(self, after: StreamId, limit: int, block_ms: int = 0) -> list[RawEntry]:
        """Entries after ``after``, oldest first, at most ``limit``; waits up to ``block_ms`` if there are none.

        The entries are as they came off the wire (pairs of id and flat fields): this is the hottest read.
        """
        return cast("list[RawEntry]", await self._read_stream(self._keys.journal, after, limit, block_ms))

    async def listen_journal(self, after: StreamId, limit: int, block_ms: int) -> list[RawEntry]:
        """Entries after ``after``, at once or as soon as one is there, at most ``limit``; none after ``block_ms``."""
        return cast("list[RawEntry]", await self._listen(self._keys.journal, after, limit, block_ms))

    async def read_journal_at(self, after: StreamId, limit: int) -> tuple[int, list[RawEntry]]:
        """The server's clock, unix ms, and then the entries after ``after``, in one round trip."""
        (seconds, micros), entries = await self._wire.pipeline(
            [("TIME",), ("XRANGE", self._keys.journal, f"({after}", "+", "COUNT", limit)]
        )
        return int(seconds) * 1000 + int(micros) // 1000, cast("list[RawEntry]", entries)

    async def append(self, fields: Mapping[str, str | bytes], entry_id: str = "*") -> StreamId:
        """XADD to the journal; returns the id given.

        The client repeats it when the answer is lost, as any sender does: the same fact twice changes nothing.
        """
        reply = await self._wire.call("XADD", self._keys.journal, entry_id, *chain.from_iterable(fields.items()))
        return StreamId.parse(reply)

    async def append_many(self, entries: list[Mapping[str, str | bytes]]) -> list[StreamId]:
        """XADD several entries in one round trip."""
        key = self._keys.journal
        replies = await self._wire.pipeline([("XADD", key, "*", *chain.from_iterable(e.items())) for e in entries])
        return [StreamId.parse(reply) for reply in replies]

    async def append_signed(self, fields: Mapping[str, str | bytes], writer: str, n: int, signature: str) -> StreamId:
        """XADD an entry the engine signed; a writer's numbers enter the journal in rising order, each once.

        Args:
            fields: all fields, ``writer``, ``n`` and the signature among them.
            writer: who signed.
            n: its number, above ``last_n(writer)``.
            signature: tells the same entry, sent again, from another under the same number; no spaces.

        Raises:
            StoreError: S140 with ``retry=LATER`` if another entry took that number: sign again with a later one.
        """
        keys = (self._keys.journal, self._keys.writers)
        args = (writer, n, signature, *chain.from_iterable(fields.items()))
        verdict, value = await self._wire.run(scripts.APPEND_SIGNED, keys, args)
        if verdict == b"id":
            return StreamId.parse(value)
        raise _behind(writer, n, int(value))

    async def claim_numbers(self, writer: str, n: int) -> None:
        """All numbers of that writer up to ``n`` count as used: an entry under one of them is refused from now on."""
        await self._wire.run(scripts.CLAIM_NUMBERS, (self._keys.writers,), (writer, n))

    async def last_n(self, writer: str) -> int:
        """The last number that writer has used; 0 if none."""
        row = await self._wire.call("HGET", self._keys.writers, writer)
        return int(row.split()[0]) if row else 0

    async def journal_extent(self) -> JournalExtent:
        """Length, first and last id of the journal."""
        if not await self._wire.call("EXISTS", self._keys.journal):
            return JournalExtent(0, ZERO_ID, ZERO_ID)
        found: dict[bytes, Reply] = dict(pairs(await self._wire.call("XINFO", "STREAM", self._keys.journal)))
        first = found[b"first-entry"]
        return JournalExtent(
            length=int(found[b"length"]),
            first_id=StreamId.parse(first[0]) if first else ZERO_ID,
            last_id=StreamId.parse(found[b"last-generated-id"]),
        )

    async def journal_lag(self, after: StreamId, bound: int = LAG_BOUND) -> int:
        """How many entries come after ``after``, counted up to ``bound``."""
        return int(await self._wire.run(scripts.LAG, (self._keys.journal,), (str(after), bound)))

    async def clock_times(self, after: StreamId = ZERO_ID) -> dict[StreamId, int]:
        """The times given to entries after ``after`` whose id did not carry time."""
        times: dict[StreamId, int] = {}
        while True:
            rows = await self._wire.call("XRANGE", self._keys.clock, f"({after}", "+", "COUNT", 1_000)
            if not rows:
                return times
            for entry_id, fields in rows:
                times[StreamId.parse(entry_id)] = int(fields[1])
            after = StreamId.parse(rows[-1][0])

    async def _trim(self, key: str, through: StreamId) -> int:
        """Drop a stream's entries up to and including ``through``, in slices that do not hold Redis up."""
        keep = StreamId(through.ms + 1, 0) if through.seq >= _LAST_SEQ else StreamId(through.ms, through.seq + 1)
        gone = 0
        while slice_ := int(await self._wire.call("XTRIM", key, "MINID", "~", str(keep))):
            gone += slice_
        return gone


def _behind(writer: str, n: int, last: int) -> StoreError:
    return StoreError("S140", f"{writer} signed {n}, but {last} is already used", "sign again", Retry.LATER)
