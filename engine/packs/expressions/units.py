"""Units: which quantities go together, and what comes out.

Quantities of different types do not mix. A literal goes with any quantity; plain numbers (``int uint256 bps ppm
quantity``) mix with each other and scale any quantity; two amounts need the rule's own proof that their assets are the
same.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from engine.limits import MAX_RESULT_BITS
from engine.model.expr import Arith, Call, Const, Expr, IfElse
from engine.model.kinds import NUMERIC, PLAIN, Type
from engine.packs.expressions.context import DURATION, INT, TIMESTAMP, Context, Operand

_AMOUNT = Type("amount")


def is_number(expr: Expr) -> bool:
    """Whether its values are integers."""
    return expr.type.name in NUMERIC


def is_literal(expr: Expr) -> bool:
    """Whether it is a bare integer of the text, which takes the unit of its neighbour."""
    match expr:
        case Const(int() as value, Type(name="int")):
            return not isinstance(value, bool)
        case IfElse(_, then, otherwise, _):
            return is_literal(then) and is_literal(otherwise)
        case Call("min" | "max", args, _):
            return all(map(is_literal, args))
        case _:
            return False


def as_unit(expr: Expr, unit: Type) -> Expr:
    """A literal retyped to its neighbour's unit; anything else as it is."""
    if not is_literal(expr):
        return expr
    match expr:
        case IfElse(condition, then, otherwise, _):
            return IfElse(condition, as_unit(then, unit), as_unit(otherwise, unit), unit)
        case Call(name, args, _):
            return Call(name, tuple(as_unit(each, unit) for each in args), unit)
        case _:
            return replace(expr, type=unit)


def is_plain(expr: Expr) -> bool:
    """Whether it is a number without a unit."""
    return expr.type.name in PLAIN


def result_type(expr: Expr) -> Type:
    """The type of a computation on it: an amount keeps its asset by its parts, not by its type."""
    if expr.type.name == "amount":
        return _AMOUNT
    return Type("uint256") if expr.type.name == "quantity" else expr.type


def plain_type(*exprs: Expr) -> Type:
    """The type of a computation on plain numbers: the wider one; literals adapt."""
    names = {result_type(each).name for each in exprs if not is_literal(each)}
    if len(names) == 1:
        return Type(names.pop())
    return Type("uint256") if "uint256" in names else INT


def unite(context: Context, one: Operand, other: Operand) -> tuple[Expr, Expr, Type] | None:
    """Two numbers that must have one unit; reports and returns None if they do not.

    Returns:
        Both with literals retyped, and the type of what is computed from them.
    """
    if is_literal(one.expr) and not is_literal(other.expr):
        unit = result_type(other.expr)
        return as_unit(one.expr, unit), other.expr, unit
    if is_literal(other.expr):
        unit = result_type(one.expr)
        return one.expr, as_unit(other.expr, unit), unit
    if is_plain(one.expr) and is_plain(other.expr):
        return one.expr, other.expr, plain_type(one.expr, other.expr)
    if one.expr.type.name != other.expr.type.name:
        report_units(context, one, other)
        return None
    if one.expr.type.name == "amount" and not prove_same_asset(context, one, other):
        return None
    return one.expr, other.expr, result_type(one.expr)


def have_one_unit(context: Context, one: Expr, other: Expr) -> bool:
    """Whether two numbers provably share a unit, without reporting; here a literal is plain."""
    if is_plain(one) or is_plain(other):
        return is_plain(one) and is_plain(other)
    if one.type.name != other.type.name:
        return False
    if one.type.name != "amount":
        return True
    left, right = context.scope.asset_of(one), context.scope.asset_of(other)
    return left is not None and right is not None and context.scope.are_same_asset(left, right)


def prove_same_asset(context: Context, one: Operand, other: Operand) -> bool:
    """Whether the rule's equalities prove it; reports E207 or E221 if not."""
    left, right = context.scope.asset_of(one.expr), context.scope.asset_of(other.expr)
    if left is None or right is None:
        unknown = one if left is None else other
        text = context.source(unknown.node)
        context.error(
            unknown.node,
            "E221",
            f"nothing names the asset of '{text}'",
            f"give it a type amount(…) that names the asset, or write raw({text})",
        )
        return False
    if context.scope.are_same_asset(left, right):
        return True
    context.error(
        one.node,
        "E207",
        f"'{context.source(one.node)}' is an amount of {left}, '{context.source(other.node)}' of {right}",
        f"add '{left} == {right}'",
    )
    return False


def report_units(context: Context, one: Operand, other: Operand) -> None:
    """E208 with the way out that fits."""
    first, second = context.source(one.node), context.source(other.node)
    names = {one.expr.type.name, other.expr.type.name}
    if names == {"timestamp", "duration"}:
        hint = "a moment plus or minus a duration is a moment; the difference of two moments is a duration"
    elif is_plain(one.expr) or is_plain(other.expr):
        quantity, plain = (other, one) if is_plain(one.expr) else (one, other)
        hint = f"give '{context.source(plain.node)}' the unit, or write raw({context.source(quantity.node)})"
        if quantity.expr.type.name in ("timestamp", "duration"):
            hint = f"write seconds({context.source(plain.node)}) or another unit"
    else:
        hint = f"convert one of them, or compare bare numbers: raw({first}) and raw({second})"
    context.error(
        one.node, "E208", f"'{first}' is {phrase(context, one.expr)}, '{second}' is {phrase(context, other.expr)}", hint
    )


def phrase(context: Context, expr: Expr) -> str:
    """What an expression is, for people."""
    name = expr.type.name
    if name == "amount":
        asset = context.scope.asset_of(expr)
        return f"an amount of {asset}" if asset else "an amount"
    if name in PLAIN:
        return f"a plain number ({name})"
    if name == "wei":
        return "wei"
    article = "an" if name[0] in "aeiou" else "a"
    return f"{article} {name}"


def sum_of(context: Context, op: str, one: Operand, other: Operand, node: ast.expr) -> Expr | None:
    """``one + other`` or ``one - other``."""
    left, right = one.expr, other.expr
    if is_literal(left) and is_literal(right):
        return _fold(context, op, left, right, node)
    units = (_time_role(left), _time_role(right))
    if "timestamp" not in units:
        united = unite(context, one, other)
        return None if united is None else Arith(op, *united)
    match op, units:
        case "-", ("timestamp", "timestamp"):
            return Arith(op, left, right, DURATION)
        case "-", ("literal", "timestamp"):
            return Arith(op, as_unit(left, TIMESTAMP), right, DURATION)
        case _, ("timestamp", "duration" | "literal"):
            return Arith(op, left, as_unit(right, DURATION), TIMESTAMP)
        case "+", ("duration" | "literal", "timestamp"):
            return Arith(op, as_unit(left, DURATION), right, TIMESTAMP)
        case "+", ("timestamp", "timestamp"):
            context.error(node, "E208", "the sum of two moments means nothing", "subtract one from the other")
        case _:
            report_units(context, one, other)
    return None


def product_of(context: Context, one: Operand, other: Operand, node: ast.expr) -> Expr | None:
    """``one * other``: at most one of them has a unit, which the product keeps."""
    left, right = one.expr, other.expr
    if is_literal(left) and is_literal(right):
        return _fold(context, "*", left, right, node)
    for each in (one, other):
        if each.expr.type.name == "timestamp":
            context.error(each.node, "E208", f"'{context.source(each.node)}' is a moment", "moments cannot be scaled")
            return None
    if is_plain(left) and is_plain(right):
        return Arith("*", left, right, plain_type(left, right))
    if not is_plain(left) and not is_plain(right):
        first, second = context.source(one.node), context.source(other.node)
        context.error(
            one.node,
            "E208",
            f"'{first}' is {phrase(context, left)}, '{second}' is {phrase(context, right)}: their product has no unit",
            f"write mul_div_floor(a, b, c), or raw({second}) for a bare factor",
        )
        return None
    return Arith("*", left, right, result_type(right if is_plain(left) else left))


def _time_role(expr: Expr) -> str:
    return "literal" if is_literal(expr) else expr.type.name


def _fold(context: Context, op: str, left: Expr, right: Expr, node: ast.expr) -> Expr | None:
    """Bare numbers are computed at once, so that ``2 * 3`` still goes with any quantity."""
    if not (isinstance(left, Const) and isinstance(right, Const)):
        return Arith(op, left, right, INT)
    a, b = left.value, right.value
    if not (isinstance(a, int) and isinstance(b, int)):
        return Arith(op, left, right, INT)
    value = a + b if op == "+" else a - b if op == "-" else a * b
    if value.bit_length() > MAX_RESULT_BITS:
        context.error(node, "E219", f"a number of {value.bit_length()} bits", f"at most {MAX_RESULT_BITS}")
        return None
    return Const(value, INT)
