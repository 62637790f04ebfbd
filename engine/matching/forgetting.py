"""Lets go of what is remembered for a while: tombstones, removed blocks, ``once`` keys, throttles.

Nothing here decides anything: whoever asks a memory looks at its time. It keeps memory and committed state bounded, at
instants that depend on nothing but what is remembered, so that runs that were interrupted hold the same as others.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Final

#: What passes within one of these is let go together.
_SLICE_MS: Final = 60_000

#: Tells until when something is remembered (None: it is not), and lets it go.
Until = Callable[[Any], int | None]
Forget = Callable[[Any], None]


class Forgetting:
    """What is remembered, by the slice of time in which it may be forgotten.

    Attributes:
        due_at: nothing is to be let go before this instant.
    """

    def __init__(self) -> None:
        self.due_at = 2**63
        self._kinds: dict[str, tuple[Until, Forget]] = {}
        self._noted: set[tuple[str, Any]] = set()
        self._slices: dict[int, list[tuple[str, Any]]] = {}
        self._order: list[int] = []

    def add(self, name: str, until: Until, forget: Forget) -> None:
        """A kind of memory."""
        self._kinds[name] = (until, forget)

    def note(self, name: str, what: Any, until: int) -> None:  # noqa: ANN401 - whatever that memory is keyed by
        """Something is remembered until an instant; what is noted already is looked at again when that comes up."""
        slot = (name, what)
        if slot in self._noted:
            return
        self._noted.add(slot)
        number = until // _SLICE_MS + 1
        if number not in self._slices:
            self._slices[number] = []
            heapq.heappush(self._order, number)
            self.due_at = self._order[0] * _SLICE_MS
        self._slices[number].append(slot)

    def run(self, now: int) -> None:
        """Let go of what has passed."""
        while self._order and self._order[0] * _SLICE_MS <= now:
            for slot in self._slices.pop(heapq.heappop(self._order)):
                self._noted.discard(slot)
                name, what = slot
                until_of, forget = self._kinds[name]
                until = until_of(what)
                if until is None:
                    continue
                if until < now:
                    forget(what)
                else:
                    self.note(name, what, until)
        self.due_at = self._order[0] * _SLICE_MS if self._order else 2**63

    def __len__(self) -> int:
        return len(self._noted)
