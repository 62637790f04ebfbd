"""Rule bases by revision, and the history of what was pushed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from engine.store import scripts
from engine.store.part import Part


@dataclass(frozen=True, slots=True)
class HistoryNote:
    """One push or activation: its place in the history, the revision, when (server time), and what was said."""

    n: int
    revision: str
    at_ms: int
    note: Mapping[str, str]


class RuleBases(Part):
    """The ``rulebase`` hash."""

    async def put_revision(self, revision: str, blob: bytes, note: Mapping[str, str]) -> None:
        """Store a rule base's canonical form under its revision and add it to the history."""
        seconds, micros = await self._wire.call("TIME")
        at_ms = int(seconds) * 1000 + int(micros) // 1000
        text = orjson.dumps({"revision": revision, "at_ms": at_ms, "note": dict(note)}, option=orjson.OPT_SORT_KEYS)
        await self._wire.run(scripts.PUT_REVISION, (self._keys.rulebase,), (revision, blob, text))

    async def get_revision(self, revision: str) -> bytes | None:
        """The canonical form stored under that revision."""
        blob: bytes | None = await self._wire.call("HGET", self._keys.rulebase, f"revision:{revision}")
        return blob

    async def newest_revision(self) -> str | None:
        """The one that was stored, or asked for again, last."""
        notes = await self.revision_history(1)
        return notes[0].revision if notes else None

    async def revision_in_force(self) -> str | None:
        """The revision the last commit ran under."""
        text = await self._wire.call("HGET", self._keys.meta, "revision")
        return text.decode() if text else None

    async def revision_history(self, limit: int = 100) -> list[HistoryNote]:
        """The last notes, newest first."""
        last = int(await self._wire.call("HGET", self._keys.rulebase, "history") or 0)
        numbers = range(last, max(0, last - limit), -1)
        if not numbers:
            return []
        rows = await self._wire.call("HMGET", self._keys.rulebase, *(f"history:{n}" for n in numbers))
        return [_note(n, row) for n, row in zip(numbers, rows, strict=True) if row]

    async def forget_revision(self, revision: str) -> bool:
        """Drop a canonical form that nothing runs under any more; its notes stay."""
        return bool(await self._wire.call("HDEL", self._keys.rulebase, f"revision:{revision}"))


def _note(n: int, row: bytes) -> HistoryNote:
    found = orjson.loads(row)
    return HistoryNote(n, found["revision"], found["at_ms"], found["note"])
