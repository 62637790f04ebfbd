"""What is about to be written to the notebook: observations, and the notes that say they were made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from connectors.base import Notebook, Observation
from connectors.evm.events import Found
from connectors.evm.window import PREFIX

#: Observations of one write; the notebook takes 500.
MAX_OBSERVATIONS: Final = 400
#: Changed notes of one write; the notebook takes 1,000.
_MAX_NOTES: Final = 900
_SEEN: Final = PREFIX + "seen"
#: A clock that went back further than this is followed; otherwise what was seen later must not look older.
_LEAP_MS: Final = 10_000


class Seen:
    """The moments at which things were seen: the machine's clock, kept from going back, also over restarts.

    Facts that are ordered by when they were observed would else be superseded by what they replace.
    """

    def __init__(self, wall_ms: Callable[[], int], notes: Mapping[str, str]) -> None:
        self._wall_ms = wall_ms
        self._last_ms = int(notes.get(_SEEN, "0"))

    def now_ms(self) -> int:
        """Unix ms."""
        now = self._wall_ms()
        self._last_ms = max(now, self._last_ms) if self._last_ms <= now + _LEAP_MS else now
        return self._last_ms

    def note(self) -> dict[str, str | None]:
        """As it is kept."""
        return {_SEEN: str(self._last_ms)}


class Draft:
    """Collects until it is full, and writes all of it at once."""

    def __init__(self, notebook: Notebook, seen: Seen) -> None:
        self._notebook = notebook
        self._seen = seen
        self._notes: dict[str, str | None] = {}
        self._observations: list[Observation] = []

    @property
    def room(self) -> int:
        """Observations that may be added before it is written."""
        return MAX_OBSERVATIONS - len(self._observations)

    def note(self, notes: Mapping[str, str | None]) -> None:
        """Adds notes."""
        self._notes |= notes

    def observe(self, *observations: Observation) -> None:
        """Adds observations; no more than there is room for."""
        self._observations.extend(observations)

    def tell(self, found: Found, depth: int) -> None:
        """Adds the fact of an event whose block lies so deep."""
        self.observe(
            Observation("assert", found.fact(depth), kind=found.mapped.kind, observed_at_ms=self._seen.now_ms())
        )

    def reorg(self, network: str, removed: list[str], added: list[str]) -> None:
        """Adds a reorganisation; at most 1,024 hashes."""
        data: dict[str, Any] = {"network": network, "removed": removed, "added": added}
        self.observe(Observation("reorg", data))

    async def flush(self) -> None:
        """Writes what there is.

        Raises:
            LeaseLostError: another daemon leads.
        """
        if self._notes or self._observations:
            # Taken out first: a write that was cut off is never repeated from here, but from what the notebook has.
            notes, self._notes = {**self._notes, **self._seen.note()}, {}
            observations, self._observations = self._observations, []
            await self._notebook.write(notes, observations)

    async def flush_if_full(self) -> None:
        """Writes when there is no room left."""
        if self.room <= 0 or len(self._notes) >= _MAX_NOTES:
            await self.flush()
