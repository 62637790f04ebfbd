"""What is decided again: a state, what came after it, and what came of it. Live in Redis, or in a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from engine.errors import ConfigError
from engine.model.journal import Cursor, StreamId
from engine.store.views import Decided, Row

Side = Literal["start", "end"]
Part = Literal["meta", "facts", "active"]
PARTS: Final[tuple[Part, ...]] = ("meta", "facts", "active")
STREAMS: Final[tuple[Decided, ...]] = ("audit", "outbox", "rejected")


class ReplayError(ConfigError):
    """What was recorded cannot be decided again (exit 78): R101 to R107 what is kept, R110 to R114 the file."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a recording spans.

    Attributes:
        semantics: version of the engine's semantics that decided it.
        start: where the state at its start stands.
        end: likewise at its end.
        due: the due item decided last, if more of the end's instant was still due; else empty.
    """

    semantics: int
    start: Cursor
    end: Cursor
    due: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A journal entry, and what was found of it that neither it nor the state says.

    Attributes:
        entry: its id.
        fields: as they came.
        now_ms: the time it was applied at.
        is_signed: whether its signature fitted the engine's secret.
        refused: F311 if it was quarantined, F315 if the revision it names was not stored; else empty.
    """

    entry: StreamId
    fields: list[bytes]
    now_ms: int
    is_signed: bool = False
    refused: str = ""


class Recording(Protocol):
    """Read as often as asked, a piece at a time: nothing of it is held but what is being looked at."""

    @property
    def head(self) -> Head:
        """What it spans."""
        ...

    def state(self, side: Side, part: Part) -> AsyncIterator[tuple[bytes, bytes]]:
        """Field and record of that part of the committed state."""
        ...

    async def get_revision(self, revision: str) -> bytes | None:
        """The canonical form of a rule base; None if it is not there."""
        ...

    def done(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """How coordinations ended that left working memory between start and end, both included: id, record."""
        ...

    def journal(self) -> AsyncIterator[Told]:
        """The entries after the start, up to the end, in order."""
        ...

    def decided(self, stream: Decided) -> AsyncIterator[Row]:
        """What was written to that stream between start and end, in order."""
        ...
