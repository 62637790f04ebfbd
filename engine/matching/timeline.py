"""What is due when: a heap of derived instants. Nothing in it is state; recovery derives it all again."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final, NamedTuple

#: Ranks order what is due at one instant.
EXPIRY: Final = 0
OCCURRENCE: Final = 1
FLIP: Final = 2
GROUP: Final = 3
ENGINE: Final = 4

#: Items that may stand in vain, however few do not.
_SWEEP_FROM: Final = 1_024


class DueItem(NamedTuple):
    """Something due.

    Attributes:
        at: the instant, unix ms.
        rank: EXPIRY, OCCURRENCE, FLIP, GROUP or ENGINE.
        name: of the kind, schedule or rule.
        text: canonical JSON of the key.
        serial: keeps comparisons away from the payload.
        payload: whom it concerns; it decides whether the item still stands.
    """

    at: int
    rank: int
    name: str
    text: str
    serial: int
    payload: object

    @property
    def cause(self) -> str:
        """The stable name of a decision this item makes."""
        return f"due:{self.at}:{self.rank}:{self.name}:{self.text}"


class Timeline:
    """The heap. Items that no longer stand stay in it until they come up, or until they may be the half of it."""

    def __init__(self, stands: Callable[[DueItem], bool]) -> None:
        """Makes it, empty.

        Args:
            stands: whether an item still does; True where only its owner knows.
        """
        self._heap: list[DueItem] = []
        self._serial = 0
        self._stands = stands
        self._swept_at = _SWEEP_FROM

    def push(self, at: int, rank: int, name: str, text: str, payload: object) -> None:
        """Note that something is due at ``at``."""
        self._serial += 1
        heapq.heappush(self._heap, DueItem(at, rank, name, text, self._serial, payload))
        if len(self._heap) >= self._swept_at:
            self._sweep()

    def _sweep(self) -> None:
        """Let go of what no longer stands; each item pays for one look, however often this happens."""
        self._heap = [item for item in self._heap if self._stands(item)]
        heapq.heapify(self._heap)
        self._swept_at = 2 * len(self._heap) + _SWEEP_FROM

    def next_at(self) -> int | None:
        """The earliest instant in the heap, which may turn out to be void; None if it is empty."""
        return self._heap[0].at if self._heap else None

    def pop_through(self, cause: str) -> DueItem | None:
        """Take out the first item, if it comes no later than the one of that cause."""
        _, at, rank, name, text = cause.split(":", 4)
        if self._heap and self._heap[0][:4] <= (int(at), int(rank), name, text):
            return heapq.heappop(self._heap)
        return None

    def pop_before(self, limit: int) -> DueItem | None:
        """The first item due strictly before ``limit``."""
        if self._heap and self._heap[0].at < limit:
            return heapq.heappop(self._heap)
        return None

    def __len__(self) -> int:
        return len(self._heap)
