"""Typed expressions → Python source. Names are numbers of ours, never an author's text: nothing can be smuggled in."""

from __future__ import annotations

from dataclasses import dataclass, field

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
from engine.model.kinds import JSON_INTEGER, NUMERIC, Type

#: Local under which a plan's conditions name whose ledger they read: source of plan name and facts.
LEDGER = "!ledger"
#: Local under which the number of the inner term that looks at reservations is known.
RESERVED = "!reserved"
_TIME_TESTS = {"<": "t_lt", "<=": "t_le", ">": "t_gt", ">=": "t_ge"}
_FUNCTIONS = {
    name: name for name in ("floor_div", "ceil_div", "mul_div_floor", "mul_div_ceil", "floor_bps", "ceil_bps", "mod")
} | {"pow10": "pow10", "min": "smallest", "max": "largest", "abs": "magnitude"}


@dataclass(slots=True)
class Names:
    """What stands for what in the generated source.

    Attributes:
        values: alias → name of the variable that holds its values tuple.
        holders: alias → name of the variable that has ``.at`` (a fact, or the claim a quorum chose).
        facts: alias → name of the variable that holds its fact.
        locals: local name → variable.
    """

    values: dict[str, str] = field(default_factory=dict)
    holders: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    locals: dict[str, str] = field(default_factory=dict)

    def copy(self) -> Names:
        """For an inner scope: a ``without`` or aggregate binds an alias of its own."""
        return Names(dict(self.values), dict(self.holders), dict(self.facts), dict(self.locals))


def emit(expr: Expr, names: Names) -> str:
    """Python source of an expression; conditions use ``W`` to note when a time test will flip."""
    match expr:
        case Const(value, _) | Param(_, value, _):
            return f"({value!r})" if isinstance(value, int) and value < 0 else repr(value)
        case FieldRef(alias, _, position, _, _):
            return f"{names.values[alias]}[{position}]"
        case Local(name, _):
            return names.locals[name]
        case Now():
            return "now"
        case Age(alias, _):
            return f"(now - {names.holders[alias]}.at)"
        case ObservedAt(alias, _):
            return f"{names.holders[alias]}.at"
        case TimeTest(op, bound, _):
            return f"{_TIME_TESTS[op]}(now, {emit(bound, names)}, W)"
        case Unary("-", operand, _):
            return f"(-{emit(operand, names)})"
        case Unary(_, operand, _):
            return f"(not {emit(operand, names)})"
        case Arith("*", left, right, _) if not isinstance(left, Const) and not isinstance(right, Const):
            return f"multiply({emit(left, names)}, {emit(right, names)})"
        case Arith(op, left, right, _) | Compare(op, left, right, _):
            return f"({emit(left, names)} {op} {emit(right, names)})"
        case In(item, options, _):
            return _emit_in(item, options, names)
        case BoolOp(op, items, _):
            return "(" + f" {op} ".join(emit(item, names) for item in items) + ")"
        case IfElse(condition, then, otherwise, _):
            return f"({emit(then, names)} if {emit(condition, names)} else {emit(otherwise, names)})"
        case Call(name, args, _):
            return _emit_call(name, args, names)
        case Has(ref, _):
            return f"({emit(ref, names)} is not None)"
        case Default(ref, otherwise, _):
            read = emit(ref, names)
            return f"({read} if {read} is not None else {emit(otherwise, names)})"
        case Free(ref, _):
            return f"cx.free({names.locals[RESERVED]}, {names.facts[ref.alias]}, {emit(ref, names)}, {ref.field!r})"
        case Disputed(alias, _):
            return f"cx.disputed({names.facts[alias]})"
        case LedgerRead(name, args, _):
            of = names.locals.get(LEDGER, "None, ()")
            return f"cx.ledger({of}, {', '.join([repr(name), *(emit(arg, names) for arg in args)])})"
        case Template(parts, _):
            words = (repr(part) if isinstance(part, str) else f"render({emit(part, names)})" for part in parts)
            return f"join_text(({', '.join(words)},))"
        case ListOf(items, _):
            return "(" + "".join(f"{emit(item, names)}, " for item in items) + ")"
        case MapOf(items, _):
            return "{" + ", ".join(f"{key!r}: {emit(value, names)}" for key, value in items) + "}"


def _emit_in(item: Expr, options: tuple[Expr, ...], names: Names) -> str:
    if len(options) == 1 and options[0].type.name == "list":
        return f"({emit(item, names)} in {emit(options[0], names)})"
    return f"({emit(item, names)} in ({''.join(emit(option, names) + ', ' for option in options)}))"


def _emit_call(name: str, args: tuple[Expr, ...], names: Names) -> str:
    words = ", ".join(emit(arg, names) for arg in args)
    if name in _FUNCTIONS:
        return f"{_FUNCTIONS[name]}({words})"
    raise AssertionError(f"the checker let an unknown function through: {name}")


def emit_wire(expr: Expr, names: Names) -> str:
    """Source of a command argument's JSON value.

    Text, ids and hashes become strings, bool stays, ``int bps ppm timestamp duration`` become integers (strings beyond
    ±2⁵³), all other numbers decimal strings.
    """
    if isinstance(expr, MapOf):
        return "{" + ", ".join(f"{key!r}: {emit_wire(value, names)}" for key, value in expr.items) + "}"
    if isinstance(expr, ListOf):
        return "[" + ", ".join(emit_wire(item, names) for item in expr.items) + "]"
    source = emit(expr, names)
    return _wired(source, expr.type)


def _wired(source: str, type_: Type) -> str:
    if type_.name in JSON_INTEGER:
        return f"wire_int({source})"
    if type_.name in NUMERIC:
        return f"wire_number({source})"
    if type_.name == "list":
        item = type_.item or Type("text")
        return f"[{_wired('w', item)} for w in {source}]"
    if type_.name == "json":
        return f"wire_json({source})"
    return source
