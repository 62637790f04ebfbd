"""Text-like types: what may be compared with what, and what a text literal means beside each."""

from __future__ import annotations

import ast
import re
import unicodedata
from difflib import get_close_matches

from engine.limits import MAX_ID_BYTES, MAX_TEXT_CHARS
from engine.model.expr import Const, Expr, IfElse
from engine.model.kinds import TEXTUAL, Type
from engine.packs.expressions.context import Context, Operand

#: ``hash`` and ``address``: what is not 0x and hex (base58, bech32) is declared as ``id``.
_HEX = re.compile(r"0[xX][0-9a-fA-F]+", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_FREE_TEXT = frozenset({"id", "text"})


def is_text(expr: Expr) -> bool:
    """Whether its values are text."""
    return expr.type.name in TEXTUAL


def is_text_literal(expr: Expr) -> bool:
    """Whether it is a quoted text, or a choice of such, that takes the type of its neighbour."""
    if isinstance(expr, IfElse):
        return is_text_literal(expr.then) and is_text_literal(expr.otherwise)
    return isinstance(expr, Const) and expr.type.name == "text"


def as_text(value: str, kind: Type) -> tuple[str, None] | tuple[None, tuple[str, str]]:
    """A text as a value of a text-like type: ``(value, None)``, or ``(None, (message, hint))``."""
    match kind.name:
        case "enum":
            if value in kind.options:
                return value, None
            close = get_close_matches(value, kind.options, n=1)
            options = ", ".join(kind.options)
            return None, (
                f"'{value}' is none of {options}",
                f"did you mean '{close[0]}'?" if close else "write one of them",
            )
        case "hash" | "address":
            if _HEX.fullmatch(value) and len(value) <= MAX_ID_BYTES:
                return value.lower(), None
            return None, (
                f"'{value}' is not hex",
                f"a {kind.name} is 0x and hex digits; what is not hex is declared as id",
            )
        case "id":
            normal = unicodedata.normalize("NFC", value)
            size = len(normal.encode("utf-8", "surrogatepass"))
            if not value:
                return None, ("an id cannot be empty", "name something")
            if _CONTROL.search(value):
                return None, (f"{value!r} holds a control character", "ids are printable text")
            if size > MAX_ID_BYTES:
                return None, (f"an id of {size} bytes", f"at most {MAX_ID_BYTES} bytes")
            return normal, None
        case _:
            if len(value) > MAX_TEXT_CHARS:
                return None, (f"a text of {len(value)} characters", f"at most {MAX_TEXT_CHARS}")
            return value, None


def typed_literal(context: Context, expr: Expr, kind: Type, node: ast.expr) -> Expr | None:
    """A text literal beside something of type ``kind``; reports E216 if it can never be equal."""
    if isinstance(expr, IfElse):
        then = typed_literal(context, expr.then, kind, node)
        otherwise = typed_literal(context, expr.otherwise, kind, node)
        return None if then is None or otherwise is None else IfElse(expr.condition, then, otherwise, kind)
    if not (isinstance(expr, Const) and isinstance(expr.value, str)):
        return expr
    value, wrong = as_text(expr.value, kind)
    if wrong is not None:
        context.error(node, "E216", *wrong)
        return None
    return Const(value, kind)


def unite_texts(context: Context, one: Operand, other: Operand) -> tuple[Expr, Expr] | None:
    """Two texts that are compared or chosen between; reports and returns None if they never could be equal."""
    if is_text_literal(other.expr):
        right = typed_literal(context, other.expr, one.expr.type, other.node)
        return None if right is None else (one.expr, right)
    if is_text_literal(one.expr):
        left = typed_literal(context, one.expr, other.expr.type, one.node)
        return None if left is None else (left, other.expr)
    first, second = one.expr.type, other.expr.type
    if first.name == second.name == "enum" and not set(first.options) & set(second.options):
        hint = f"'{context.source(other.node)}' is one of {', '.join(second.options)}"
        context.error(one.node, "E216", f"'{context.source(one.node)}' can only be {', '.join(first.options)}", hint)
        return None
    if first.name == second.name or (first.name in _FREE_TEXT and second.name in _FREE_TEXT):
        return one.expr, other.expr
    context.error(
        one.node,
        "E209",
        f"'{context.source(one.node)}' is {_phrase(first)}, '{context.source(other.node)}' is {_phrase(second)}",
        "compare values of one type; give a parameter the type of the field",
    )
    return None


def accepts_text(target: Type, given: Type) -> bool:
    """Whether every value of ``given`` may be assigned to a field of type ``target``."""
    if target.name in _FREE_TEXT:
        return given.name in TEXTUAL
    if target.name == "enum":
        return given.name == "enum" and set(given.options) <= set(target.options)
    return given.name == target.name


def _phrase(kind: Type) -> str:
    return f"{'an' if kind.name[0] in 'aeiou' else 'a'} {kind.name}"
