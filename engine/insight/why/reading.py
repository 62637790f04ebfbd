"""The present values that an expression reads, and since when they are so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.coordination.driver import Driver
from engine.coordination.evaluate import Bound, Surroundings, evaluate, wire
from engine.errors import EvaluationError
from engine.insight.why.views import ConditionView, Reading
from engine.matching.engine import Engine
from engine.matching.fact import Claim, Fact, subject_text
from engine.model.expr import (
    Age,
    Compare,
    Const,
    Disputed,
    Expr,
    FieldRef,
    Free,
    LedgerRead,
    Local,
    ObservedAt,
    TimeTest,
    Unary,
)
from engine.model.exprtools import unparse, walk
from engine.model.kinds import Type, Value


@dataclass(slots=True)
class Scene:
    """What is bound so far, while a rule's terms are judged one after the other.

    Attributes:
        now: unix ms.
        facts: alias → fact and the claim that is read.
        locals: lets, aggregates and what a plan gives.
        ledger: reads the coordination's ledger.
        free: what is not reserved of an amount.
        reserved_at: when the last of the living reservations on a field of a fact was made; None: there is none.
    """

    now: int
    facts: dict[str, tuple[Fact, Claim]] = field(default_factory=dict)
    locals: dict[str, Value] = field(default_factory=dict)
    ledger: Callable[..., int] | None = None
    free: Callable[[Bound, str, int], int] | None = None
    reserved_at: Callable[[Fact, str], int | None] | None = None

    @classmethod
    def of(cls, engine: Engine, locals_: dict[str, Value], ledger: Callable[..., int] | None = None) -> Scene:
        """Before any term of a rule was judged.

        Args:
            engine: as it stands.
            locals_: what a plan gives.
            ledger: of the coordination.
        """
        driver = engine.driver
        free = driver.reservations.free if isinstance(driver, Driver) else None
        return cls(engine.now, {}, locals_, ledger, free, lambda fact, field: _reserved_at(engine, fact, field))

    def around(self) -> Surroundings:
        """For ``evaluate``."""
        aliases = {alias: bound_of(fact, claim) for alias, (fact, claim) in self.facts.items()}
        return Surroundings(self.now, aliases, self.locals, self.ledger, self.free)

    def with_fact(self, alias: str, fact: Fact, claim: Claim | None = None) -> Scene:
        """With one more fact bound, for a while."""
        facts = {**self.facts, alias: (fact, claim or fact.claim)}
        return replace(self, facts=facts)


def bound_of(fact: Fact, claim: Claim) -> Bound:
    """A fact as ``evaluate`` reads it."""
    return Bound(fact.memory.name, fact.key, claim.values, claim.at)


def named(fact: Fact) -> str:
    """A fact for people: its kind and key."""
    return name_of(fact.memory.name, fact.key)


def name_of(kind: str, key: Iterable[object]) -> str:
    """A fact for people: its kind and key."""
    return f"{kind} {'/'.join(str(part) for part in key)}"


def stands_since(fact: Fact, claim: Claim) -> int:
    """Since when a claim's values are what they are: what engine and rules make says so, else its entry's time."""
    kind = fact.memory.kind
    is_made = kind.engine or kind.concluded or not claim.position.ms
    return claim.at if is_made else claim.position.ms


def truth(condition: Expr, scene: Scene) -> tuple[bool | None, str]:
    """Whether a condition holds; None and why, if that cannot be told."""
    for node in walk(condition):
        if isinstance(node, Disputed) and node.alias in scene.facts:
            # Only the fact itself knows its claims, so that the whole is told from what it says.
            if condition is node:
                return _is_disputed(scene, node.alias), ""
            if isinstance(condition, Unary) and condition.operand is node:
                return not _is_disputed(scene, node.alias), ""
    try:
        return bool(evaluate(condition, scene.around())), ""
    except EvaluationError as error:
        return None, error.message


def _is_disputed(scene: Scene, alias: str) -> bool:
    fact, _ = scene.facts[alias]
    return fact.memory.is_disputed(fact)


def view(condition: Expr, scene: Scene) -> ConditionView:
    """A condition with the values it reads."""
    holds, error = truth(condition, scene)
    reads = tuple(_readings(condition, scene))
    flips = list(_flips(condition, scene))
    since = None
    if holds is False:
        since = _settled_at(reads, [flip for flip in flips if flip <= scene.now])
    until = min((flip for flip in flips if flip > scene.now), default=None)
    missed = _missed_by(condition, scene) if holds is False else None
    return ConditionView(unparse(condition), holds, reads, since, until, error, missed)


def _missed_by(condition: Expr, scene: Scene) -> str | None:
    """By how much a comparison of numbers fails."""
    if not isinstance(condition, Compare) or condition.op in ("==", "!="):
        return None
    left, right = (evaluate(side, scene.around()) for side in (condition.left, condition.right))
    if not isinstance(left, int) or not isinstance(right, int):
        return None
    return str(abs(left - right) + (condition.op in ("<", ">")))


def _settled_at(reads: Iterable[Reading], flips: Iterable[int] = ()) -> int | None:
    """From when on all that was read is as it is; None: of something that is not known."""
    sinces = [each.since for each in reads]
    known = [since for since in sinces if since is not None]
    return max([*known, *flips], default=None) if len(known) == len(sinces) else None


def holds_since(conditions: Iterable[ConditionView]) -> int | None:
    """From when on conditions that hold certainly do; None: that is not known."""
    return _settled_at(read for condition in conditions for read in condition.reads)


def _reserved_at(engine: Engine, fact: Fact, field_: str) -> int | None:
    memory = engine.base.memories["reservation"]
    place = memory.kind.positions
    wanted = (subject_text(fact.key), fact.memory.name, field_)
    names = ("of", "kind", "field")
    living = [each.at for each in memory.facts.values() if tuple(each.values[place[n]] for n in names) == wanted]
    return max(living, default=None)


def _flips(condition: Expr, scene: Scene) -> Iterator[int]:
    """Instants at which its time tests change."""
    for node in walk(condition):
        if isinstance(node, TimeTest):
            try:
                bound = int(evaluate(node.bound, scene.around()))
            except EvaluationError:
                continue
            yield bound + 1 if node.op in ("<=", ">") else bound


def _readings(condition: Expr, scene: Scene) -> Iterator[Reading]:
    seen: set[str] = set()
    for node in walk(condition):
        name = (
            unparse(node)
            if isinstance(node, FieldRef | Age | ObservedAt | Local | Free | LedgerRead | Disputed)
            else ""
        )
        if not name or name in seen:
            continue
        seen.add(name)
        found = _reading(name, node, scene)
        if found is not None:
            yield found


def _reading(name: str, node: Expr, scene: Scene) -> Reading | None:
    alias = getattr(node, "alias", None) or (node.ref.alias if isinstance(node, Free) else None)
    bound = scene.facts.get(alias) if alias else None
    if isinstance(node, Disputed):
        return (
            None
            if bound is None
            else Reading(name, _is_disputed(scene, node.alias), str(_is_disputed(scene, node.alias)).lower())
        )
    try:
        value = evaluate(node, scene.around())
        told = wire(node, scene.around())
    except EvaluationError:
        return None
    if bound is None:
        return Reading(name, told, shown(value, node.type))
    fact, claim = bound
    since = claim.at if isinstance(node, Age | ObservedAt) else stands_since(fact, claim)
    if isinstance(node, Free) and scene.reserved_at is not None:
        since = max(since, scene.reserved_at(fact, node.ref.field) or 0)
    return Reading(name, told, shown(value, node.type), since, claim.source, str(claim.position))


def shown(value: Value, type_: Type) -> str:
    """A value as a pack author would write it."""
    return "absent" if value is None else unparse(Const(value, type_))


def values_of(fact: Fact, claim: Claim) -> Mapping[str, Any]:
    """All values of a claim, JSON-safe."""
    values: Mapping[str, Any] = json.loads(claim.data)
    return values
