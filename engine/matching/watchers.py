"""Which of the rules with one pattern a change of a fact may concern.

A rule one of whose conditions is ``field > constant`` cannot hold where that condition is false. So of a thousand rules
that compare a price with their own limit, a change of the price concerns those whose limit it has reached: found by
bisection, not by asking each. Only rules that depend on nothing but the fact itself are sorted so; all others are
always concerned when a field changes that they read.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from engine.matching.shapes import conjuncts
from engine.model.expr import Compare, Const, Expr, FieldRef, Param
from engine.model.kinds import NUMERIC, Value
from engine.model.rules import Check, Pattern, Rule

if TYPE_CHECKING:
    from engine.matching.node import RuleNode

_TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}
#: Added to the constant, so that the condition reads ``value >= bound`` or ``value <= bound``.
_STRICTLY: Final = {">": 1, "<": -1}


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition without which a rule cannot hold: ``values[position] op bound``, op in ``== >= <=``.

    ``is_all``: the rule says nothing else.
    """

    position: int
    op: str
    bound: Value
    is_all: bool


def gate_of(rule: Rule) -> Gate | None:
    """A condition on one field of the rule's only pattern and a constant, if it has one; ``==`` rather than others."""
    pattern = rule.patterns[0]
    if pattern.quorum is not None:
        return None  # its conditions are on claims, not on the fact
    conditions: list[Expr] = []
    for term in rule.terms:
        conditions += conjuncts(term.where if isinstance(term, Pattern) else ())
        conditions += conjuncts(term.conditions if isinstance(term, Check) else ())
    is_all = len(conditions) == 1 and len(rule.terms) == 1
    gates = [gate for gate in (_gate(each, pattern, is_all) for each in conditions) if gate is not None]
    return min(gates, key=lambda gate: gate.op != "==", default=None)


def _gate(condition: Expr, pattern: Pattern, is_all: bool) -> Gate | None:
    if not isinstance(condition, Compare) or condition.op not in _TURNED:
        return None
    ref, op, other = condition.left, condition.op, condition.right
    if not isinstance(ref, FieldRef):
        ref, op, other = other, _TURNED[op], ref
    if not isinstance(ref, FieldRef) or ref.alias != pattern.alias or not isinstance(other, Const | Param):
        return None
    if ref.optional or pattern.kind.fields[ref.position].optional or other.value is None:
        return None
    if op == "==":
        return Gate(ref.position, op, other.value, is_all)
    if ref.type.name not in NUMERIC or not isinstance(other.value, int):
        return None
    return Gate(ref.position, op[0] + "=", other.value + _STRICTLY.get(op, 0), is_all)


#: A rule, and the bits of what it reads.
_Reader = tuple[int, "RuleNode"]


@dataclass(slots=True)
class _Row:
    """Rules in the order of their bounds; ``is_all`` rules apart, for they change only where their bound is crossed."""

    bounds: list[int] = field(default_factory=list)
    readers: list[_Reader] = field(default_factory=list)

    def fill(self, gated: Iterable[tuple[int, _Reader]]) -> None:
        """Once, with all of them."""
        for bound, reader in sorted(gated, key=lambda each: (each[0], each[1][1].name)):
            self.bounds.append(bound)
            self.readers.append(reader)


@dataclass(slots=True)
class _Field:
    """The rules gated by one field."""

    position: int
    bit: int
    mask: int = 0
    equal: dict[Value, list[_Reader]] = field(default_factory=dict)
    least: _Row = field(default_factory=_Row)
    least_alone: _Row = field(default_factory=_Row)
    most: _Row = field(default_factory=_Row)
    most_alone: _Row = field(default_factory=_Row)


class Watchers:
    """The rules whose only pattern is one kind."""

    __slots__ = ("_always", "_fields")

    def __init__(self, readers: Iterable[_Reader] = ()) -> None:
        """Sort them.

        Args:
            readers: each rule with the bits it reads.
        """
        self._always: list[_Reader] = []
        gated: dict[int, list[tuple[Gate, _Reader]]] = {}
        for reader in readers:
            gate = gate_of(reader[1].rule) if reader[1].is_plain and reader[1].observer is None else None
            if gate is None:
                self._always.append(reader)
            else:
                gated.setdefault(gate.position, []).append((gate, reader))
        self._fields = [_sorted_field(position, found) for position, found in sorted(gated.items())]

    def of(self, values: tuple[Value, ...]) -> list[RuleNode]:
        """The rules that may hold for a new fact."""
        found = [node for _, node in self._always]
        for each in self._fields:
            value = values[each.position]
            found += [node for _, node in each.equal.get(value, ())]
            for row in (each.least, each.least_alone):
                if row.bounds:
                    found += [node for _, node in row.readers[: bisect_right(row.bounds, value)]]  # type: ignore[type-var]
            for row in (each.most, each.most_alone):
                if row.bounds:
                    found += [node for _, node in row.readers[bisect_left(row.bounds, value) :]]  # type: ignore[type-var]
        return found

    def concerned(self, before: tuple[Value, ...], after: tuple[Value, ...], changed: int) -> list[RuleNode]:
        """The rules that may hold, or may have held, or whose values may be others.

        Args:
            before: the fact's values before the change.
            after: its values now.
            changed: bits of what changed.
        """
        found = [node for mask, node in self._always if mask & changed] if self._always else []
        for each in self._fields:
            if each.mask & changed:
                _add_concerned(each, before[each.position], after[each.position], changed, found)
        return found


def _sorted_field(position: int, gated: list[tuple[Gate, _Reader]]) -> _Field:
    made = _Field(position, 1 << position)
    rows: dict[tuple[str, bool], list[tuple[int, _Reader]]] = {}
    for gate, reader in gated:
        made.mask |= reader[0]
        if gate.op == "==":
            made.equal.setdefault(gate.bound, []).append(reader)
        else:
            assert isinstance(gate.bound, int)  # noqa: S101 - _gate made it
            is_alone = gate.is_all and not reader[1].follows
            rows.setdefault((gate.op, is_alone), []).append((gate.bound, reader))
    made.least.fill(rows.get((">=", False), ()))
    made.least_alone.fill(rows.get((">=", True), ()))
    made.most.fill(rows.get(("<=", False), ()))
    made.most_alone.fill(rows.get(("<=", True), ()))
    return made


def _add_concerned(each: _Field, old: Value, new: Value, changed: int, found: list[RuleNode]) -> None:
    if each.equal:
        for value in (old,) if old == new else (old, new):
            found += [node for mask, node in each.equal.get(value, ()) if mask & changed]
    if not isinstance(old, int) or not isinstance(new, int):
        return
    low, high = (old, new) if old < new else (new, old)
    if each.least_alone.bounds and low < high:
        bounds = each.least_alone.bounds
        first, last = bisect_right(bounds, low), bisect_right(bounds, high)
        if first < last:
            found += [node for _, node in each.least_alone.readers[first:last]]
    if each.most_alone.bounds and low < high:
        bounds = each.most_alone.bounds
        first, last = bisect_left(bounds, low), bisect_left(bounds, high)
        if first < last:
            found += [node for _, node in each.most_alone.readers[first:last]]
    if each.least.bounds:
        found += [n for mask, n in each.least.readers[: bisect_right(each.least.bounds, high)] if mask & changed]
    if each.most.bounds:
        found += [n for mask, n in each.most.readers[bisect_left(each.most.bounds, low) :] if mask & changed]
