"""What is kept for people: the audit and the rejected entries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from engine.model.journal import Rejection, StreamId
from engine.store.part import Part, pairs

_PAGE = 500
_ENGINE_FIELDS = 4  # entry, code, message, hint: always the last ones of a rejected entry


class AuditEntry(NamedTuple):
    """One decision that had something to say."""

    entry: StreamId
    fields: tuple[tuple[str, bytes], ...]

    def get(self, name: str) -> bytes | None:
        """The first value under that name."""
        return next((value for field, value in self.fields if field == name), None)


class RejectedEntry(NamedTuple):
    """One refused entry, under its id in the ``rejected`` stream."""

    entry: StreamId
    rejection: Rejection


class Records(Part):
    """Audit and rejected entries, both ways in time."""

    async def read_audit(
        self,
        *,
        after: StreamId | None = None,
        before: StreamId | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[AuditEntry]:
        """Audit entries strictly between ``after`` and ``before``."""
        rows = await self._range(self._keys.audit, after, before, limit, newest_first=newest_first)
        return [_audit(*row) for row in rows]

    async def find_audit(
        self,
        name: str,
        value: bytes,
        *,
        before: StreamId | None = None,
        limit: int = 100,
        look_at: int = 1_000_000,
    ) -> AsyncIterator[AuditEntry]:
        """Entries with that field and value, newest first; gives up after looking at ``look_at`` entries."""
        found = seen = 0
        while found < limit and seen < look_at:
            page = await self.read_audit(before=before, limit=_PAGE, newest_first=True)
            for entry in page:
                if (name, value) in entry.fields:
                    yield entry
                    found += 1
                    if found >= limit:
                        return
            if len(page) < _PAGE:
                return
            seen += len(page)
            before = page[-1].entry

    async def read_rejected(
        self,
        *,
        after: StreamId | None = None,
        before: StreamId | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[RejectedEntry]:
        """Rejected entries strictly between ``after`` and ``before`` (ids of the ``rejected`` stream)."""
        rows = await self._range(self._keys.rejected, after, before, limit, newest_first=newest_first)
        return [_rejected(*row) for row in rows]

    async def count_rejected(self) -> int:
        """How many rejected entries are kept."""
        return int(await self._wire.call("XLEN", self._keys.rejected))

    async def _range(
        self, key: str, after: StreamId | None, before: StreamId | None, limit: int, *, newest_first: bool
    ) -> list[tuple[bytes, list[bytes]]]:
        low = f"({after}" if after is not None else "-"
        high = f"({before}" if before is not None else "+"
        bounds = ("XREVRANGE", key, high, low) if newest_first else ("XRANGE", key, low, high)
        rows: list[tuple[bytes, list[bytes]]] = await self._wire.call(*bounds, "COUNT", limit)
        return rows


def _audit(entry: bytes, flat: list[bytes]) -> AuditEntry:
    return AuditEntry(StreamId.parse(entry), tuple((name.decode(errors="replace"), v) for name, v in pairs(flat)))


def _rejected(entry: bytes, flat: list[bytes]) -> RejectedEntry:
    fields = tuple(pairs(flat))
    words = [value.decode(errors="replace") for _, value in fields[-_ENGINE_FIELDS:]]
    rejection = Rejection(StreamId.parse(words[0]), fields[:-_ENGINE_FIELDS], words[1], words[2], words[3])
    return RejectedEntry(StreamId.parse(entry), rejection)
