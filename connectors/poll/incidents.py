"""What is wrong with the API, or with its word on one subject: an ``incident``, told once, closed when it is over."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from connectors.base import Observation

_NOTE: Final = "incident:"
#: An incident that stays is told again so often: its fact would expire else.
_AGAIN_MS: Final = 3_600_000
_MAX_REASON: Final = 1_000
_MAX_ID_BYTES: Final = 256


@dataclass(slots=True)
class Change:
    """What is to be written: notes and observations."""

    notes: dict[str, str | None] = field(default_factory=dict)
    observations: list[Observation] = field(default_factory=list)

    def __bool__(self) -> bool:
        """There is something to write."""
        return bool(self.notes or self.observations)

    def add(self, other: Change) -> None:
        """That too."""
        self.notes |= other.notes
        self.observations += other.observations


class Incidents:
    """The open incidents of one connector."""

    def __init__(self, connector: str, notes: Mapping[str, str]) -> None:
        self._connector = connector
        self._open = {name.removeprefix(_NOTE): code for name, code in notes.items() if name.startswith(_NOTE)}
        self._told_ms: dict[str, int] = {}

    @property
    def names(self) -> frozenset[str]:
        """Of those that are open."""
        return frozenset(self._open)

    def id_of(self, name: str) -> str:
        """The incident's id: ``connector:name``, or a digest of a name that is too long for one."""
        whole = f"{self._connector}:{name}"
        if len(whole.encode()) <= _MAX_ID_BYTES:
            return whole
        return f"{self._connector}:{hashlib.sha256(name.encode()).hexdigest()[:32]}"

    def opened(self, name: str, code: str, reason: str, now_ms: int, intent: str | None = None) -> Change:
        """It is wrong; nothing to write if that is told already, under that code, within the hour."""
        told = self._told_ms.get(name)
        if self._open.get(name) == code and told is not None and now_ms - told < _AGAIN_MS:
            return Change()
        self._open[name], self._told_ms[name] = code, now_ms
        return Change({_NOTE + name: code}, [self.fact(name, f"{code} {reason}", now_ms, intent)])

    def closed(self, name: str, now_ms: int, intent: str | None = None) -> Change:
        """It is well again; nothing to write if it was."""
        if self._open.pop(name, None) is None:
            return Change()
        self._told_ms.pop(name, None)
        fact = self.fact(name, "well again", now_ms, intent, is_open=False)
        return Change({_NOTE + name: None}, [fact])

    def left_open(self, name: str, reason: str, now_ms: int, intent: str | None) -> Change:
        """It is wrong, and nobody here will look again: the fact stands until it expires."""
        notes: dict[str, str | None] = {_NOTE + name: None} if self._open.pop(name, None) is not None else {}
        self._told_ms.pop(name, None)
        return Change(notes, [self.fact(name, reason, now_ms, intent)])

    def fact(self, name: str, reason: str, now_ms: int, intent: str | None, *, is_open: bool = True) -> Observation:
        """The ``incident`` fact."""
        data: dict[str, Any] = {
            "id": self.id_of(name),
            "open": is_open,
            "severity": "warning" if is_open else "info",
            "reason": reason[:_MAX_REASON],
        }
        if intent:
            data["intent"] = intent
        return Observation("assert", data, kind="incident", observed_at_ms=now_ms)
