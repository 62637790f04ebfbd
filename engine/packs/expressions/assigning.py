"""Whether a value fits the field or argument it is assigned to."""

from __future__ import annotations

import ast

from engine.model.expr import Const, Expr
from engine.model.kinds import NUMERIC, PLAIN, Type
from engine.packs.expressions import units
from engine.packs.expressions.context import Context, Operand
from engine.packs.expressions.ranges import RANGES, range_hint
from engine.packs.expressions.texts import accepts_text, is_text, is_text_literal, typed_literal


def assigned(context: Context, value: Operand, target: Type) -> Expr | None:
    """The value as one of type ``target`` (literals retyped); reports E216, E218, E219 or E220.

    Effects may assign a plain number to an amount; an amount to an amount field needs no proof, since the field's
    asset is assigned beside it.
    """
    expr = value.expr
    if target.name == "json":
        if expr.type.name == "json":
            return expr
    elif units.is_number(expr) and _number_fits(expr, target):
        return _in_range(context, value, target)
    elif is_text(expr) and target.name in ("id", "text", "hash", "address", "enum"):
        if is_text_literal(expr):
            return typed_literal(context, expr, target, value.node)
        if accepts_text(target, expr.type):
            return expr
    elif expr.type.name == target.name == "bool" or (expr.type.name == "list" and _list_fits(expr.type, target)):
        return expr
    message = f"'{context.source(value.node)}' is {units.phrase(context, expr)}, the field is {target}"
    context.error(value.node, "E218", message, _hint(context, value, target))
    return None


def _number_fits(expr: Expr, target: Type) -> bool:
    if units.is_literal(expr):
        return target.name in NUMERIC
    if target.name in PLAIN:
        return units.is_plain(expr)
    return expr.type.name == target.name or (target.name == "amount" and units.is_plain(expr))


def _in_range(context: Context, value: Operand, target: Type) -> Expr | None:
    expr = units.as_unit(value.expr, target)
    if isinstance(expr, Const) and isinstance(expr.value, int):
        low, high = RANGES[target.name]
        if not low <= expr.value <= high:
            context.error(value.node, "E219", f"{expr.value} does not fit {target}", range_hint(target.name))
            return None
    return expr


def _list_fits(given: Type, target: Type) -> bool:
    if target.name != "list" or given.item is None or target.item is None:
        return False
    return given.item.name == target.item.name and given.item.options == target.item.options


def _hint(context: Context, value: Operand, target: Type) -> str:
    text = context.source(value.node)
    if units.is_number(value.expr):
        if target.name in PLAIN:
            return f"write raw({text})"
        if units.is_plain(value.expr):
            unit = {"wei": "gwei", "duration": "seconds", "timestamp": "now + seconds"}.get(target.name)
            return f"write {unit}({text})" if unit else "text with {expr} in it is written without ="
        if target.name in ("id", "text"):
            return f'write the text "{{{text}}}" without ='
        return "the two measure different things"
    if target.name == "list":
        return "write a YAML list"
    if target.name == "enum":
        return f'it may be more than {", ".join(target.options)}; write "…" if … else "…"'
    if target.name in NUMERIC:
        return "assign a number"
    if isinstance(value.node, ast.Constant):
        return f"write a value of type {target}"
    return f"assign a value of type {target}"
