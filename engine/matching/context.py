"""What a guard may look at beyond its own facts: indexes, claims, windows. One instance serves all guards in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Final, Protocol

from engine.matching.fact import Claim, Fact, Key, subject_text
from engine.matching.memory import Bucket, Index
from engine.model.ids import coordination_id
from engine.model.kinds import ENGINE_KINDS, Value

if TYPE_CHECKING:
    from engine.model.journal import StreamId


_RESERVATION: Final = ENGINE_KINDS["reservation"].positions
_RESERVED_AMOUNT: Final = _RESERVATION["amount"]
_RESERVED_OF: Final = (_RESERVATION["kind"], _RESERVATION["field"])


def reserved(reservations: Iterable[Fact], kind: str, field: str) -> int:
    """What reservations set aside of one field.

    Args:
        reservations: those of facts with one key.
        kind: of the fact.
        field: whose amount it is.
    """
    total = 0
    for reservation in reservations:
        values = reservation.values
        taken = values[_RESERVED_AMOUNT]
        if tuple(values[position] for position in _RESERVED_OF) == (kind, field) and isinstance(taken, int):
            total += taken
    return total


class Window(Protocol):
    """When a schedule's window is open."""

    def is_open(self, ms: int) -> bool:
        """Whether it is open at that instant; ``[open, close)``."""
        ...

    def next_change(self, ms: int) -> int | None:
        """The first instant after ``ms`` at which it opens or closes."""
        ...


class Context:
    """Passed to every guard as ``cx``.

    Attributes:
        indexes: of the inner terms of the rule being judged; set before each call.
        seen: (term, key, bucket) for each index read by the last call, until the next.
        ripe: seats whose ``for_distinct`` is met, of the match being judged.
        windows: schedule name → window.
        ledgers: reads the ledger of a coordination, for conditions of plans.
    """

    __slots__ = ("indexes", "ledgers", "ripe", "seen", "windows")

    def __init__(self, windows: dict[str, Window]) -> None:
        self.windows = windows
        self.ledgers: Callable[..., int] | None = None
        self.indexes: tuple[Index, ...] = ()
        self.seen: list[tuple[int, Key, Bucket]] = []
        self.ripe: frozenset[int] = frozenset()

    def forget(self) -> None:
        """Nobody subscribes to what was looked at: buckets made for the look alone go."""
        for term, key, bucket in self.seen:
            self.indexes[term].drop_if_idle(key, bucket)
        self.seen.clear()

    def look(self, term: int, key: tuple[Value, ...]) -> Iterable[Fact]:
        """Facts of an inner term's kind under one key."""
        bucket = self.indexes[term].bucket(key)
        self.seen.append((term, key, bucket))  # type: ignore[arg-type]
        return bucket.facts

    def look_any(self, term: int, parts: tuple[tuple[Value, ...], ...]) -> Iterator[Fact]:
        """Facts under any combination of key values, each fact once."""
        for key in dict.fromkeys(product(*parts)):
            yield from self.look(term, key)

    @staticmethod
    def claims(fact: Fact) -> Iterable[Claim]:
        """The living claims under a fact's key."""
        return (fact.claim,) if fact.claims is None else fact.claims.values()

    @staticmethod
    def is_newer(fact: Fact, one: Claim, other: Claim) -> bool:
        """Whether a claim is newer than another of the same key, by the kind's order."""
        return fact.memory.rank(one) > fact.memory.rank(other)

    @staticmethod
    def rank(fact: Fact) -> tuple[tuple[int, ...], int, int, StreamId]:
        """What ``latest`` compares."""
        return fact.memory.rank(fact.claim)[:-1]

    def free(self, term: int, fact: Fact, amount: int, field: str) -> int:
        """The reported amount less living reservations on that field of that fact; may be negative."""
        return amount - reserved(self.look(term, (subject_text(fact.key),)), fact.memory.name, field)

    @staticmethod
    def disputed(fact: Fact) -> bool:
        """Whether claims of equal order differ."""
        return fact.memory.is_disputed(fact)

    @staticmethod
    def coordination(plan: str, facts: Sequence[Fact]) -> str:
        """Id of the coordination of a plan for these facts."""
        return coordination_id(plan, tuple(fact.memory.identity(fact) for fact in facts))

    def ledger(self, plan: str, facts: Sequence[Fact], name: str, *args: str) -> int:
        """What a coordination's ledger says; 0 before it has begun."""
        if self.ledgers is None:
            return 0
        return self.ledgers(plan, tuple(fact.memory.identity(fact) for fact in facts), name, *args)

    def is_open(self, name: str, now: int, flips: list[int]) -> bool:
        """Whether a window is open; notes when that changes."""
        window = self.windows[name]
        change = window.next_change(now)
        if change is not None:
            flips.append(change)
        return window.is_open(now)
