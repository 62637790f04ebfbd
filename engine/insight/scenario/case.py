"""A test as it is played: packs, steps in order of time, expectations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from engine.insight.scenario.wanted import Checks, WantedCommand
from engine.matching.compiled import CompiledRule
from engine.matching.guards import compile_rule
from engine.model.rules import RuleBase, Span


@dataclass(frozen=True)
class Base:
    """Checked packs, and what was made of them once for all tests that use them."""

    rulebase: RuleBase
    blob: bytes

    @cached_property
    def compiled(self) -> dict[str, CompiledRule]:
        """The rules as functions."""
        return {rule.name: compile_rule(rule) for rule in self.rulebase.rules}


@dataclass(frozen=True, slots=True)
class Entry:
    """A journal entry to be: assert, retract or reorg."""

    fields: tuple[tuple[str, str], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Report:
    """An executor's word on the newest open command that fits."""

    command: WantedCommand
    status: str
    detail: str
    source: str
    span: Span


@dataclass(frozen=True, slots=True)
class Restart:
    """The engine is thrown away and recovers from what was committed."""

    span: Span


@dataclass(frozen=True, slots=True)
class Push:
    """Other packs come into force."""

    base: Base
    span: Span


Input = Entry | Report | Restart | Push


@dataclass(slots=True)
class Step:
    """What happens at an instant, and what is expected of it.

    Attributes:
        expect: commands, in order; of all steps of an instant together they are all it makes.
    """

    span: Span
    inputs: list[Input] = field(default_factory=list)
    expect: list[WantedCommand] = field(default_factory=list)
    checks: Checks = field(default_factory=Checks)


@dataclass(slots=True)
class Case:
    """One test.

    Attributes:
        name: what it says of itself.
        span: where it stands.
        base: the packs in force at 0s.
        start_ms: 0s as unix ms.
        instants: offset from the start, ms → the steps of that instant in file order; in order of time.
        never: commands that must not be made.
        checks: what holds at the end.
        ignores_others: commands, rejections and refusals that are not named are no failure.
    """

    name: str
    span: Span
    base: Base
    start_ms: int
    instants: dict[int, list[Step]] = field(default_factory=dict)
    never: list[WantedCommand] = field(default_factory=list)
    checks: Checks = field(default_factory=Checks)
    ignores_others: bool = False

    def steps(self) -> Iterator[Step]:
        """All of them, in order."""
        for steps in self.instants.values():
            yield from steps
