"""Function calls: forms that look at a fact (``has``, ``age`` …), units, and functions of numbers."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from typing import Final

from engine.limits import MAX_POW10
from engine.model.expr import Age, Arith, Call, Const, Default, Disputed, Expr, FieldRef, Free, Has, LedgerRead, Param
from engine.model.kinds import Type, Value
from engine.packs.expressions import units
from engine.packs.expressions.context import BOOL, DURATION, INT, Context, Operand, Use
from engine.packs.expressions.names import is_readable, report_time, resolve_attribute
from engine.packs.expressions.signatures import ELSEWHERE, LEDGER, SIGNATURES, UNITS
from engine.packs.expressions.texts import is_text, is_text_literal, typed_literal, unite_texts

Visit = Callable[[ast.expr], Expr | None]
_ID: Final = Type("id")


def check_call(context: Context, node: ast.Call, visit: Visit) -> Expr | None:
    """A call of one of the language's functions; ``visit`` checks an argument."""
    if not isinstance(node.func, ast.Name):
        context.error(node, "E204", f"'{context.source(node.func)}' cannot be called", "only functions by name can")
        return None
    name = node.func.id
    known = SIGNATURES | LEDGER if context.scope.has_ledger else SIGNATURES
    signature = known.get(name)
    if signature is None:
        close = get_close_matches(name, known, n=1)
        hint = ELSEWHERE.get(name) or (f"did you mean '{close[0]}'?" if close else f"there are {', '.join(known)}")
        context.error(node, "E205", f"there is no function '{name}'", hint)
        return None
    if node.keywords or any(isinstance(arg, ast.Starred) for arg in node.args):
        context.error(node, "E206", f"{name} takes its arguments in order", f"write {signature.form}")
        return None
    if not signature.least <= len(node.args) <= signature.most:
        wanted = str(signature.least) if signature.least == signature.most else f"{signature.least} or more"
        message = f"{name} takes {wanted} argument(s), not {len(node.args)}"
        context.error(node, "E206", message, f"write {signature.form}")
        return None
    if name in _FORMS:
        return _FORMS[name](context, node, visit)
    args = [visit(arg) for arg in node.args]
    operands = [Operand(arg, each) for arg, each in zip(args, node.args, strict=True) if arg is not None]
    if name in LEDGER:
        return _ledger_read(context, name, operands) if len(operands) == len(args) else None
    if len(operands) < len(args) or not _are_numbers(context, name, operands):
        return None
    if name in UNITS:
        return _unit(context, name, operands[0])
    return _NUMERIC[name](context, name, operands, node)


def _are_numbers(context: Context, name: str, operands: list[Operand]) -> bool:
    for operand in operands:
        if not units.is_number(operand.expr):
            message = f"{name} takes numbers; '{context.source(operand.node)}' is {operand.expr.type}"
            context.error(operand.node, "E209", message, f"write {SIGNATURES[name].form}")
            return False
    return True


# --- forms that look at a fact ----------------------------------------------------


def _field(context: Context, name: str, node: ast.expr) -> FieldRef | None:
    """The argument of ``has``, ``default`` or ``free``: a field of a fact, present or not."""
    ref = resolve_attribute(context, node) if isinstance(node, ast.Attribute) else None
    if isinstance(ref, FieldRef):
        return ref
    if isinstance(ref, Param) or not isinstance(node, ast.Attribute):
        message = f"{name} takes a field of a fact, not '{context.source(node)}'"
        context.error(node, "E206", message, f"write {SIGNATURES[name].form}")
    return None


def _alias(context: Context, name: str, node: ast.expr) -> str | None:
    """The argument of ``age`` or ``disputed``: a fact."""
    if isinstance(node, ast.Name) and node.id in context.scope.aliases:
        return node.id
    text = context.source(node)
    hint = f"write {SIGNATURES[name].form}"
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in context.scope.aliases:
        hint = f"write {name}({node.value.id})"
        if name == "age":
            hint += f", or now - {text} for a moment of its own"
    elif isinstance(node, ast.Name):
        context.error(node, "E202", f"no fact is called '{text}'", "bind it by an earlier term of the rule")
        return None
    context.error(node, "E206", f"{name} takes the alias of a fact, not '{text}'", hint)
    return None


def _has(context: Context, node: ast.Call, visit: Visit) -> Expr | None:
    ref = _field(context, "has", node.args[0])
    if ref is None:
        return None
    _warn_never_absent(context, "has", ref, node)
    return Has(ref, BOOL)


def _default(context: Context, node: ast.Call, visit: Visit) -> Expr | None:
    ref = _field(context, "default", node.args[0])
    otherwise = visit(node.args[1])
    if ref is None or otherwise is None:
        return None
    _warn_never_absent(context, "default", ref, node)
    chosen = choose(context, Operand(ref, node.args[0]), Operand(otherwise, node.args[1]))
    return None if chosen is None else Default(ref, chosen[1], ref.type)


def _warn_never_absent(context: Context, name: str, ref: FieldRef, node: ast.expr) -> None:
    if not ref.optional:
        field = f"{ref.alias}.{ref.field}"
        hint = f"write {field}" if name == "default" else "leave the condition out"
        context.error(node, "W201", f"'{field}' is never absent", hint)


def _raw(context: Context, node: ast.Call, visit: Visit) -> Expr | None:
    expr = visit(node.args[0])
    if expr is None or not _are_numbers(context, "raw", [Operand(expr, node.args[0])]):
        return None
    return replace(expr, type=INT)


def _free(context: Context, node: ast.Call, visit: Visit) -> Expr | None:
    ref = _field(context, "free", node.args[0])
    if ref is None or not is_readable(context, ref, node.args[0]):
        return None
    if ref.type.name not in ("amount", "uint256"):
        message = f"'{context.source(node.args[0])}' is {ref.type} and cannot be reserved"
        context.error(node.args[0], "E206", message, "free takes an amount or uint256 field of a fact")
        return None
    return Free(ref, ref.type)


def _disputed(context: Context, node: ast.Call, visit: Visit) -> Expr | None:
    alias = _alias(context, "disputed", node.args[0])
    return None if alias is None else Disputed(alias, BOOL)


def _age(context: Context, node: ast.Call, visit: Visit) -> Expr | None:
    alias = _alias(context, "age", node.args[0])
    if alias is None:
        return None
    if context.use is Use.TERM:
        report_time(context, node)
        return None
    return Age(alias, DURATION)


_FORMS: Final[dict[str, Callable[[Context, ast.Call, Visit], Expr | None]]] = {
    "has": _has,
    "default": _default,
    "raw": _raw,
    "free": _free,
    "disputed": _disputed,
    "age": _age,
}


def choose(context: Context, one: Operand, other: Operand) -> tuple[Expr, Expr, Type] | None:
    """Two alternatives of one value (``a if c else b``, ``default``): they must have one type and unit."""
    left, right = one.expr, other.expr
    if units.is_number(left) and units.is_number(right):
        return units.unite(context, one, other)
    if is_text(left) and is_text(right):
        texts = unite_texts(context, one, other)
        if texts is None:
            return None
        kind = texts[0].type if texts[0].type == texts[1].type else _wider_text(texts[0].type, texts[1].type)
        return (*texts, kind)
    if left.type == right.type:
        return left, right, left.type
    first, second = context.source(one.node), context.source(other.node)
    context.error(
        other.node, "E209", f"'{first}' is {left.type}, '{second}' is {right.type}", "both must have the same type"
    )
    return None


def _wider_text(one: Type, other: Type) -> Type:
    if one.name == other.name == "enum":
        return Type("enum", options=tuple(dict.fromkeys((*one.options, *other.options))))
    return Type("text")


# --- what a coordination's ledger says ----------------------------------------------


def _ledger_read(context: Context, name: str, operands: list[Operand]) -> Expr | None:
    """``delivered(place, asset)`` and its like: an amount of that asset; places and assets are named by texts."""
    names: list[Expr] = []
    for operand in operands:
        if not is_text(operand.expr):
            message = f"{name} takes names; '{context.source(operand.node)}' is {operand.expr.type}"
            context.error(operand.node, "E209", message, f"write {LEDGER[name].form}")
            return None
        expr = operand.expr
        named = typed_literal(context, expr, _ID, operand.node) if is_text_literal(expr) else expr
        if named is None:
            return None
        names.append(named)
    return LedgerRead(name, tuple(names), Type("amount"))


# --- units and functions of numbers --------------------------------------------------


def _unit(context: Context, name: str, operand: Operand) -> Expr | None:
    kind, factor = UNITS[name]
    if not units.is_plain(operand.expr):
        text = context.source(operand.node)
        message = f"'{text}' is {units.phrase(context, operand.expr)} already"
        context.error(operand.node, "E208", message, f"{name} gives a plain number its unit")
        return None
    if isinstance(operand.expr, Const) and isinstance(operand.expr.value, int):
        return Const(operand.expr.value * factor, Type(kind))
    if factor == 1:
        return replace(operand.expr, type=Type(kind))
    return Arith("*", operand.expr, Const(factor, INT), Type(kind))


def _division(context: Context, name: str, operands: list[Operand], node: ast.Call) -> Expr | None:
    one, other = operands
    if _is_zero(other.expr):
        context.error(other.node, "E219", "division by zero", "this can never be computed")
        return None
    if _is_moment(context, one) or _is_moment(context, other):
        return None
    left, right = one.expr, other.expr
    if units.is_plain(right):
        kind = units.plain_type(left, right) if units.is_plain(left) else units.result_type(left)
        return Call(name, (left, right), kind)
    united = units.unite(context, one, other)
    return None if united is None else Call(name, united[:2], INT)


def _mod(context: Context, name: str, operands: list[Operand], node: ast.Call) -> Expr | None:
    one, other = operands
    if _is_zero(other.expr):
        context.error(other.node, "E219", "division by zero", "this can never be computed")
        return None
    left, right = one.expr, other.expr
    if left.type.name == "timestamp" and (right.type.name == "duration" or units.is_literal(right)):
        return Call(name, (left, units.as_unit(right, DURATION)), DURATION)
    if _is_moment(context, one) or _is_moment(context, other):
        return None
    if units.is_plain(right) and not units.is_plain(left):
        return Call(name, (left, right), units.result_type(left))
    united = units.unite(context, one, other)
    return None if united is None else Call(name, united[:2], united[2])


def _mul_div(context: Context, name: str, operands: list[Operand], node: ast.Call) -> Expr | None:
    """``a * b / c``: a's unit if b and c share one, b's if a and c do, else a plain number (a rate)."""
    _, other, divisor = operands
    if _is_zero(divisor.expr):
        context.error(divisor.node, "E219", "division by zero", "this can never be computed")
        return None
    if any(_is_moment(context, each) for each in operands):
        return None
    a, b, c = (each.expr for each in operands)
    call = (a, b, c)
    if units.have_one_unit(context, b, c):
        kind = units.plain_type(a, b) if units.is_plain(a) else units.result_type(a)
        return Call(name, call, kind)
    if units.have_one_unit(context, a, c):
        return Call(name, call, units.result_type(b))
    if b.type.name == c.type.name == "amount" and not units.prove_same_asset(context, other, divisor):
        return None
    return Call(name, call, INT)


def _of_bps(context: Context, name: str, operands: list[Operand], node: ast.Call) -> Expr | None:
    one, rate = operands
    if _is_moment(context, one):
        return None
    if not units.is_plain(rate.expr):
        text = context.source(rate.node)
        message = f"the rate '{text}' is {units.phrase(context, rate.expr)}"
        context.error(rate.node, "E208", message, "a rate is a plain number of ten-thousandths")
        return None
    return Call(name, (one.expr, rate.expr), units.result_type(one.expr))


def _pow10(context: Context, name: str, operands: list[Operand], node: ast.Call) -> Expr | None:
    (exponent,) = operands
    if not units.is_plain(exponent.expr):
        text = context.source(exponent.node)
        message = f"the exponent '{text}' is {units.phrase(context, exponent.expr)}"
        context.error(exponent.node, "E208", message, "an exponent is a plain number")
        return None
    if isinstance(exponent.expr, Const) and isinstance(exponent.expr.value, int):
        if not 0 <= exponent.expr.value <= MAX_POW10:
            message = f"an exponent of {exponent.expr.value}"
            context.error(exponent.node, "E219", message, f"it lies in 0 … {MAX_POW10}")
            return None
        return Const(10**exponent.expr.value, INT)
    return Call(name, (exponent.expr,), INT)


def _extreme(context: Context, name: str, operands: list[Operand], node: ast.Call) -> Expr | None:
    """``min`` and ``max``: all have one unit; literals take it."""
    lead = next((each for each in operands if not units.is_literal(each.expr)), operands[0])
    if any(units.unite(context, lead, each) is None for each in operands if each is not lead):
        return None
    exprs = [each.expr for each in operands]
    kind = units.plain_type(*exprs) if units.is_plain(lead.expr) else units.result_type(lead.expr)
    return Call(name, tuple(units.as_unit(each, kind) for each in exprs), kind)


def _abs(context: Context, name: str, operands: list[Operand], node: ast.Call) -> Expr | None:
    (operand,) = operands
    if _is_moment(context, operand):
        return None
    return Call(name, (operand.expr,), units.result_type(operand.expr))


_NUMERIC: Final[dict[str, Callable[[Context, str, list[Operand], ast.Call], Expr | None]]] = {
    "floor_div": _division,
    "ceil_div": _division,
    "mul_div_floor": _mul_div,
    "mul_div_ceil": _mul_div,
    "floor_bps": _of_bps,
    "ceil_bps": _of_bps,
    "mod": _mod,
    "pow10": _pow10,
    "min": _extreme,
    "max": _extreme,
    "abs": _abs,
}


def _is_zero(expr: Expr) -> bool:
    value: Value = expr.value if isinstance(expr, Const) else None
    return value == 0 and value is not False


def _is_moment(context: Context, operand: Operand) -> bool:
    if operand.expr.type.name != "timestamp":
        return False
    text = context.source(operand.node)
    context.error(
        operand.node, "E208", f"'{text}' is a moment and cannot be scaled", f"take a difference: now - {text}"
    )
    return True
