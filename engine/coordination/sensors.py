"""Plans → rules over facts. Each condition of a plan is a rule whose groups are coordinations; it fires nothing.

A sensor's patterns are those of the plan's ``for``, over the copies that each coordination keeps (not filtered: it
goes on when its intent closes), and then the condition's own. Its groups are keyed by the ``for`` facts alone, so a
condition holds for a coordination as long as some match of it does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from engine.coordination.copies import copied_patterns
from engine.coordination.outline import BREACH, actions_of, relation_place, undo_place, way_place
from engine.matching.compiled import CompiledRule
from engine.matching.emit import LEDGER
from engine.matching.guards import compile_rule
from engine.model.expr import BoolOp, Compare, Expr, FieldRef, LedgerRead, Local, Unary
from engine.model.exprtools import walk
from engine.model.kinds import Kind, Type
from engine.model.plans import Action, Alternative, Condition, Plan
from engine.model.rules import Aggregate, Check, Let, Pattern, Pick, Rule, Term, Without

#: Every bit of a fact: plan values may read any of its fields.
_ALL_BITS = (1 << 200) - 1
#: No author can write an alias like that.
CANCEL_ALIAS = "!cancel"
_BOOL = Type("bool")


@dataclass(frozen=True, slots=True)
class Sensor:
    """One condition at work.

    Attributes:
        name: ``pack.plan#place``, e.g. ``swap.bridge-then-swap#bridge.confirmed``.
        plan: whose it is.
        width: how many patterns at the head are those of ``for``.
        needs: of a single term's sensor: numbers of the terms that bind what it reads.
    """

    name: str
    plan: Plan
    width: int
    rule: Rule
    needs: tuple[int, ...] = ()

    @property
    def plan_name(self) -> str:
        """The plan's own name."""
        return self.plan.name.rpartition(":")[2]


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
    cancel = plan.cancel or (None if cancel_kind is None else _default_cancel(plan, cancel_kind))
    if cancel is not None:
        yield _sensor(plan, "cancel", cancel)
    for step in plan.steps:
        if step.when is not None:
            yield from _of_when(plan, step.name, step.when)
        for number, undo in enumerate(step.undo):
            if undo.when is not None:
                yield _sensor(plan, f"{undo_place(step.name, number)}.when", undo.when)
    for place, action in actions_of(plan):
        yield from _of_action(plan, place, action)
    for number, relation in enumerate(plan.relations):
        yield from _of_alternatives(plan, relation_place(number), BREACH, relation.otherwise or ())


def _default_cancel(plan: Plan, kind: Kind) -> Condition | None:
    """A ``cancel`` fact whose key is that of the first ``for`` fact; it may precede it.

    None if their keys are not of one form: then no cancel fact can have that key.
    """
    first = plan.patterns[0]
    pairs = list(zip(kind.key, first.kind.key, strict=False))
    types = [(kind.field(mine).type, first.kind.field(other).type) for mine, other in pairs]
    if len(kind.key) != len(first.kind.key) or any(mine != other for mine, other in types):
        return None
    where = []
    for mine, other in pairs:
        left = FieldRef(CANCEL_ALIAS, mine, kind.positions[mine], kind.field(mine).type)
        where.append(Compare("==", left, _field(first, other), _BOOL))
    return Condition((Pattern(CANCEL_ALIAS, kind, tuple(where), plan.span),), plan.span)


def _of_when(plan: Plan, step: str, when: Condition) -> Iterator[Sensor]:
    """The condition, each of its terms for itself, and under the next number all terms without the ``for``."""
    yield _sensor(plan, f"{step}.when", when)
    for number, term in enumerate(when.terms):
        if not isinstance(term, Let):
            needed = _needed(number, when.terms)
            terms = (*(when.terms[n] for n in needed), term)
            needs = tuple(n for n in needed if not isinstance(when.terms[n], Let))
            yield _sensor(plan, f"{step}.when.{number}", Condition(terms, when.span), needs)
    if when.for_ms:
        yield _sensor(plan, f"{step}.when.{len(when.terms)}", replace(when, for_ms=0))


def _of_action(plan: Plan, place: str, action: Action) -> Iterator[Sensor]:
    for name in ("seen", "confirmed", "final", "failed", "unused"):
        condition: Condition | None = getattr(action, name)
        if condition is not None:
            yield _sensor(plan, f"{place}.{name}", condition)
    for cause, alternatives in action.otherwise:
        yield from _of_alternatives(plan, place, cause, alternatives)


def _of_alternatives(plan: Plan, place: str, cause: str, alternatives: tuple[Alternative, ...]) -> Iterator[Sensor]:
    for index, alternative in enumerate(alternatives):
        if alternative.when is not None:
            yield _sensor(plan, f"{way_place(place, cause, index)}.when", alternative.when)


def _sensor(plan: Plan, place: str, condition: Condition, needs: tuple[int, ...] = ()) -> Sensor:
    name = condition_name(plan, place)
    others = (_another(term, plan) if isinstance(term, Pattern) else term for term in condition.terms)
    terms = (*copied_patterns(plan), *others)
    rule = Rule(name, terms, (), condition.span, for_ms=condition.for_ms, window=condition.window)
    return Sensor(name, plan, len(plan.patterns), rule, needs)


def _another(pattern: Pattern, plan: Plan) -> Pattern:
    """The same fact never matches two patterns: none of a condition's binds what the coordination has copies of."""
    distinct = tuple(
        Unary("not", _is_of_key(pattern, own), _BOOL) for own in plan.patterns if own.kind.name == pattern.kind.name
    )
    return replace(pattern, where=(*pattern.where, *distinct)) if distinct else pattern


def _is_of_key(pattern: Pattern, own: Pattern) -> Expr:
    equal = tuple(Compare("==", _field(pattern, name), _field(own, name), _BOOL) for name in own.kind.key)
    return equal[0] if len(equal) == 1 else BoolOp("and", equal, _BOOL)


def _field(pattern: Pattern, name: str) -> FieldRef:
    return FieldRef(pattern.alias, name, pattern.kind.positions[name], pattern.kind.field(name).type)


def _needed(number: int, terms: tuple[Term, ...]) -> list[int]:
    """Numbers of the earlier terms that bind what a term reads, directly or through others; ascending."""
    needed: list[int] = []
    names = reads(terms[number])
    for candidate in range(number - 1, -1, -1):
        if binds(terms[candidate]) in names:
            needed.append(candidate)
            names |= reads(terms[candidate])
    return sorted(needed)


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
