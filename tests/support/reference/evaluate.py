"""Expressions by walking the tree. See *Terms* in docs/semantics.md and *Expressions* in docs/language.md.

While it walks, it notes in ``Scope.flips`` each instant at which something it looked at changes by time alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from engine.limits import MAX_POW10, MAX_RESULT_BITS, MAX_TEXT_CHARS
from engine.model import expr as x
from engine.model.kinds import Value
from tests.support.reference.facts import Claim, Facts
from tests.support.reference.ids import canonical


class EvaluationFailedError(Exception):
    """Division by zero, a bound, or a name that nothing is bound to."""


@dataclass(frozen=True)
class Look:
    """An inner term looked at the facts whose fields at these positions have one of these values, taken together."""

    term: int
    kind: str
    positions: tuple[int, ...]
    keys: frozenset[tuple[Value, ...]]

    def finds(self, claim: Claim | None) -> bool:
        """The fact is among those looked at."""
        return claim is not None and tuple(claim.values[p] for p in self.positions) in self.keys


@dataclass
class Scope:
    """What an expression can see: the time, the claims bound to aliases, other names, and all facts.

    Attributes:
        flips: when, by time alone, something that was asked changes.
        looks: where inner terms looked.
        chosen: aliases bound to a claim that a quorum chose, which may not be the fact's newest.
    """

    now: int
    facts: Facts
    bound: dict[str, Claim] = field(default_factory=dict)
    names: dict[str, Value] = field(default_factory=dict)
    flips: list[int] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    chosen: set[str] = field(default_factory=set)

    def with_alias(self, alias: str, claim: Claim) -> Scope:
        """The same with one alias more; flips and looks go to the same lists."""
        return Scope(self.now, self.facts, {**self.bound, alias: claim}, self.names, self.flips, self.looks)

    def claim(self, alias: str) -> Claim:
        """The claim bound to an alias."""
        if alias not in self.bound:
            raise EvaluationFailedError(f"{alias} is not bound")
        return self.bound[alias]


def evaluate(e: x.Expr, scope: Scope) -> Value:
    """The value of an expression.

    Raises:
        EvaluationFailedError: it has none.
    """
    match e:
        case x.Const() | x.Param():
            return e.value
        case x.FieldRef():
            value = scope.claim(e.alias).values[e.position]
            if value is None:
                raise EvaluationFailedError(f"{e.alias}.{e.field} is absent")
            return value
        case x.Has():
            return scope.claim(e.ref.alias).values[e.ref.position] is not None
        case x.Default():
            present = scope.claim(e.ref.alias).values[e.ref.position]
            return evaluate(e.otherwise, scope) if present is None else present
        case x.Local():
            if e.name not in scope.names:
                raise EvaluationFailedError(f"{e.name} is not bound")
            return scope.names[e.name]
        case x.Now() | x.Age() | x.ObservedAt() | x.TimeTest():
            return evaluate_time(e, scope)
        case x.Unary():
            return (not boolean(e.operand, scope)) if e.op == "not" else bounded(-number(e.operand, scope))
        case x.Arith():
            left, right = number(e.left, scope), number(e.right, scope)
            return bounded({"+": left + right, "-": left - right, "*": left * right}[e.op])
        case x.Compare():
            return compare(e.op, evaluate(e.left, scope), evaluate(e.right, scope))
        case x.In():
            return evaluate_in(e, scope)
        case x.BoolOp():
            quick = e.op == "or"  # the first item of this truth decides
            return quick if any(boolean(item, scope) == quick for item in e.items) else not quick
        case x.IfElse():
            return evaluate(e.then if boolean(e.condition, scope) else e.otherwise, scope)
        case x.Call():
            return call(e.name, [number(arg, scope) for arg in e.args])
        case x.Free():
            return free(e, scope)
        case x.Disputed():
            claim = scope.claim(e.alias)
            return scope.facts.is_disputed(claim.kind, claim.key)
        case x.Template():
            return template(e, scope)
        case x.ListOf():
            return tuple(scalar(item, scope) for item in e.items)
        case x.LedgerRead():
            raise AssertionError("only plans read ledgers")
        case x.MapOf():
            return canonical({name: evaluate(item, scope) for name, item in e.items})


def evaluate_time(e: x.Now | x.Age | x.ObservedAt | x.TimeTest, scope: Scope) -> Value:
    """What has to do with time. A test notes when it flips."""
    match e:
        case x.Now():
            return scope.now
        case x.Age():
            return scope.now - scope.claim(e.alias).observed_at
        case x.ObservedAt():
            return scope.claim(e.alias).observed_at
        case x.TimeTest():
            bound = number(e.bound, scope)
            scope.flips.append(bound + 1 if e.op in ("<=", ">") else bound)
            return compare(e.op, scope.now, bound)


def number(e: x.Expr, scope: Scope) -> int:
    """An expression that is an integer."""
    value = evaluate(e, scope)
    assert isinstance(value, int), (e, value)
    return value


def boolean(e: x.Expr, scope: Scope) -> bool:
    """An expression that is true or false."""
    value = evaluate(e, scope)
    assert isinstance(value, bool), (e, value)
    return value


def scalar(e: x.Expr, scope: Scope) -> int | str | bool:
    """An expression that is neither absent nor a list."""
    value = evaluate(e, scope)
    assert isinstance(value, int | str), (e, value)
    return value


def bounded(value: int) -> int:
    """The value, if it is not too large."""
    if abs(value).bit_length() > MAX_RESULT_BITS:
        raise EvaluationFailedError("the result is too large")
    return value


def compare(op: str, left: Value, right: Value) -> bool:
    """``left op right``."""
    if op in ("==", "!="):
        return (left == right) == (op == "==")
    assert isinstance(left, int), left
    assert isinstance(right, int), right
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[op]


def evaluate_in(e: x.In, scope: Scope) -> bool:
    """``item in [a, b]``, or in one list."""
    item = evaluate(e.item, scope)
    if len(e.options) == 1 and e.options[0].type.name == "list":
        options = evaluate(e.options[0], scope)
        assert isinstance(options, tuple), options
        return item in options
    return item in [evaluate(option, scope) for option in e.options]


def call(name: str, args: Sequence[int]) -> int:
    """A function of numbers."""
    match name:
        case "min":
            return min(args)
        case "max":
            return max(args)
        case "abs":
            return abs(args[0])
        case "mod":
            return args[0] - args[1] * math.floor(fraction(args[0], args[1]))
        case "pow10":
            if not 0 <= args[0] <= MAX_POW10:
                raise EvaluationFailedError("pow10 out of range")
            return int(10 ** args[0])
        case "floor_div":
            return math.floor(fraction(args[0], args[1]))
        case "ceil_div":
            return math.ceil(fraction(args[0], args[1]))
        case "mul_div_floor":
            return bounded(math.floor(fraction(bounded(args[0] * args[1]), args[2])))
        case "mul_div_ceil":
            return bounded(math.ceil(fraction(bounded(args[0] * args[1]), args[2])))
        case "floor_bps":
            return math.floor(fraction(bounded(args[0] * args[1]), 10_000))
        case "ceil_bps":
            return math.ceil(fraction(bounded(args[0] * args[1]), 10_000))
    raise AssertionError(f"no function {name}")


def fraction(above: int, below: int) -> Fraction:
    """An exact quotient."""
    if below == 0:
        raise EvaluationFailedError("division by zero")
    return Fraction(above, below)


def free(e: x.Free, scope: Scope) -> int:
    """What was reported, less what is set aside on that fact."""
    claim = scope.claim(e.ref.alias)
    left = number(e.ref, scope)
    place = scope.facts.kinds["reservation"].positions
    for reservation in scope.facts.of_kind("reservation"):
        of = str(claim.key[0]) if len(claim.key) == 1 else canonical(list(claim.key))
        wanted = {"kind": claim.kind, "field": e.ref.field, "of": of}
        if all(reservation.values[place[name]] == value for name, value in wanted.items()):
            amount = reservation.values[place["amount"]]
            assert isinstance(amount, int), amount
            left -= amount
    return left


def template(e: x.Template, scope: Scope) -> str:
    """Text with values in it."""
    text = "".join(part if isinstance(part, str) else plain_text(evaluate(part, scope)) for part in e.parts)
    if len(text) > MAX_TEXT_CHARS:
        raise EvaluationFailedError("the text is too long")
    return text


def plain_text(value: Value) -> str:
    """A value inside text."""
    return value if isinstance(value, str) else canonical(value)


def conjuncts(where: Sequence[x.Expr]) -> list[x.Expr]:
    """The items of a ``where``, with every top-level ``and`` taken apart."""
    flat: list[x.Expr] = []
    for e in where:
        if isinstance(e, x.BoolOp) and e.op == "and":
            flat.extend(conjuncts(e.items))
        else:
            flat.append(e)
    return flat


def satisfies(where: Sequence[x.Expr], fresh_ms: int | None, alias: str, claim: Claim, scope: Scope) -> bool:
    """A claim satisfies ``fresh`` and ``where``, in that order and left to right, up to the first that it does not.

    Raises:
        EvaluationFailedError: a condition failed.
    """
    inner = scope.with_alias(alias, claim)
    if fresh_ms is not None:
        scope.flips.append(claim.observed_at + fresh_ms + 1)
        if scope.now - claim.observed_at > fresh_ms:
            return False
    return all(boolean(condition, inner) for condition in conjuncts(where))
