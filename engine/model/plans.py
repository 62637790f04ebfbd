"""Plans as the checker leaves them: typed, resolved, ready to be compiled to conditions over facts.

A plan's conditions are lists of terms like a rule's. The aliases of ``for`` are in scope in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Final

from engine.limits import MAX_JSON_INT
from engine.model.expr import Expr
from engine.model.kinds import Kind
from engine.model.rules import CommandEffect, Pattern, Span, Term

#: What ``otherwise`` may be declared for.
CAUSES: Final = ("blocked", "failed", "refused", "timeout", "unknown", "unconfirmed", "late")
#: Where an instant may be absent, and is: later than any.
NEVER_MS: Final = MAX_JSON_INT
#: Every verdict a coordination may end with.
VERDICTS: Final = (
    "COMPLETED",
    "COMPLETED_PARTIAL",
    "REFUNDED",
    "UNWOUND",
    "FAILED_SAFE",
    "CANCELLED",
    "EXPIRED",
    "FAILED_ORDER",
    "FAILED_ATOMICITY",
    "SETTLED_LATE",
    "STRANDED",
)


@dataclass(frozen=True, slots=True)
class Condition:
    """Terms that must all hold, for ``for_ms`` without a gap, while ``window`` (``pack.schedule``) is open."""

    terms: tuple[Term, ...]
    span: Span
    for_ms: int = 0
    window: str | None = None


@dataclass(frozen=True, slots=True)
class Portion:
    """An amount of an asset at a place."""

    asset: Expr
    amount: Expr
    place: Expr


@dataclass(frozen=True, slots=True)
class Moves:
    """What an action does to value: ``gives`` leaves when it is seen, ``gets`` is there when it is confirmed.

    ``via`` is where it is in between (None: the step's name). ``owes`` is what a loan must be paid back with.
    """

    gives: tuple[Portion, ...]
    gets: tuple[Portion, ...]
    via: Expr | None = None
    owes: tuple[Portion, ...] = ()


@dataclass(frozen=True, slots=True)
class Reserve:
    """Sets aside ``amount`` of ``alias.field`` for ``for_ms`` when the step is commanded."""

    alias: str
    field: str
    amount: Expr
    for_ms: int


@dataclass(frozen=True, slots=True)
class Effective:
    """When and where a step took effect, by its chain; for relations. Absent parts are None."""

    network: Expr | None = None
    time: Expr | None = None
    height: Expr | None = None
    index: Expr | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """A command and what shows how far it has come. Steps, undo entries and small steps are actions.

    Attributes:
        command: None: the step waits for its evidence.
        seen: shows that value left; None: a report ``submitted`` or ``done``.
        confirmed: shows that it is done; None: a report ``done``.
        final: until then a verdict is provisional; None: when confirmed.
        failed: shows, newer than the command, that the attempt had no effect.
        unused: shows that nothing left; judged when it is needed.
        within_ms: from the nominal time of the first command; inclusive.
        waits_ms: of retry: one further attempt for each, so long after the failure became known.
        otherwise: cause → alternatives; causes that are not named have their default.
    """

    command: CommandEffect | None
    seen: Condition | None = None
    confirmed: Condition | None = None
    final: Condition | None = None
    failed: Condition | None = None
    unused: Condition | None = None
    moves: Moves | None = None
    within_ms: int | None = None
    waits_ms: tuple[int, ...] = ()
    otherwise: tuple[tuple[str, tuple[Alternative, ...]], ...] = ()

    def alternatives(self, cause: str) -> tuple[Alternative, ...] | None:
        """The declared alternatives for a cause; None: its default applies."""
        return next((found for name, found in self.otherwise if name == cause), None)


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way off the good path; does, in this order, what it names."""

    span: Span
    when: Condition | None = None
    missing: tuple[str, ...] | None = None
    for_ms: int = 0
    retry: bool = False
    undo: bool = False
    hold_ms: int = 0
    action: Action | None = None
    accept: bool = False
    escalate: bool = False
    end: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Undo:
    """A way to take a step back; the first whose ``when`` holds is taken, judged anew at each attempt."""

    when: Condition | None
    action: Action


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan. ``name`` is local; its identity is ``pack.plan.step``."""

    name: str
    action: Action
    span: Span
    when: Condition | None = None
    priority: Expr | None = None
    after: tuple[str, ...] = ()
    instead_of: str | None = None
    reserve: Reserve | None = None
    effective: Effective | None = None
    undo: tuple[Undo, ...] = ()
    irreversible: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """``order`` (strictly, by ``effective``) or ``together`` (max - min of the last confirmations, inclusive)."""

    kind: str
    steps: tuple[str, ...]
    span: Span
    within_ms: int = 0
    clock: str = "engine"
    otherwise: tuple[Alternative, ...] | None = None


@dataclass(frozen=True, slots=True)
class OutcomeRule:
    """How the end is judged. ``achieved`` None: all steps confirmed, relations hold."""

    achieved: Expr | None = None
    partial: Expr | None = None
    report: tuple[tuple[str, Expr], ...] = ()
    otherwise: str = "UNWOUND"


@dataclass(frozen=True)
class Plan:
    """A declared coordination.

    Attributes:
        name: identity, ``pack.plan``.
        patterns: of ``for``; a coordination is one tuple of facts that fits, and starts once.
        was: names it had; what began under one of them does not begin again.
        start_before: half-open: the first command must come before it.
        deadline: inclusive: no forward command after it.
        escalation: (connector, verb) of the command that calls for people, or None.
        brings: value that already lies somewhere when it starts.
        cancel: None: a ``cancel`` fact whose key is that of the first ``for`` fact.
        no_return: step after whose command a cancel comes too late; None: the first irreversible step, else the last
            that moves value.
    """

    name: str
    patterns: tuple[Pattern, ...]
    steps: tuple[Step, ...]
    span: Span
    was: tuple[str, ...] = ()
    doc: str = ""
    start_before: Expr | None = None
    deadline: Expr | None = None
    escalation: tuple[str, str] | None = None
    brings: tuple[Portion, ...] = ()
    relations: tuple[Relation, ...] = ()
    no_return: str | None = None
    cancel: Condition | None = None
    outcome: OutcomeRule = OutcomeRule()

    @cached_property
    def by_name(self) -> dict[str, Step]:
        """Steps by local name."""
        return {step.name: step for step in self.steps}

    @cached_property
    def in_order(self) -> tuple[Step, ...]:
        """Each step behind those it comes ``after``; otherwise as in the file."""
        placed: dict[str, Step] = {}

        def place(step: Step) -> None:
            if step.name not in placed:
                for name in step.after:
                    place(self.by_name[name])
                placed[step.name] = step

        for step in self.steps:
            place(step)
        return tuple(placed.values())

    @cached_property
    def last_before_return(self) -> str | None:
        """The step whose command makes a cancel come too late."""
        if self.no_return is not None:
            return self.no_return
        steps = self.in_order
        fixed = next((s.name for s in steps if s.irreversible), None)
        moving = [s.name for s in steps if s.action.moves is not None]
        return fixed or (moving[-1] if moving else None)

    @cached_property
    def needed_ms(self) -> int:
        """Longest time the steps may take, by ``for`` and ``within``, until the last command; of two ways the shorter.

        What is commanded by the deadline keeps its own ``within`` after it, and undo is not counted. A coordination
        whose deadline leaves less has NO_TIME.
        """
        begins: dict[str, int] = {}

        def begin(step: Step) -> int:
            if step.name not in begins:
                lasts = [min(end(each) for each in self._ways(name)) for name in step.after]
                begins[step.name] = max(lasts, default=0) + (step.when.for_ms if step.when is not None else 0)
            return begins[step.name]

        def end(step: Step) -> int:
            return begin(step) + (step.action.within_ms or 0)

        return max((min(begin(each) for each in self._ways(step.name)) for step in self.steps), default=0)

    def _ways(self, name: str) -> list[Step]:
        """A step, and those that stand instead of it or that it stands instead of: one of them is enough."""
        one = self.by_name[name]
        return [one, *(s for s in self.steps if s.instead_of == name or s.name == one.instead_of)]

    @property
    def local_name(self) -> str:
        """Without the pack."""
        return self.name.partition(".")[2]


def plan_kinds(plan: Plan) -> list[Kind]:
    """Every kind that a plan reads, in order of name."""
    found: dict[str, Kind] = {}
    todo: list[object] = [plan]
    while todo:
        item = todo.pop()
        if isinstance(item, Kind):
            found[item.name] = item
        elif isinstance(item, tuple):
            todo.extend(item)
        elif is_dataclass(item) and not isinstance(item, type):
            todo.extend(getattr(item, f.name) for f in fields(item))
    return [found[name] for name in sorted(found)]
