"""What a history is made of: decoded journal entries, and time that passes."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.kinds import Value


@dataclass(frozen=True, slots=True)
class Assert:
    """A source says what a fact is. ``values`` names every field of the kind; an absent optional one is None."""

    at: int
    seq: int
    kind: str
    source: str
    values: dict[str, Value]
    observed_at: int | None = None
    seq_no: int | None = None


@dataclass(frozen=True, slots=True)
class Retract:
    """A source takes a fact back. ``order``: values of the kind's order fields, if it has some and the sender said."""

    at: int
    seq: int
    kind: str
    source: str
    key: tuple[Value, ...]
    order: tuple[Value, ...] | None = None
    observed_at: int | None = None
    seq_no: int | None = None


@dataclass(frozen=True, slots=True)
class Reorg:
    """Blocks of a network are no longer part of its chain, others are again."""

    at: int
    seq: int
    source: str
    network: str
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """An executor says what became of a command.

    ``command`` is an id, or a number: that one of the commands made so far in the run, counted round (so that a random
    history can mean a command whose id it cannot know). With no command made yet a number means none.
    """

    at: int
    seq: int
    source: str
    command: str | int
    status: str


@dataclass(frozen=True, slots=True)
class Result:
    """The dispatcher says what became of a command: sent, unknown, expired, withdrawn. ``command`` as in Report."""

    at: int
    seq: int
    command: str | int
    status: str


@dataclass(frozen=True, slots=True)
class Resume:
    """An operator lets a suspended rule fire again."""

    at: int
    seq: int
    rule: str


@dataclass(frozen=True, slots=True)
class Advance:
    """Time passes without entries: all that is due before ``to_ms`` runs."""

    to_ms: int


Entry = Assert | Retract | Reorg | Report | Result | Resume
Step = Entry | Advance
