"""The checker: one visit per form of syntax, from Python's tree to a typed one."""

from __future__ import annotations

import ast
from dataclasses import replace
from itertools import pairwise
from typing import Final

from engine.model.expr import BoolOp, Compare, Const, Expr, FieldRef, Has, IfElse, In, Unary
from engine.packs.expressions import units
from engine.packs.expressions.calls import check_call, choose
from engine.packs.expressions.context import BOOL, INT, TEXT, Context, Operand, Use
from engine.packs.expressions.names import is_readable, resolve_attribute, resolve_name
from engine.packs.expressions.texts import is_text, unite_texts
from engine.packs.expressions.times import has_time, time_test

_COMPARISONS: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_SUMS: Final[dict[type[ast.operator], str]] = {ast.Add: "+", ast.Sub: "-"}
_FORBIDDEN: Final[dict[type[ast.expr], tuple[str, str]]] = {
    ast.Subscript: ("an element of a list", 'ask with in: "a" in x.list'),
    ast.Tuple: ("a list in round brackets", "write [a, b]"),
    ast.Set: ("a set", "write [a, b]"),
    ast.Dict: ("a mapping", "mappings are written in YAML"),
    ast.List: ("a list that is no list of options", "write a in [b, c]"),
    ast.Lambda: ("a function", "write let:"),
    ast.NamedExpr: ("an assignment", "write let:"),
    ast.ListComp: ("a loop", "match facts by patterns, sum: or count:"),
    ast.SetComp: ("a loop", "match facts by patterns, sum: or count:"),
    ast.DictComp: ("a loop", "match facts by patterns, sum: or count:"),
    ast.GeneratorExp: ("a loop", "match facts by patterns, sum: or count:"),
    ast.JoinedStr: ("a formatted text", "text with {expr} in it is written without ="),
    ast.Starred: ("a star", "write the values one by one"),
}
_WORDS: Final = {"true": True, "false": False}


def visit(context: Context, node: ast.expr) -> Expr | None:
    """The typed form of ``node``, or None after reporting why there is none."""
    match node:
        case ast.Constant():
            return _constant(context, node)
        case ast.Name(id=word) if word in _WORDS and word not in context.scope.locals:
            return Const(_WORDS[word], BOOL)
        case ast.Name():
            return resolve_name(context, node)
        case ast.Attribute():
            return _attribute(context, node)
        case ast.BoolOp():
            return _bool_op(context, node)
        case ast.UnaryOp():
            return _unary(context, node)
        case ast.BinOp():
            return _binary(context, node)
        case ast.Compare():
            return _compare(context, node)
        case ast.IfExp():
            return _if_else(context, node)
        case ast.Call():
            return check_call(context, node, lambda arg: visit(context, arg))
        case _:
            name, hint = _FORBIDDEN.get(type(node), (type(node).__name__, "see the manual's list of what is"))
            context.error(node, "E204", f"{name} is not part of the language", hint)
            return None


def condition(context: Context, node: ast.expr) -> Expr | None:
    """Like ``visit``, for what must be true or false."""
    expr = visit(context, node)
    if expr is None or expr.type.name == "bool":
        return expr
    text = context.source(node)
    if expr.type.name in ("json", "list"):
        context.error(node, "E220", f"'{text}' is {expr.type} and no condition", "compare one of its parts")
        return None
    hint = f"compare it: {text} != 0" if units.is_number(expr) else f'compare it: {text} == "…"'
    if units.is_number(expr) and has_time(expr):
        hint = "compare it: now >= …"
    context.error(node, "E217", f"'{text}' is {expr.type}, not true or false", hint)
    return None


def proven(expr: Expr, truth: bool) -> set[tuple[str, str]]:
    """Optional fields that are there whenever ``expr`` has that truth."""
    match expr:
        case Has(FieldRef(alias, field, _, _, _), _):
            return {(alias, field)} if truth else set()
        case Unary("not", operand, _):
            return proven(operand, not truth)
        case BoolOp(op, items, _) if (op == "and") == truth:
            return set().union(*(proven(item, truth) for item in items))
        case _:
            return set()


def _constant(context: Context, node: ast.Constant) -> Expr | None:
    match node.value:
        case bool() as value:
            return Const(value, BOOL)
        case int() as value:
            return Const(value, INT)
        case str() as value:
            return Const(value, TEXT)
        case _:
            context.error(
                node, "E204", f"'{context.source(node)}' is not part of the language", "numbers, text, true, false"
            )
            return None


def _attribute(context: Context, node: ast.Attribute) -> Expr | None:
    expr = resolve_attribute(context, node)
    if isinstance(expr, FieldRef) and not is_readable(context, expr, node):
        return None
    return expr


def _bool_op(context: Context, node: ast.BoolOp) -> Expr | None:
    """``and`` / ``or`` evaluate from the left: later items are judged knowing what the earlier ones were."""
    op = "and" if isinstance(node.op, ast.And) else "or"
    known = set(context.present)
    items: list[Expr] = []
    for value in node.values:
        item = condition(context, value)
        if item is not None:
            items.append(item)
            context.present |= proven(item, op == "and")
    context.present = known
    return BoolOp(op, tuple(items), BOOL) if len(items) == len(node.values) else None


def _unary(context: Context, node: ast.UnaryOp) -> Expr | None:
    if isinstance(node.op, ast.Not):
        operand = condition(context, node.operand)
        return None if operand is None else Unary("not", operand, BOOL)
    if not isinstance(node.op, ast.USub):
        sign = "+" if isinstance(node.op, ast.UAdd) else "~"
        context.error(node, "E204", f"'{sign}' before a value is not part of the language", "leave it out")
        return None
    operand = visit(context, node.operand)
    if operand is None:
        return None
    if not units.is_number(operand):
        context.error(node.operand, "E209", f"'{context.source(node.operand)}' is {operand.type}", "- takes a number")
        return None
    if operand.type.name == "timestamp":
        context.error(node, "E208", f"'{context.source(node.operand)}' is a moment", "there are no negative moments")
        return None
    if isinstance(operand, Const) and isinstance(operand.value, int):
        return Const(-operand.value, operand.type)
    return Unary("-", operand, units.result_type(operand))


def _binary(context: Context, node: ast.BinOp) -> Expr | None:
    left, right = visit(context, node.left), visit(context, node.right)
    if left is None or right is None:
        return None
    one, other = Operand(left, node.left), Operand(right, node.right)
    for each in (one, other):
        if not units.is_number(each.expr):
            hint = "write text with {expr} in it" if is_text(each.expr) else "only numbers are added and multiplied"
            context.error(each.node, "E209", f"'{context.source(each.node)}' is {each.expr.type}", hint)
            return None
    if isinstance(node.op, ast.Mult):
        return units.product_of(context, one, other, node)
    op = _SUMS.get(type(node.op))
    if op is None:
        context.error(node, "E204", f"'{context.source(node)}' uses an operator of no meaning here", "there are + - *")
        return None
    return units.sum_of(context, op, one, other, node)


def _compare(context: Context, node: ast.Compare) -> Expr | None:
    """A chain ``a < b < c`` becomes ``a < b and b < c``."""
    sides = [node.left, *node.comparators]
    exprs = [None if _is_options(side, at, node) else visit(context, side) for at, side in enumerate(sides)]
    pairs: list[Expr | None] = []
    for op, (one, other), (left, right) in zip(node.ops, pairwise(sides), pairwise(exprs), strict=True):
        if isinstance(op, ast.In | ast.NotIn):
            pairs.append(_contained(context, op, left, one, other, right))
        elif left is None or right is None:
            pairs.append(None)
        else:
            pairs.append(_compared(context, node, op, Operand(left, one), Operand(right, other)))
    found = [pair for pair in pairs if pair is not None]
    if len(found) < len(pairs):
        return None
    return found[0] if len(found) == 1 else BoolOp("and", tuple(found), BOOL)


def _is_options(side: ast.expr, at: int, node: ast.Compare) -> bool:
    return isinstance(side, ast.List) and at > 0 and isinstance(node.ops[at - 1], ast.In | ast.NotIn)


def _compared(context: Context, node: ast.Compare, op: ast.cmpop, one: Operand, other: Operand) -> Expr | None:
    word = _COMPARISONS.get(type(op))
    if word is None:
        context.error(one.node, "E204", "'is' does not compare", "write == or !=")
        return None
    left, right = one.expr, other.expr
    if units.is_number(left) and units.is_number(right):
        united = units.unite(context, one, other)
        if united is None:
            return None
        if context.use is Use.CONDITION and (has_time(left) or has_time(right)):
            return time_test(context, word, united[0], united[1], node)
        return Compare(word, united[0], united[1], BOOL)
    return _compared_exactly(context, word, one, other)


def _compared_exactly(context: Context, word: str, one: Operand, other: Operand) -> Expr | None:
    """Texts and booleans are only equal or not."""
    left, right = one.expr, other.expr
    first, second = context.source(one.node), context.source(other.node)
    for each in (one, other):
        if each.expr.type.name in ("json", "list"):
            hint = f'ask: "a" in {context.source(each.node)}' if each.expr.type.name == "list" else "declare its parts"
            message = f"'{context.source(each.node)}' is {each.expr.type} and cannot be compared"
            context.error(each.node, "E220", message, hint)
            return None
    same = (is_text(left) and is_text(right)) or left.type.name == right.type.name == "bool"
    if not same:
        message = f"'{first}' is {left.type}, '{second}' is {right.type}"
        context.error(one.node, "E209", message, _mismatch_hint(one, other))
        return None
    if word not in ("==", "!="):
        context.error(one.node, "E209", f"'{first}' is {left.type} and has no order", "compare it by == or !=")
        return None
    if not is_text(left):
        return Compare(word, left, right, BOOL)
    texts = unite_texts(context, one, other)
    return None if texts is None else Compare(word, *texts, BOOL)


def _mismatch_hint(one: Operand, other: Operand) -> str:
    for each, beside in ((one, other), (other, one)):
        if isinstance(each.expr, Const) and isinstance(each.expr.value, str) and units.is_number(beside.expr):
            if beside.expr.type.name == "timestamp":
                return "declare a parameter of type timestamp with that moment"
            return "write the number without quotes"
    return "compare values of one type"


def _contained(
    context: Context, op: ast.cmpop, item: Expr | None, one: ast.expr, other: ast.expr, options: Expr | None
) -> Expr | None:
    """``item in [a, b]`` or ``item in x.list``."""
    if isinstance(other, ast.List):
        made = _in_options(context, item, one, other)
    elif options is None or item is None:
        return None
    elif options.type.name != "list" or options.type.item is None:
        text = context.source(other)
        context.error(
            other, "E209", f"'{text}' is {options.type}, not a list", f"write {context.source(one)} in [{text}]"
        )
        return None
    else:
        element = replace(options, type=options.type.item)
        pair = _equal(context, Operand(item, one), Operand(element, other))
        made = None if pair is None else In(pair[0], (options,), BOOL)
    if made is None:
        return None
    if has_time(made):
        context.error(one, "E211", "time cannot be one of a list", "write now >= a and now <= b")
        return None
    return Unary("not", made, BOOL) if isinstance(op, ast.NotIn) else made


def _in_options(context: Context, item: Expr | None, one: ast.expr, node: ast.List) -> In | None:
    if not node.elts:
        context.error(node, "E209", "nothing is in an empty list", "name at least one option")
        return None
    options = [visit(context, each) for each in node.elts]
    if item is None or None in options:
        return None
    made: list[Expr] = []
    for option, each in zip(options, node.elts, strict=True):
        if option is not None:
            pair = _equal(context, Operand(item, one), Operand(option, each))
            if pair is None:
                return None
            made.append(pair[1])
            # A literal item takes its type from the first option that has one.
            item = pair[0]
    return In(item, tuple(made), BOOL)


def _equal(context: Context, one: Operand, other: Operand) -> tuple[Expr, Expr] | None:
    """Both sides as they are compared by ``==``."""
    if units.is_number(one.expr) and units.is_number(other.expr):
        united = units.unite(context, one, other)
        return None if united is None else united[:2]
    made = _compared_exactly(context, "==", one, other)
    return (made.left, made.right) if isinstance(made, Compare) else None


def _if_else(context: Context, node: ast.IfExp) -> Expr | None:
    test = condition(context, node.test)
    known = set(context.present)
    if test is not None:
        context.present = known | proven(test, True)
    then = visit(context, node.body)
    if test is not None:
        context.present = known | proven(test, False)
    otherwise = visit(context, node.orelse)
    context.present = known
    if test is None or then is None or otherwise is None:
        return None
    chosen = choose(context, Operand(then, node.body), Operand(otherwise, node.orelse))
    return None if chosen is None else IfElse(test, *chosen)
