"""Terms of a rule as people are told of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.model.expr import BoolOp, Expr, Unary
from engine.model.rules import Aggregate, Check, Let, Pattern, Pick, Term, Without


def title(term: Term) -> str:
    """What a term is, in few words."""
    match term:
        case Pattern():
            return f"{term.kind.name}: {term.alias}"
        case Pick():
            return f"{'latest' if term.by is None else 'best'}: {term.alias} of {term.kind.name}"
        case Without():
            return f"without: {term.kind.name}"
        case Aggregate():
            return f"{term.function}: {term.name} over {term.kind.name}"
        case Let():
            return f"let: {term.name}"
        case Check():
            return "check"


def split(conditions: Iterable[Expr]) -> Iterator[Expr]:
    """The ``and``s taken apart, also those that ``not (a or b)`` is: each part can be told by itself."""
    for condition in conditions:
        if isinstance(condition, BoolOp) and condition.op == "and":
            yield from split(condition.items)
        elif isinstance(condition, Unary) and isinstance(condition.operand, BoolOp) and condition.operand.op == "or":
            yield from split(Unary("not", item, item.type) for item in condition.operand.items)
        else:
            yield condition
