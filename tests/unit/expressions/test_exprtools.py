"""Walks over typed trees."""

from __future__ import annotations

import pytest

from engine.model.expr import Const, FieldRef, ListOf, MapOf, Template
from engine.model.exprtools import aliases_read, fields_read, locals_read, unparse, walk
from engine.model.kinds import Type
from tests.unit.expressions.samples import condition, value


def test_what_an_expression_reads() -> None:
    expr = condition("i.ok or age(pool) > i.wait or default(i.cap, 5) > 3 or free(pool.available) > 5 or disputed(i)")
    assert aliases_read(expr) == {"i", "pool"}
    assert fields_read(expr) == {("i", "ok"), ("i", "wait"), ("i", "cap"), ("pool", "available")}
    assert locals_read(expr) == frozenset()


def test_a_walk_is_outermost_first_and_left_to_right() -> None:
    names = [node.field for node in walk(condition("i.n + i.big > 3 or i.ok")) if isinstance(node, FieldRef)]
    assert names == ["n", "big", "ok"]


def test_a_walk_reaches_into_texts_lists_and_maps() -> None:
    ref = FieldRef("i", "n", 7, Type("int"))
    text = Type("text")
    expr = MapOf((("a", ListOf((Template(("x", ref), text),), text)), ("b", Const("c", text))), Type("json"))
    assert fields_read(expr) == {("i", "n")}
    assert unparse(expr) == '{a: [x{i.n}], b: "c"}'


@pytest.mark.parametrize(
    "text",
    [
        "(i.n + 1) * 2 - (i.n - (3 - i.n))",
        "-i.n * 2",
        "-(i.n * 2)",
        "i.n - -3",
        "1 if i.ok else 2 if i.n > 3 else 4",
        "(1 if i.ok else 2) + i.n",
        "not (i.ok and i.n > 1)",
        "(i.ok or i.n > 1) and i.n < 3",
        'i.id in ["a", "b\'c"]',
        "(not i.ok) == i.ok",
        '"a" not in i.tags',
        "floor_div(i.n, 2)",
        "seconds(30)",
        "gwei(3)",
        "has(i.tx)",
        "disputed(i)",
    ],
)
def test_printing_keeps_the_parentheses_that_matter(text: str) -> None:
    made, problems = value(text)
    assert problems == []
    assert made is not None
    again, _ = value(unparse(made))
    assert again == made


def test_printing_adds_no_needless_parentheses() -> None:
    made, _ = value("i.n + 1 - i.n * 2")
    assert made is not None
    assert unparse(made) == "i.n + 1 - i.n * 2"
