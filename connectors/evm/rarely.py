"""Lines of a log that would be the same each second: said once, and again each hour for as long as it is so."""

from __future__ import annotations

from typing import Final

from engine.clock import monotonic_ms

_EVERY_MS: Final = 3_600_000
#: What is remembered; beyond it the oldest is forgotten, and would be said again.
_MOST: Final = 1_000


class Rarely:
    """Which lines are to be said now."""

    def __init__(self) -> None:
        self._said_ms: dict[str, int] = {}

    def is_due(self, what: str) -> bool:
        """It was not said within the last hour; from now on it was."""
        now_ms = monotonic_ms()
        said_ms = self._said_ms.get(what)
        if said_ms is not None and now_ms - said_ms < _EVERY_MS:
            return False
        self._said_ms.pop(what, None)
        self._said_ms[what] = now_ms
        if len(self._said_ms) > _MOST:
            del self._said_ms[next(iter(self._said_ms))]
        return True

    def is_over(self, what: str) -> bool:
        """It was said, and is not so any more."""
        return self._said_ms.pop(what, None) is not None
