"""What every part of the Redis store stands on, and how raw replies are read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

from engine.model.journal import StreamId
from engine.store.keys import Keys
from engine.store.wire import MAX_BLOCK_MS, Reply, Wire

#: Fields asked for with each step of a scan; a step then takes about a millisecond of Redis.
_SCAN_FIELDS = 2_000


class Part:
    """One noun of the store."""

    def __init__(self, wire: Wire, keys: Keys) -> None:
        self._wire = wire
        self._keys = keys

    async def _read_stream(self, key: str, after: StreamId, limit: int, block_ms: int) -> Reply:
        """Entries after ``after``, oldest first, at most ``limit``; waits up to ``block_ms`` if there are none."""
        rows = await self._wire.call("XRANGE", key, f"({after}", "+", "COUNT", limit)
        return rows if rows or block_ms <= 0 else await self._listen(key, after, limit, block_ms)

    async def _listen(self, key: str, after: StreamId, limit: int, block_ms: int) -> Reply:
        """Entries after ``after``, at once or as soon as one is there, at most ``limit``; none after ``block_ms``."""
        wait = min(block_ms, MAX_BLOCK_MS)
        reply = await self._wire.call("XREAD", "COUNT", limit, "BLOCK", wait, "STREAMS", key, str(after))
        return reply[0][1] if reply else []

    async def _scan_hash(self, key: str) -> AsyncIterator[tuple[bytes, bytes]]:
        """All fields of a hash, each once, a few thousand at a time."""
        seen: set[bytes] = set()  # a scan gives a field twice when the hash grows or shrinks meanwhile
        position: bytes | int = 0
        while True:
            reply = await self._wire.call("HSCAN", key, position, "COUNT", _SCAN_FIELDS)
            position = reply[0]
            for field, record in pairs(reply[1]):
                if field not in seen:
                    seen.add(field)
                    yield field, record
            if int(position) == 0:
                return


def pairs(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """``[a, b, c, d]`` as ``(a, b), (c, d)``."""
    it = iter(flat)
    return zip(it, it, strict=True)


def texts(flat: Reply) -> dict[str, str]:
    """A flat reply of names and texts as a dict; bytes that are not UTF-8 are replaced."""
    return {name.decode(errors="replace"): text.decode(errors="replace") for name, text in pairs(flat or [])}
