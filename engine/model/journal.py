"""The journal's entries, positions in it, and what a batch of decisions changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")


class StreamId(NamedTuple):
    """A Redis stream id: milliseconds and sequence. Orders as Redis orders."""

    ms: int
    seq: int

    def __str__(self) -> str:
        """``ms-seq`` as Redis prints it."""
        return f"{self.ms}-{self.seq}"

    @classmethod
    def parse(cls, text: str | bytes) -> StreamId:
        """From ``ms-seq`` (or ``ms`` alone: seq 0).

        Raises:
            ValueError: not a stream id.
        """
        if isinstance(text, bytes):
            ms, _, seq = text.partition(b"-")
            return cls(int(ms), int(seq or b"0"))
        before, _, after = text.partition("-")
        return cls(int(before), int(after or "0"))


ZERO_ID = StreamId(0, 0)

#: One entry as read: its id and its fields as a flat list [name, value, name, value, …], all bytes.
RawEntry = tuple[bytes, list[bytes]]


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the engine is.

    Attributes:
        entry: the last applied journal entry.
        now_ms: the time reached; everything due before it has been processed.
    """

    entry: StreamId = ZERO_ID
    now_ms: int = 0

    def __str__(self) -> str:
        """``entry@now``; the form kept in ``meta``."""
        return f"{self.entry}@{self.now_ms}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """From ``entry@now``."""
        entry, _, now = text.partition("@")
        return cls(StreamId.parse(entry), int(now or "0"))


@dataclass(frozen=True, slots=True)
class OutboxCommand:
    """A command as it goes to the outbox.

    Attributes:
        command_id: idempotency key.
        connector: configured connector instance, e.g. ``executor``.
        verb: what it is to do.
        args: JSON text of the arguments.
        rule: ``pack.rule`` that made it.
        coordination: id of the coordination, or empty.
        expires_ms: unix ms after which it must not be taken; None: never.
    """

    command_id: str
    connector: str
    verb: str
    args: str
    rule: str
    coordination: str = ""
    expires_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """An entry that was refused: its id, original fields (cut to a bound), and why."""

    entry: StreamId
    fields: tuple[tuple[bytes, bytes], ...]
    code: str
    message: str
    hint: str


@dataclass(slots=True)
class ChangeSet:
    """Everything one commit changes; all of it or nothing.

    Attributes:
        expect: the cursor the store must hold.
        cursor: the cursor after.
        commit_id: idempotency key of the commit.
        facts: field of the ``facts`` hash → record, or None to delete.
        active: field of the ``active`` hash → record, or None to delete.
        meta: further fields of ``meta`` → text (``revision``, ``writer:<id>``, counters), or None to delete.
        commands: new commands, in the order decided.
        withdrawn: ids of commands asked to be withdrawn.
        ended: command id → final status, for the dispatch table to forget.
        audit: (field, value) lists, one per decision that had something to say.
        rejected: refused entries.
        clock: entries whose id did not carry, with the time they were given.
        done: id of a coordination → the record of how it ended, or None to delete.
    """

    expect: Cursor
    cursor: Cursor
    commit_id: str
    facts: dict[bytes, bytes | None] = field(default_factory=dict)
    active: dict[bytes, bytes | None] = field(default_factory=dict)
    meta: dict[str, str | None] = field(default_factory=dict)
    commands: list[OutboxCommand] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    ended: dict[str, str] = field(default_factory=dict)
    audit: list[list[tuple[str, bytes]]] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    clock: list[tuple[StreamId, int]] = field(default_factory=list)
    done: dict[bytes, bytes | None] = field(default_factory=dict)


def write_changes(target: dict[_K, _V], changed: Mapping[_K, _V | None]) -> None:
    """Bring committed records to what a change set makes of them: None deletes."""
    for name, record in changed.items():
        if record is None:
            target.pop(name, None)
        else:
            target[name] = record


@dataclass(frozen=True, slots=True)
class Committed:
    """The change set is durable."""

    at: Cursor


@dataclass(frozen=True, slots=True)
class AlreadyMine:
    """An earlier try of the same commit had succeeded (the answer was lost on the way)."""

    at: Cursor


@dataclass(frozen=True, slots=True)
class Fenced:
    """Another daemon holds a later epoch."""

    by: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """The cursor in the store is not the expected one and the commit is not ours."""

    actual: Cursor


CommitResult = Committed | AlreadyMine | Fenced | Conflict
