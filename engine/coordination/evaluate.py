"""Evaluates a plan's values by walking their trees: they are read when something happens, not on each fact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import EvaluationError
from engine.matching.functions import FUNCTIONS, OPERATORS, join_text, render
from engine.matching.runtime import wire_int, wire_json, wire_number
from engine.model.expr import (
    Age,
    Arith,
    BoolOp,
    Call,
    Compare,
    Const,
    Default,
    Disputed,
    Expr,
    FieldRef,
    Free,
    Has,
    IfElse,
    In,
    LedgerRead,
    ListOf,
    Local,
    MapOf,
    Now,
    ObservedAt,
    Param,
    Template,
    TimeTest,
    Unary,
)
from engine.model.kinds import JSON_INTEGER, NUMERIC, Type, Value


@dataclass(frozen=True, slots=True)
class Bound:
    """What an alias stands for: values in the kind's field order, and when they were observed."""

    kind: str
    key: tuple[Any, ...]
    values: tuple[Value, ...]
    at: int


@dataclass(slots=True)
class Surroundings:
    """What a value may read.

    Attributes:
        now: time of the step, ms.
        aliases: bound facts.
        locals: lets, aggregates, ``coordination``, ``step``, ``attempt``.
        ledger: reads this coordination's ledger.
        free: reported amount of a bound fact → what is not reserved of it.
        disputed: whether living claims of a bound fact contradict each other.
    """

    now: int
    aliases: Mapping[str, Bound]
    locals: Mapping[str, Value] = field(default_factory=dict)
    ledger: Callable[..., int] | None = None
    free: Callable[[Bound, str, int], int] | None = None
    disputed: Callable[[Bound], bool] | None = None


def evaluate(expr: Expr, around: Surroundings) -> Any:  # noqa: ANN401 - one arm per node
    """The value of an expression.

    Raises:
        EvaluationError: X101 to X104, or X105: it reads what is not bound.
    """
    match expr:
        case Const(value, _) | Param(_, value, _):
            return value
        case FieldRef(alias, _, position, _, _):
            return _bound(around, alias).values[position]
        case Local(name, _):
            if name not in around.locals:
                raise EvaluationError("X105", f"{name} is not bound yet")
            return around.locals[name]
        case Now():
            return around.now
        case Age(alias, _):
            return around.now - _bound(around, alias).at
        case ObservedAt(alias, _):
            return _bound(around, alias).at
        case TimeTest(op, bound, _):
            return _compare(op, around.now, evaluate(bound, around))
        case Unary("-", operand, _):
            return -evaluate(operand, around)
        case Unary(_, operand, _):
            return not evaluate(operand, around)
        case Arith(op, left, right, _):
            return OPERATORS[op](evaluate(left, around), evaluate(right, around))
        case Compare(op, left, right, _):
            return _compare(op, evaluate(left, around), evaluate(right, around))
        case BoolOp(op, items, _):
            test = all if op == "and" else any
            return test(evaluate(item, around) for item in items)
        case IfElse(condition, then, otherwise, _):
            return evaluate(then if evaluate(condition, around) else otherwise, around)
        case _:
            return _evaluate_rest(expr, around)


def _evaluate_rest(expr: Expr, around: Surroundings) -> Any:  # noqa: ANN401
    match expr:
        case In(item, options, _):
            value = evaluate(item, around)
            if len(options) == 1 and options[0].type.name == "list":
                return value in evaluate(options[0], around)
            return any(value == evaluate(option, around) for option in options)
        case Call(name, args, _):
            return FUNCTIONS[name](*(evaluate(arg, around) for arg in args))
        case Has(ref, _):
            return evaluate(ref, around) is not None
        case Default(ref, otherwise, _):
            value = evaluate(ref, around)
            return evaluate(otherwise, around) if value is None else value
        case Free(ref, _):
            bound = _bound(around, ref.alias)
            amount = evaluate(ref, around)
            return amount if around.free is None else around.free(bound, ref.field, amount)
        case Disputed(alias, _):
            bound = _bound(around, alias)
            return around.disputed is not None and around.disputed(bound)
        case LedgerRead(name, args, _):
            if around.ledger is None:
                raise EvaluationError("X105", f"{name} is read outside a coordination")
            return around.ledger(name, *(evaluate(arg, around) for arg in args))
        case Template(parts, _):
            return join_text(part if isinstance(part, str) else render(evaluate(part, around)) for part in parts)
        case ListOf(items, _):
            return tuple(evaluate(item, around) for item in items)
        case MapOf(items, _):
            return {name: evaluate(value, around) for name, value in items}
    raise AssertionError(f"unknown expression {expr!r}")


def wire(expr: Expr, around: Surroundings) -> Any:  # noqa: ANN401
    """A command argument as JSON: like ``evaluate``, with numbers in their wire form."""
    match expr:
        case MapOf(items, _):
            return {name: wire(value, around) for name, value in items}
        case ListOf(items, _):
            return [wire(item, around) for item in items]
    return _wired(evaluate(expr, around), expr.type)


def _wired(value: Any, type_: Type) -> Any:  # noqa: ANN401
    if type_.name in JSON_INTEGER:
        return wire_int(value)
    if type_.name in NUMERIC:
        return wire_number(value)
    if type_.name == "list":
        return [_wired(item, type_.item or Type("text")) for item in value]
    return wire_json(value) if type_.name == "json" else value


def _bound(around: Surroundings, alias: str) -> Bound:
    bound = around.aliases.get(alias)
    if bound is None:
        raise EvaluationError("X105", f"{alias} is not bound yet", "its condition has not held so far")
    return bound


def _compare(op: str, one: Any, other: Any) -> bool:  # noqa: ANN401
    match op:
        case "==":
            return bool(one == other)
        case "!=":
            return bool(one != other)
        case "<":
            return bool(one < other)
        case "<=":
            return bool(one <= other)
        case ">":
            return bool(one > other)
        case _:
            return bool(one >= other)
