"""The ways in: conditions, values of terms, values of effects."""

from __future__ import annotations

import ast

from engine.errors import Problem
from engine.model.expr import BoolOp, Expr
from engine.model.kinds import Type
from engine.model.rules import Span
from engine.packs.expressions.assigning import assigned
from engine.packs.expressions.checker import condition, proven, visit
from engine.packs.expressions.context import Context, Operand, Use, problem_at
from engine.packs.expressions.parsing import parse
from engine.packs.expressions.scanning import Flaw
from engine.packs.expressions.scope import Scope
from engine.packs.expressions.times import first_time, has_time
from engine.packs.expressions.units import is_number


def check_conditions(texts: list[tuple[str, Span]], scope: Scope, problems: list[Problem]) -> tuple[Expr, ...]:
    """Check a ``where`` or ``check``: all of the texts must hold.

    A top-level ``and`` is flattened. Each ``has(x.f)`` among the conjuncts is learned into ``scope.present``, for the
    conjuncts after it and for whatever is checked with this scope later.

    Returns:
        The conjuncts without problems, in order.
    """
    found: list[Expr] = []
    for text, span in texts:
        node = parse(text)
        if isinstance(node, Flaw):
            problems.append(problem_at(text, span, node))
            continue
        for conjunct in _conjuncts(node):
            context = Context(text, span, scope, problems, Use.CONDITION)
            expr = condition(context, conjunct)
            if expr is None:
                continue
            if has_time(expr):
                place = first_time(conjunct) or conjunct
                context.error(place, "E211", "now stands here as a value", "write now OP e, with e free of now")
                continue
            scope.present |= proven(expr, truth=True)
            # A chain ``a < b < c`` is itself an ``and`` by now.
            found.extend(expr.items if isinstance(expr, BoolOp) and expr.op == "and" else (expr,))
    return tuple(found)


def check_value(
    text: str, span: Span, scope: Scope, problems: list[Problem], expected: Type | None = None
) -> Expr | None:
    """Check a value of an effect, evaluated at the firing; ``now`` and ``age(x)`` are plain values in it.

    Args:
        text: the expression, without its leading ``=``.
        span: where the text begins.
        scope: the rule's names.
        problems: where to report.
        expected: the type of the field it is assigned to; None for a command's argument.
    """
    return _value(Use.EFFECT, text, span, scope, problems, expected)


def check_term_value(
    text: str, span: Span, scope: Scope, problems: list[Problem], expected: Type | None = None
) -> Expr | None:
    """Check a value a match depends on: ``let``, ``by``, ``of``, ``per``, ``once.key``, ``throttle.per``, ``priority``.

    ``now`` and ``age(x)`` may not stand in it: it would change with every instant.
    """
    return _value(Use.TERM, text, span, scope, problems, expected)


def check_aggregated(function: str, text: str, span: Span, scope: Scope, problems: list[Problem]) -> Expr | None:
    """Check what ``sum``, ``min`` or ``max`` goes over, in the aggregate's own child scope."""
    node = parse(text)
    if isinstance(node, Flaw):
        problems.append(problem_at(text, span, node))
        return None
    context = Context(text, span, scope, problems, Use.TERM)
    expr = visit(context, node)
    if expr is None:
        return None
    if not is_number(expr):
        context.error(node, "E209", f"'{text.strip()}' is {expr.type}", f"{function} goes over numbers")
        return None
    if function == "sum" and expr.type.name == "timestamp":
        context.error(node, "E208", f"'{text.strip()}' is a moment", "moments have no sum; use min or max")
        return None
    return expr


def _conjuncts(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return [inner for value in node.values for inner in _conjuncts(value)]
    return [node]


def _value(
    use: Use, text: str, span: Span, scope: Scope, problems: list[Problem], expected: Type | None
) -> Expr | None:
    node = parse(text)
    if isinstance(node, Flaw):
        problems.append(problem_at(text, span, node))
        return None
    context = Context(text, span, scope, problems, use)
    expr = visit(context, node)
    if expr is None or expected is None:
        return expr
    return assigned(context, Operand(expr, node), expected)
