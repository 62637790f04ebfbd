"""Names and fields: what an identifier in an expression means."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from difflib import get_close_matches

from engine.model.expr import Expr, FieldRef, Local, Now, Param
from engine.packs.expressions.context import TIMESTAMP, Context, Use
from engine.packs.expressions.signatures import SIGNATURES


def resolve_name(context: Context, node: ast.Name) -> Expr | None:
    """A bare name: a local or ``now``; anything else is reported."""
    name = node.id
    scope = context.scope
    if name in scope.locals:
        return Local(name, scope.locals[name])
    if name == "now":
        if context.use is Use.TERM:
            report_time(context, node)
            return None
        return Now(TIMESTAMP)
    if name in scope.aliases:
        context.error(
            node, "E209", f"'{name}' is a whole fact", f"read one of its fields: {name}.{_a_field(context, name)}"
        )
    elif name == "params":
        context.error(node, "E209", "'params' is no value", "read one: params.name")
    elif name in SIGNATURES:
        context.error(node, "E205", f"'{name}' is a function", f"call it: {SIGNATURES[name].form}")
    elif name in scope.params:
        context.error(node, "E202", f"nothing is called '{name}'", f"write params.{name}")
    else:
        known = [*scope.aliases, *scope.locals, "params", "now"]
        context.error(node, "E202", f"nothing is called '{name}'", _suggest(name, known, "text stands in quotes"))
    return None


def resolve_attribute(context: Context, node: ast.Attribute) -> Expr | None:
    """``alias.field`` or ``params.name``, of whatever type; whether it may be absent is not judged here."""
    if not isinstance(node.value, ast.Name):
        context.error(node, "E204", f"'{context.source(node)}' reads more than one dot", "a field is alias.field")
        return None
    owner, name = node.value.id, node.attr
    scope = context.scope
    if owner == "params" and owner not in scope.aliases:
        if name not in scope.params:
            hint = _suggest(name, scope.params, "declare it under params:")
            context.error(node, "E202", f"no parameter is called '{name}'", hint)
            return None
        kind, value = scope.params[name]
        return Param(name, value, kind)
    if owner not in scope.aliases:
        if owner in scope.locals:
            context.error(node, "E203", f"'{owner}' is a value and has no fields", f"write {owner}")
        else:
            bound = f" (so far: {', '.join(scope.aliases)})" if scope.aliases else ""
            hint = _suggest(owner, [*scope.aliases, "params"], f"bind it by an earlier term of the rule{bound}")
            context.error(node, "E202", f"nothing is called '{owner}'", hint)
        return None
    fact_kind = scope.aliases[owner]
    if name not in fact_kind.positions:
        hint = _suggest(name, fact_kind.positions, f"{fact_kind.name} has {', '.join(fact_kind.positions)}")
        context.error(node, "E203", f"kind '{fact_kind.name}' has no field '{name}'", hint)
        return None
    found = fact_kind.field(name)
    return FieldRef(owner, name, fact_kind.positions[name], found.type, found.optional)


def is_readable(context: Context, ref: FieldRef, node: ast.expr) -> bool:
    """Whether the field is known to be there at this point; reports E210 if not."""
    if not ref.optional or (ref.alias, ref.field) in context.present:
        return True
    name = f"{ref.alias}.{ref.field}"
    hint = f"write has({name}) and … before it, or default({name}, …)"
    context.error(node, "E210", f"'{name}' may be absent", hint)
    return False


def report_time(context: Context, node: ast.expr) -> None:
    """Time where a match's own value would change with it."""
    context.error(
        node,
        "E211",
        f"'{context.source(node)}' cannot stand in a value that a match depends on",
        "compare with now in a where or check, or use now in then:",
    )


def _a_field(context: Context, alias: str) -> str:
    return next(iter(context.scope.aliases[alias].positions), "field")


def _suggest(name: str, known: Iterable[str], otherwise: str) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"did you mean '{close[0]}'?" if close else otherwise
