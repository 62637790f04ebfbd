"""Splits a rule's positive patterns into what grounds them: joins, key look-ups and constants.

A pattern whose whole key is fixed by constants and by fields of other patterns is *looked up*: there is at most one
fact. The rest are *cores*: one core is enumerated by its kind's memory, two or more are joined by the joiner.
Everything that is not an equality between patterns stays in the guard.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from engine import limits
from engine.matching.joins import Join, JoinPattern, JoinShape
from engine.model.expr import BoolOp, Compare, Const, Expr, FieldRef, In, Param
from engine.model.kinds import Scalar
from engine.model.rules import Check, Pattern, Rule


@dataclass(frozen=True, slots=True)
class KeyPart:
    """Where one key field of a look-up comes from: field ``field`` of the fact at ``seat``, or (seat -1) a constant."""

    seat: int
    field: int = 0
    constant: Scalar = 0


@dataclass(frozen=True, slots=True)
class Lookup:
    """The fact at ``seat`` is the one whose key is ``parts`` (in the order of the kind's key)."""

    seat: int
    parts: tuple[KeyPart, ...]


@dataclass(frozen=True, slots=True)
class GroundPlan:
    """How the tuples of one shape are found; equal plans are shared between rules.

    Attributes:
        kinds: kind of each pattern, in file order; a seat is an index into it.
        cores: seats that are enumerated or joined; empty when constants fix the first look-up.
        joins: for two or more cores, their joins (pattern k of the shape is seat ``cores[k]``).
        lookups: in an order in which each reads only seats bound before it.
    """

    kinds: tuple[str, ...]
    cores: tuple[int, ...]
    joins: JoinShape | None
    lookups: tuple[Lookup, ...]


@dataclass(frozen=True, slots=True)
class RulePlan:
    """The grounds of a rule (more than one when ``in [a, b]`` joins unfold) and the conditions they already ensure."""

    grounds: tuple[GroundPlan, ...]
    ensured: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Equality:
    """``left`` (seat, field name) equals ``right``, another (seat, field name) or a constant."""

    left: tuple[int, str]
    right: tuple[int, str] | None
    constant: Scalar
    source: int


def conjuncts(conditions: Iterable[Expr]) -> list[Expr]:
    """All top-level terms of ``and``, flattened, left to right."""
    flat: list[Expr] = []
    for condition in conditions:
        if isinstance(condition, BoolOp) and condition.op == "and":
            flat.extend(conjuncts(condition.items))
        else:
            flat.append(condition)
    return flat


class _Planner:
    """Plans one rule; ``equalities`` are the ``==`` between patterns, ``choices`` the ``in [..]`` that may join."""

    def __init__(self, rule: Rule) -> None:
        self.patterns = rule.patterns
        self.seats = {p.alias: i for i, p in enumerate(self.patterns)}
        self.equalities: list[_Equality] = []
        self.choices: list[list[_Equality]] = []
        for condition in _joining_conditions(rule):
            if isinstance(condition, Compare) and condition.op == "==":
                for a, b in ((condition.left, condition.right), (condition.right, condition.left)):
                    equality = self._equality(a, b, id(condition))
                    if equality is not None:
                        self.equalities.append(equality)
            elif isinstance(condition, In):
                options = [self._equality(condition.item, option, 0) for option in condition.options]
                found = [e for e in options if e is not None]
                if len(found) == len(options) and any(e.right is not None for e in found):
                    self.choices.append(found)

    def _end(self, expr: Expr) -> tuple[int, str] | None:
        if not isinstance(expr, FieldRef) or expr.alias not in self.seats:
            return None
        seat = self.seats[expr.alias]
        pattern = self.patterns[seat]
        if pattern.quorum is not None and expr.field not in pattern.kind.key:
            return None  # each claim has its own value there, so the fact's cannot join
        return seat, expr.field

    def _equality(self, left: Expr, right: Expr, source: int) -> _Equality | None:
        end = self._end(left)
        if end is None:
            return None
        if isinstance(right, Const | Param):
            value = right.value
            return None if value is None or isinstance(value, tuple) else _Equality(end, None, value, source)
        other = self._end(right)
        if other is None or other[0] == end[0]:
            return None
        return _Equality(end, other, 0, source)

    def plan(self) -> RulePlan:
        """One ground, or one for each combination of ``in [..]`` choices when patterns would join nothing without."""
        ground, used = self._ground(self.equalities)
        if _is_connected(ground) or not self.choices:
            return RulePlan((ground,), frozenset(used))
        grounds: dict[GroundPlan, None] = {}
        ensured: frozenset[int] | None = None
        combinations = 1
        chosen: list[list[_Equality]] = []
        for options in self.choices:
            combinations *= len(options)
            if combinations > limits.MAX_VARIANTS:
                break
            chosen.append(options)
        for picks in product(*chosen):
            both = [*self.equalities, *picks, *(_turned(e) for e in picks if e.right is not None)]
            variant, used = self._ground(both)
            grounds[variant] = None
            ensured = frozenset(used) if ensured is None else ensured & used
        return RulePlan(tuple(grounds), (ensured or frozenset()) - {0})

    def _ground(self, equalities: list[_Equality]) -> tuple[GroundPlan, set[int]]:
        count = len(self.patterns)
        bound: set[int] = set()
        cores: list[int] = []
        lookups: dict[int, tuple[Lookup, set[int]]] = {}
        while len(bound) < count:
            for seat in range(count):
                found = None if seat in bound else self._lookup(seat, bound, equalities)
                if found is not None:
                    lookups[seat] = found
                    bound.add(seat)
                    break
            else:
                seat = min(s for s in range(count) if s not in bound)
                cores.append(seat)
                bound.add(seat)
        used: set[int] = set()
        joins = None
        if len(cores) > 1:
            joined = self._joined(cores, lookups, equalities)
            for seat in joined:
                lookups.pop(seat, None)
            cores = sorted(joined)
            joins, used = self._join_shape(cores, equalities)
        for _, sources in lookups.values():
            used |= sources
        ordered = tuple(lookup for lookup, _ in lookups.values())
        return GroundPlan(tuple(p.kind.name for p in self.patterns), tuple(cores), joins, ordered), used

    def _lookup(self, seat: int, bound: set[int], equalities: list[_Equality]) -> tuple[Lookup, set[int]] | None:
        parts: list[KeyPart] = []
        sources: set[int] = set()
        for name in self.patterns[seat].kind.key:
            best: _Equality | None = None
            for equality in equalities:
                if equality.left != (seat, name):
                    continue
                if equality.right is None:
                    best = equality
                    break
                if best is None and equality.right[0] in bound:
                    best = equality
            if best is None:
                return None
            sources.add(best.source)
            if best.right is None:
                parts.append(KeyPart(-1, 0, best.constant))
            else:
                other, field = best.right
                parts.append(KeyPart(other, self.patterns[other].kind.positions[field]))
        return Lookup(seat, tuple(parts)), sources

    def _joined(
        self, cores: list[int], lookups: dict[int, tuple[Lookup, set[int]]], equalities: list[_Equality]
    ) -> set[int]:
        """Cores and every look-up through which a core after the first is reached, closed under what they read."""
        joined = set(cores)
        grew = True
        while grew:
            grew = False
            for equality in equalities:
                if equality.right is None or equality.left[0] not in cores:
                    continue
                other = equality.right[0]
                if other in lookups and other not in joined:
                    joined.add(other)
                    grew = True
            for seat in list(joined & lookups.keys()):
                for part in lookups[seat][0].parts:
                    if part.seat >= 0 and part.seat not in joined:
                        joined.add(part.seat)
                        grew = True
        return joined

    def _join_shape(self, cores: list[int], equalities: list[_Equality]) -> tuple[JoinShape, set[int]]:
        place = {seat: k for k, seat in enumerate(cores)}
        used: set[int] = set()
        patterns: list[JoinPattern] = []
        for seat in cores:
            joins: dict[Join, None] = {}
            for equality in equalities:
                if equality.left[0] == seat and equality.right is not None:
                    other, field = equality.right
                    if other in place and place[other] < place[seat]:
                        joins[Join(equality.left[1], place[other], field)] = None
                        used.add(equality.source)
            patterns.append(JoinPattern(self.patterns[seat].kind.name, tuple(joins)))
        return JoinShape(tuple(patterns)), used


def _turned(equality: _Equality) -> _Equality:
    assert equality.right is not None  # noqa: S101 - callers filter
    return _Equality(equality.right, equality.left, 0, equality.source)


def _joining_conditions(rule: Rule) -> list[Expr]:
    found: list[Expr] = []
    for term in rule.terms:
        if isinstance(term, Pattern):
            found.extend(conjuncts(term.where))
        elif isinstance(term, Check):
            found.extend(conjuncts(term.conditions))
    return found


def _is_connected(ground: GroundPlan) -> bool:
    return ground.joins is None or all(p.joins for p in ground.joins.patterns[1:])


def plan_rule(rule: Rule) -> RulePlan:
    """How the rule's matches are found.

    ``ensured`` holds the ``id()`` of each condition that every ground guarantees, so that the guard need not ask again.
    """
    return _Planner(rule).plan()
