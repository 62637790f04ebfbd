"""What a test expects, typed: commands, facts, outcomes, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.insight.scenario.values import canonical
from engine.model.kinds import Value
from engine.model.rules import Span


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value, in each of the JSON forms it may leave in."""

    forms: frozenset[str]
    shown: str

    def fits(self, actual: Any) -> bool:  # noqa: ANN401 - any JSON
        """Whether an argument is this."""
        return canonical(actual) in self.forms


@dataclass(frozen=True, slots=True)
class Parts:
    """A mapping that must have these entries among others."""

    entries: tuple[tuple[str, Wanted], ...]

    def fits(self, actual: Any) -> bool:  # noqa: ANN401 - any JSON
        """Whether an argument has all entries."""
        return isinstance(actual, Mapping) and all(n in actual and w.fits(actual[n]) for n, w in self.entries)

    @property
    def shown(self) -> str:
        """As a test spells it."""
        return "{" + ", ".join(f"{name}: {wanted.shown}" for name, wanted in self.entries) + "}"


@dataclass(frozen=True, slots=True)
class Items:
    """A list of exactly these items."""

    items: tuple[Wanted, ...]

    def fits(self, actual: Any) -> bool:  # noqa: ANN401 - any JSON
        """Whether an argument is that list."""
        if not isinstance(actual, list) or len(actual) != len(self.items):
            return False
        return all(wanted.fits(item) for wanted, item in zip(self.items, actual, strict=True))

    @property
    def shown(self) -> str:
        """As a test spells it."""
        return "[" + ", ".join(wanted.shown for wanted in self.items) + "]"


Wanted = Leaf | Parts | Items


@dataclass(frozen=True, slots=True)
class WantedCommand:
    """A command with some of its arguments."""

    command: str
    args: tuple[tuple[str, Wanted], ...]
    span: Span

    def fits(self, command: str, args: Mapping[str, Any]) -> bool:
        """Whether a command made is this one."""
        return command == self.command and not self.differing(args)

    def differing(self, args: Mapping[str, Any]) -> list[tuple[str, Wanted]]:
        """The arguments that are not as wanted."""
        return [(name, wanted) for name, wanted in self.args if name not in args or not wanted.fits(args[name])]

    @property
    def shown(self) -> str:
        """On one line."""
        args = ", ".join(f"{name}: {wanted.shown}" for name, wanted in self.args)
        return f"{self.command}  {args}" if args else self.command


@dataclass(frozen=True, slots=True)
class WantedFact:
    """A fact of a kind with these values that is there, or (``is_absent``) is not."""

    kind: str
    values: tuple[tuple[str, Value], ...]
    is_absent: bool
    span: Span


@dataclass(frozen=True, slots=True)
class WantedOutcome:
    """How a coordination stands; what is None is not asked.

    Attributes:
        subject: key of the first ``for`` fact; empty: of the only coordination.
        plan: local or full name.
        verdict: ``none`` if it has not ended.
        at_ms: unix ms at which it was given.
        ledger: place → asset → amount, all of it; ``delivered`` and ``refunded`` likewise.
        fees: asset → amount; ``surplus`` likewise.
        report: name → text, some of it.
    """

    span: Span
    subject: tuple[str, ...] = ()
    plan: str | None = None
    verdict: str | None = None
    reason: str | None = None
    at_ms: int | None = None
    provisional: bool | None = None
    ledger: dict[str, dict[str, str]] | None = None
    delivered: dict[str, dict[str, str]] | None = None
    refunded: dict[str, dict[str, str]] | None = None
    fees: dict[str, str] | None = None
    surplus: dict[str, str] | None = None
    report: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class WantedRefusal:
    """A cancel that came too late."""

    cancel: tuple[str, ...]
    reason: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class WantedRejection:
    """An entry that is not taken."""

    code: str
    span: Span


@dataclass(slots=True)
class Checks:
    """Everything a step, or a whole test, expects beside commands."""

    outcomes: list[WantedOutcome] = field(default_factory=list)
    facts: list[WantedFact] = field(default_factory=list)
    rejected: list[WantedRejection] = field(default_factory=list)
    refused: list[WantedRefusal] = field(default_factory=list)
