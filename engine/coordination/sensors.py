"""Plans → rules over facts. Each condition of a plan is a rule whose groups are coordinations; it fires nothing.

A sensor's patterns are those of the plan's ``for`` (joined among themselves, but no longer filtered: a coordination
goes on when its intent closes) and then the condition's own. Its groups are keyed by the ``for`` facts alone, so a
condition holds for a coordination as long as some match of it does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from engine.matching.emit import LEDGER
from engine.matching.guards import CompiledRule, compile_rule
from engine.matching.shapes import conjuncts
from engine.model.expr import Compare, Expr, FieldRef, LedgerRead, Local
from engine.model.exprtools import walk
from engine.model.kinds import Kind, Type
from engine.model.plans import Action, Condition, Plan, Step
from engine.model.rules import Aggregate, Check, Let, Pattern, Pick, Rule, Term, Without

#: Every bit of a fact: plan values may read any of its fields.
_ALL_BITS = (1 << 200) - 1
#: No author can write an alias like that.
CANCEL_ALIAS = "!cancel"


@dataclass(frozen=True, slots=True)
class Sensor:
    """One condition at work.

    Attributes:
        name: ``pack.plan#place``, e.g. ``swap.bridge-then-swap#bridge.confirmed``.
        plan: whose it is.
        width: how many patterns at the head are those of ``for``.
        reason: of a single term's sensor.
    """

    name: str
    plan: Plan
    width: int
    rule: Rule
    reason: str | None = None

    @property
    def plan_name(self) -> str:
        """The plan's own name."""
        return self.plan.name.rpartition(":")[2]


def case_patterns(plan: Plan) -> tuple[Pattern, ...]:
    """The patterns of ``for``, reduced to what joins them."""
    aliases = {p.alias for p in plan.patterns}
    return tuple(
        replace(p, where=_joins(p, aliases), fresh_ms=None, quorum=None, for_distinct=None) for p in plan.patterns
    )


def _joins(pattern: Pattern, aliases: set[str]) -> tuple[Expr, ...]:
    kept = []
    for condition in conjuncts(pattern.where):
        if isinstance(condition, Compare) and condition.op == "==":
            ends = (condition.left, condition.right)
            if all(isinstance(end, FieldRef) and end.alias in aliases for end in ends):
                kept.append(condition)
    return tuple(kept)


def condition_name(plan: Plan, place: str) -> str:
    """Name of a sensor."""
    return f"{plan.name}#{place}"


def sensors_of(plan: Plan, cancel_kind: Kind | None) -> Iterator[Sensor]:
    """All sensors of a plan, in a fixed order.

    Args:
        plan: the plan.
        cancel_kind: the rule base's ``cancel`` kind, if it has one.
    """
    width = len(plan.patterns)
    yield Sensor(
        condition_name(plan, "for"), plan, width, Rule(condition_name(plan, "for"), plan.patterns, (), plan.span)
    )
    cancel = plan.cancel or (None if cancel_kind is None else _cancel(plan, cancel_kind))
    if cancel is not None:
        yield _sensor(plan, "cancel", cancel)
    for step in plan.steps:
        yield from _of_step(plan, step)
    for number, relation in enumerate(plan.relations):
        for index, alternative in enumerate(relation.otherwise or ()):
            if alternative.when is not None:
                yield _sensor(plan, f"@{number}.{index}.when", alternative.when)
            if alternative.action is not None:
                yield from _of_action(plan, f"@{number}.{index}", alternative.action)


def _cancel(plan: Plan, kind: Kind) -> Condition:
    """A ``cancel`` fact whose key is that of the first ``for`` fact; it may precede it."""
    first = plan.patterns[0]
    where = []
    for mine, other in zip(kind.key, first.kind.key, strict=False):
        left = FieldRef(CANCEL_ALIAS, mine, kind.positions[mine], kind.field(mine).type)
        right = FieldRef(first.alias, other, first.kind.positions[other], first.kind.field(other).type)
        where.append(Compare("==", left, right, Type("bool")))
    return Condition((Pattern(CANCEL_ALIAS, kind, tuple(where), plan.span),), plan.span)


def _of_step(plan: Plan, step: Step) -> Iterator[Sensor]:
    if step.when is not None:
        yield _sensor(plan, f"{step.name}.when", step.when)
        yield from _terms(plan, step)
    yield from _of_action(plan, step.name, step.action)
    for number, undo in enumerate(step.undo):
        if undo.when is not None:
            yield _sensor(plan, f"{step.name}.undo{number}.when", undo.when)
        yield from _of_action(plan, f"{step.name}.undo{number}", undo.action)


def _of_action(plan: Plan, place: str, action: Action) -> Iterator[Sensor]:
    for name in ("seen", "confirmed", "final", "failed", "unused"):
        condition: Condition | None = getattr(action, name)
        if condition is not None:
            yield _sensor(plan, f"{place}.{name}", condition)
    for cause, alternatives in action.otherwise:
        for index, alternative in enumerate(alternatives):
            here = f"{place}!{cause}{index}"
            if alternative.when is not None:
                yield _sensor(plan, f"{here}.when", alternative.when)
            if alternative.action is not None:
                yield from _of_action(plan, here, alternative.action)


def _sensor(plan: Plan, place: str, condition: Condition, reason: str | None = None) -> Sensor:
    name = condition_name(plan, place)
    terms = (*case_patterns(plan), *condition.terms)
    rule = Rule(name, terms, (), condition.span, for_ms=condition.for_ms, window=condition.window)
    return Sensor(name, plan, len(plan.patterns), rule, reason)


def _terms(plan: Plan, step: Step) -> Iterator[Sensor]:
    """One sensor for each term of a step's ``when``, with the terms whose bindings it reads: which is unmet?"""
    assert step.when is not None  # noqa: S101 - the caller has looked
    terms = step.when.terms
    for number, term in enumerate(terms):
        if isinstance(term, Let):
            continue
        needed = tuple(t for t in terms[:number] if t in _needed(term, terms[:number]))
        condition = Condition((*needed, term), step.when.span)
        yield _sensor(plan, f"{step.name}.when.{number}", condition, term.reason)


def _needed(term: Term, earlier: tuple[Term, ...]) -> list[Term]:
    """Earlier terms that bind what this one reads, directly or through others."""
    needed: list[Term] = []
    names = reads(term)
    for candidate in reversed(earlier):
        if binds(candidate) in names:
            needed.append(candidate)
            names |= reads(candidate)
    return needed


def binds(term: Term) -> str:
    """The alias or name a term binds; empty if none."""
    match term:
        case Pattern() | Pick():
            return term.alias
        case Aggregate() | Let():
            return term.name
        case _:
            return ""


def reads(term: Term) -> set[str]:
    """Aliases and names that a term reads."""
    found: set[str] = set()
    for expression in expressions_of(term):
        for node in walk(expression):
            if isinstance(node, Local):
                found.add(node.name)
            elif hasattr(node, "alias"):
                found.add(node.alias)
    return found


def expressions_of(term: Term) -> list[Expr]:
    """Every expression of a term."""
    expressions: list[Expr] = []
    match term:
        case Pattern():
            expressions = [*term.where, *([term.for_distinct.of] if term.for_distinct else [])]
        case Pick():
            expressions = [*term.where, *([term.by] if term.by is not None else [])]
        case Without():
            expressions = list(term.where)
        case Aggregate():
            expressions = [*term.where, *([term.of] if term.of is not None else [])]
        case Let():
            expressions = [term.value]
        case Check():
            expressions = list(term.conditions)
    return expressions


def compile_sensor(sensor: Sensor) -> CompiledRule:
    """Compiled like a rule, but judged at any change of its facts: values that are booked may read every field."""
    facts = f"{sensor.plan_name!r}, F[:{sensor.width}]"
    given = {"coordination": f"cx.coordination({facts})", "step": repr(_step_of(sensor)), "attempt": "1", LEDGER: facts}
    compiled = compile_rule(sensor.rule, given)
    masks = tuple(_ALL_BITS for _ in compiled.masks)
    inner = tuple(replace(term, mask=_ALL_BITS) for term in compiled.inner)
    return replace(compiled, masks=masks, inner=inner)


def _step_of(sensor: Sensor) -> str:
    return sensor.name.partition("#")[2].partition(".")[0].partition("!")[0]


def reads_ledger(sensor: Sensor) -> bool:
    """Whether a condition looks at its coordination's ledger, so that a booking has it judged again."""
    return any(
        isinstance(node, LedgerRead)
        for term in sensor.rule.terms
        for expression in expressions_of(term)
        for node in walk(expression)
    )
