"""Text with ``{expr}`` in it."""

from __future__ import annotations

from engine.errors import Problem
from engine.model.expr import Const, Expr, Template
from engine.model.rules import Span
from engine.packs.expressions.checker import visit
from engine.packs.expressions.context import TEXT, Context, Use, problem_at
from engine.packs.expressions.parsing import parse
from engine.packs.expressions.scanning import Flaw
from engine.packs.expressions.scope import Scope


def check_template(text: str, span: Span, scope: Scope, problems: list[Problem]) -> Expr:
    """Check a text of an effect; ``{{`` and ``}}`` are braces.

    Returns:
        A ``Const`` if no expression is in it (or something is wrong with it), else a ``Template``.
    """
    parts = _split(text)
    if isinstance(parts, Flaw):
        problems.append(problem_at(text, span, parts))
        return Const("", TEXT)
    made: list[str | Expr] = []
    for offset, part in parts:
        if offset is None:
            made.append(part)
            continue
        expr = _embedded(part, _moved(span, text, offset), scope, problems)
        if expr is not None:
            made.append(expr)
    if all(isinstance(part, str) for part in made):
        return Const("".join(part for part in made if isinstance(part, str)), TEXT)
    return Template(tuple(made), TEXT)


def _embedded(text: str, span: Span, scope: Scope, problems: list[Problem]) -> Expr | None:
    node = parse(text)
    if isinstance(node, Flaw):
        problems.append(problem_at(text, span, node))
        return None
    context = Context(text, span, scope, problems, Use.EFFECT)
    expr = visit(context, node)
    if expr is not None and expr.type.name == "list":
        context.error(node, "E220", f"'{context.source(node)}' is {expr.type}", "a list cannot stand in a text")
        return None
    return expr


def _moved(span: Span, text: str, offset: int) -> Span:
    place = problem_at(text, span, Flaw(offset, "", ""))
    return Span(span.file, place.line, place.column)


def _split(text: str) -> list[tuple[int | None, str]] | Flaw:
    """``(None, literal)`` and ``(offset, expression)`` in turn; empty literals are left out."""
    parts: list[tuple[int | None, str]] = []
    literal = ""
    offset = 0
    while offset < len(text):
        char = text[offset]
        if char not in "{}":
            literal += char
            offset += 1
        elif text[offset : offset + 2] == char * 2:
            literal += char
            offset += 2
        elif char == "}":
            return Flaw(offset, "E222", "a '}' without its '{'", "a brace itself is written }}")
        else:
            end = _closing(text, offset + 1)
            if end is None:
                return Flaw(offset, "E222", "a '{' without its '}'", "a brace itself is written {{")
            if literal:
                parts.append((None, literal))
            parts.append((offset + 1, text[offset + 1 : end]))
            literal, offset = "", end + 1
    if literal:
        parts.append((None, literal))
    return parts


def _closing(text: str, offset: int) -> int | None:
    """Where the expression ends: the first ``}`` outside of quotes."""
    quote = ""
    for at in range(offset, len(text)):
        char = text[at]
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "}":
            return at
    return None
