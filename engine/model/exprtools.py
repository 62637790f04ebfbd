"""Pure walks over typed expressions: what they read, and how to print them."""

from __future__ import annotations

from collections.abc import Iterator

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
from engine.model.kinds import Type, Value


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct sub-expressions, left to right. The ``FieldRef`` inside ``Has``, ``Default`` and ``Free`` is one."""
    match expr:
        case Unary(_, operand, _):
            return (operand,)
        case Arith(_, left, right, _) | Compare(_, left, right, _):
            return (left, right)
        case TimeTest(_, bound, _):
            return (bound,)
        case In(item, options, _):
            return (item, *options)
        case BoolOp(_, items, _) | ListOf(items, _):
            return items
        case IfElse(condition, then, otherwise, _):
            return (condition, then, otherwise)
        case Call(_, args, _) | LedgerRead(_, args, _):
            return args
        case Has(ref, _) | Free(ref, _):
            return (ref,)
        case Default(ref, otherwise, _):
            return (ref, otherwise)
        case Template(parts, _):
            return tuple(part for part in parts if not isinstance(part, str))
        case MapOf(items, _):
            return tuple(value for _, value in items)
        case _:
            return ()


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and all its sub-expressions, outermost first, left to right."""
    pending = [expr]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(children(node)))


def aliases_read(expr: Expr) -> frozenset[str]:
    """Aliases whose fact (its fields, its age, its disputes) the expression looks at."""
    return frozenset(node.alias for node in walk(expr) if isinstance(node, FieldRef | Age | ObservedAt | Disputed))


def fields_read(expr: Expr) -> frozenset[tuple[str, str]]:
    """``(alias, field)`` pairs the expression looks at; ``has(x.f)`` looks at ``x.f``."""
    return frozenset((node.alias, node.field) for node in walk(expr) if isinstance(node, FieldRef))


def locals_read(expr: Expr) -> frozenset[str]:
    """Names bound by ``let`` and aggregates (and ``attempt``) the expression looks at."""
    return frozenset(node.name for node in walk(expr) if isinstance(node, Local))


# How tightly each form binds, as in Python; a child that binds looser than its place needs parentheses.
_IF, _OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _MINUS, _ATOM = range(9)


def unparse(expr: Expr) -> str:
    """The expression as a pack author would write it; for explanations and messages.

    What has no spelling of its own is printed as what it came from: ``now <= observed + d`` as ``age(x) <= d``.
    """
    return _print(expr)[0]


def _at(expr: Expr, needed: int) -> str:
    """The text of ``expr``, in parentheses if it binds looser than ``needed``."""
    text, strength = _print(expr)
    return text if strength >= needed else f"({text})"


def _print(expr: Expr) -> tuple[str, int]:
    """Text and binding strength."""
    match expr:
        case Unary("not", operand, _):
            if isinstance(operand, In):
                return _print_in(operand, "not in"), _COMPARE
            return f"not {_at(operand, _NOT)}", _NOT
        case Unary(_, operand, _):
            return f"-{_at(operand, _MINUS)}", _MINUS
        case Arith("*", left, right, _):
            return f"{_at(left, _PRODUCT)} * {_at(right, _MINUS)}", _PRODUCT
        case Arith(op, left, right, _):
            return f"{_at(left, _SUM)} {op} {_at(right, _PRODUCT)}", _SUM
        case Compare(op, left, right, _):
            return f"{_at(left, _SUM)} {op} {_at(right, _SUM)}", _COMPARE
        case TimeTest(op, bound, _):
            if (aged := _as_age(bound)) is not None:
                return f"age({aged[0]}) {op} {_at(aged[1], _SUM)}", _COMPARE
            return f"now {op} {_at(bound, _SUM)}", _COMPARE
        case In():
            return _print_in(expr, "in"), _COMPARE
        case BoolOp(op, items, _):
            strength = _AND if op == "and" else _OR
            return f" {op} ".join(_at(item, strength + 1) for item in items), strength
        case IfElse(condition, then, otherwise, _):
            return f"{_at(then, _OR)} if {_at(condition, _OR)} else {_at(otherwise, _IF)}", _IF
        case _:
            return _print_leaf(expr)


def _as_age(bound: Expr) -> tuple[str, Expr] | None:
    """``observed + d`` as the alias and d, wherever in the sum the moment of observation stands leftmost."""
    match bound:
        case Arith("+", ObservedAt(alias, _), right, _):
            return alias, right
        case Arith("-", ObservedAt(alias, _), right, _):
            return alias, Unary("-", right, right.type)
        case Arith("+" | "-" as op, left, right, _) if (aged := _as_age(left)) is not None:
            return aged[0], Arith(op, aged[1], right, right.type)
        case _:
            return None


def _print_leaf(expr: Expr) -> tuple[str, int]:
    """Names, calls and constants: they bind tightest, negative numbers excepted."""
    match expr:
        case Const(value, kind):
            text = _print_constant(value, kind)
            return text, _MINUS if text.startswith("-") else _ATOM
        case Param(name, _, _):
            text = f"params.{name}"
        case FieldRef(alias, field, _, _, _):
            text = f"{alias}.{field}"
        case Local(name, _):
            text = name
        case Now():
            text = "now"
        case Age(alias, _):
            text = f"age({alias})"
        case ObservedAt(alias, _):
            text = f"observed_at({alias})"
        case Disputed(alias, _):
            text = f"disputed({alias})"
        case Has(ref, _):
            text = f"has({unparse(ref)})"
        case Free(ref, _):
            text = f"free({unparse(ref)})"
        case Default(ref, otherwise, _):
            text = f"default({unparse(ref)}, {unparse(otherwise)})"
        case Call(name, args, _) | LedgerRead(name, args, _):
            text = f"{name}({', '.join(map(unparse, args))})"
        case Template(parts, _):
            text = "".join(_print_part(part) for part in parts)
        case ListOf(items, _):
            text = f"[{', '.join(map(unparse, items))}]"
        case MapOf(items, _):
            text = "{" + ", ".join(f"{name}: {unparse(value)}" for name, value in items) + "}"
        case _:
            return _print(expr)
    return text, _ATOM


def _print_in(expr: In, word: str) -> str:
    item = _at(expr.item, _SUM)
    if len(expr.options) == 1 and expr.options[0].type.name == "list":
        return f"{item} {word} {_at(expr.options[0], _SUM)}"
    return f"{item} {word} [{', '.join(map(unparse, expr.options))}]"


def _print_part(part: str | Expr) -> str:
    if isinstance(part, str):
        return part.replace("{", "{{").replace("}", "}}")
    return "{" + unparse(part) + "}"


_UNITS = {
    "duration": (("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1_000)),
    "wei": (("ether", 10**18), ("gwei", 10**9)),
}


def _print_constant(value: Value, kind: Type) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        for unit, size in _UNITS.get(kind.name, ()):
            if value and value % size == 0:
                return f"{unit}({value // size})"
        return str(value)
    if isinstance(value, tuple):
        item = kind.item or kind
        return f"[{', '.join(_print_constant(each, item) for each in value)}]"
    if value is None:
        return "absent"
    return f"'{value}'" if '"' in value else f'"{value}"'
