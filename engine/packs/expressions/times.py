"""Time in conditions: every term with ``now`` becomes ``now OP bound``.

Such a term changes at most once, at an instant that is known from the facts it reads.
"""

from __future__ import annotations

import ast

from engine.model.expr import Age, Arith, Const, Expr, Now, ObservedAt, TimeTest, Unary
from engine.model.exprtools import walk
from engine.model.kinds import Type
from engine.packs.expressions.context import BOOL, DURATION, TIMESTAMP, Context

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_FORMS = "write now OP e, now - d OP e, e - now OP d or age(x) OP d, with e and d free of now"


def has_time(expr: Expr) -> bool:
    """Whether ``now`` or an age is read as a value in it (a finished ``TimeTest`` inside is not)."""
    return any(isinstance(node, Now | Age) for node in walk(expr))


def time_test(context: Context, op: str, left: Expr, right: Expr, node: ast.Compare) -> Expr | None:
    """``left OP right``, already type-checked, as a ``TimeTest``; reports E211 or E212 if it is none."""
    place = first_time(node) or node
    if op not in _MIRRORED:
        hint = "an instant is never met exactly; write >= or <=, or both"
        context.error(place, "E212", f"time compared by {op}", hint)
        return None
    moved = [(-sign, part) for sign, part in _addends(right, 1)]
    parts = _addends(left, 1) + moved
    times = [(sign, part) for sign, part in parts if isinstance(part, Now)]
    rest = [(sign, part) for sign, part in parts if not isinstance(part, Now)]
    if len(times) != 1 or any(has_time(part) for _, part in rest):
        context.error(place, "E211", f"'{context.source(node)}' does not change at one known instant", _FORMS)
        return None
    if any(isinstance(inner, TimeTest) for _, part in rest for inner in walk(part)):
        context.error(place, "E211", "the moment compared with now depends on now itself", _FORMS)
        return None
    sign = times[0][0]
    bound = _total([(-each * sign, part) for each, part in rest])
    return TimeTest(op if sign > 0 else _MIRRORED[op], bound, BOOL)


def first_time(node: ast.AST) -> ast.expr | None:
    """The first ``now`` or ``age(…)`` of the text, for the place of a problem."""
    found = [
        each
        for each in ast.walk(node)
        if (isinstance(each, ast.Name) and each.id == "now")
        or (isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "age")
    ]
    places = [each for each in found if isinstance(each, ast.expr)]
    return min(places, key=lambda each: each.col_offset, default=None)


def _addends(expr: Expr, sign: int) -> list[tuple[int, Expr]]:
    """The expression as a signed sum, taken apart only where time is in it; ``age(x)`` is ``now - observed``."""
    match expr:
        case Age(alias, _):
            return [(sign, Now(TIMESTAMP)), (-sign, ObservedAt(alias, TIMESTAMP))]
        case Arith("+" | "-" as op, left, right, _) if has_time(expr):
            return _addends(left, sign) + _addends(right, sign if op == "+" else -sign)
        case Unary("-", operand, _) if has_time(expr):
            return _addends(operand, -sign)
        case _:
            return [(sign, expr)]


def _total(parts: list[tuple[int, Expr]]) -> Expr:
    """The sum of signed parts, as a moment: moments first, so that every partial sum has a meaning."""
    kept = [(sign, part) for sign, part in parts if not (isinstance(part, Const) and part.value == 0)]
    ordered = sorted(kept, key=lambda each: (each[0] < 0, each[1].type.name != "timestamp"))
    total: Expr | None = None
    for sign, part in ordered:
        if total is None:
            total = part if sign > 0 else Unary("-", part, part.type)
        else:
            total = Arith("+" if sign > 0 else "-", total, part, _sum_type(total, sign, part))
    return total if total is not None else Const(0, TIMESTAMP)


def _sum_type(total: Expr, sign: int, part: Expr) -> Type:
    moments = (total.type.name == "timestamp") + sign * (part.type.name == "timestamp")
    return TIMESTAMP if moments else DURATION
