"""Kinds and a scope to check expressions against, as a swap pack has them."""

from __future__ import annotations

from engine.errors import Problem
from engine.model.expr import Expr
from engine.model.exprtools import unparse
from engine.model.kinds import Field, Kind, Type
from engine.model.rules import Span
from engine.packs.expressions import Scope, check_conditions, check_value

#: Where the expression under test begins.
SPAN = Span("packs/swap.yaml", 31, 14)


def type_of(word: str) -> Type:
    """A type as a pack spells it."""
    if word.startswith("amount("):
        return Type("amount", asset_field=word[7:-1])
    if word.startswith("enum("):
        return Type("enum", options=tuple(option.strip() for option in word[5:-1].split(",")))
    if word.startswith("list("):
        return Type("list", item=type_of(word[5:-1]))
    return Type(word)


def kind_of(name: str, **fields: str) -> Kind:
    """A kind from ``field="type?"`` words; the first field is its key."""
    made = tuple(Field(field, type_of(word.rstrip("?")), word.endswith("?")) for field, word in fields.items())
    return Kind(name, made, (made[0].name,))


INTENT = kind_of(
    "intent",
    id="id",
    amount="amount(asset_in)",
    asset_in="id",
    min_out="amount(asset_out)",
    asset_out="id",
    deadline="timestamp",
    state="enum(open, done)",
    wait="duration",
    n="int",
    big="uint256",
    tip="wei",
    ok="bool",
    why="text",
    tx="hash?",
    cap="wei?",
    owner="address",
    note="json",
    tags="list(id)",
)
POOL = kind_of(
    "liquidity",
    id="id",
    asset="id",
    available="amount(asset)",
    fee="bps",
    seen="timestamp",
    height="int?",
    state="enum(open, closed)",
    mode="enum(fast, slow)",
)
TRANSFER = kind_of("transfer", id="id", asset="id", amount="amount(asset)", intent="id", at="timestamp")


def scope() -> Scope:
    """``i`` an intent, ``pool`` a liquidity, and three parameters."""
    return Scope(
        aliases={"i": INTENT, "pool": POOL},
        params={
            "gas_cap": (Type("wei"), 30 * 10**9),
            "usd": (Type("id"), "USDC"),
            "least": (Type("amount", asset_field="usd"), 5),
            "bare": (Type("amount"), 5),
            "count": (Type("int"), 3),
        },
    )


def conditions(*texts: str, given: Scope | None = None) -> tuple[tuple[Expr, ...], list[Problem]]:
    """Check the texts as one ``where`` of a rule that consists of it."""
    there = given or scope()
    problems: list[Problem] = []
    spans = [(text, SPAN) for text in texts]
    there.learn_equalities(spans)
    return check_conditions(spans, there, problems), problems


def condition(text: str) -> Expr:
    """The one conjunct of a condition without problems."""
    (found,), problems = conditions(text)
    assert problems == []
    return found


def printed(*texts: str) -> list[str]:
    """The conjuncts of conditions without problems, printed."""
    found, problems = conditions(*texts)
    assert problems == []
    return [unparse(expr) for expr in found]


def refused(*texts: str) -> Problem:
    """The one problem of a condition."""
    _, problems = conditions(*texts)
    assert len(problems) == 1, problems
    return problems[0]


def value(text: str, expected: str | None = None) -> tuple[Expr | None, list[Problem]]:
    """Check a value of an effect."""
    problems: list[Problem] = []
    return check_value(text, SPAN, scope(), problems, type_of(expected) if expected else None), problems
