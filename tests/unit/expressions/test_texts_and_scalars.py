"""Templates, and YAML scalars by their type."""

from __future__ import annotations

import pytest

from engine.errors import Problem
from engine.model.expr import Const, FieldRef, Template
from engine.model.kinds import Type, Value
from engine.packs.expressions import check_template, duration, literal
from tests.unit.expressions.samples import SPAN, scope, type_of

TEXT = Type("text")


def test_a_text_with_expressions_becomes_a_template() -> None:
    problems: list[Problem] = []
    made = check_template("waits for {i.id} since {{{age(i)}}}", SPAN, scope(), problems)
    assert problems == []
    assert isinstance(made, Template)
    assert made.parts[:2] == ("waits for ", FieldRef("i", "id", 0, Type("id")))
    assert [part for part in made.parts if isinstance(part, str)] == ["waits for ", " since {", "}"]


def test_a_text_without_expressions_is_a_constant() -> None:
    problems: list[Problem] = []
    assert check_template("{{x}}", SPAN, scope(), problems) == Const("{x}", TEXT)
    assert check_template("", SPAN, scope(), problems) == Const("", TEXT)
    assert problems == []


def test_a_brace_inside_quotes_does_not_end_the_expression() -> None:
    problems: list[Problem] = []
    made = check_template("{'}' if i.ok else '{'}", SPAN, scope(), problems)
    assert problems == []
    assert isinstance(made, Template)


@pytest.mark.parametrize(
    ("word", "text", "value"),
    [
        ("int", "-12", -12),
        ("int", "0", 0),
        ("uint256", str(2**256 - 1), 2**256 - 1),
        ("wei", "30 gwei", 30 * 10**9),
        ("wei", "1 ether", 10**18),
        ("wei", "7", 7),
        ("bps", "50 bps", 50),
        ("bps", "50", 50),
        ("duration", "250ms", 250),
        ("duration", "12s", 12_000),
        ("duration", "15m", 900_000),
        ("duration", "1h", 3_600_000),
        ("duration", "30d", 30 * 86_400_000),
        ("timestamp", "2027-01-15T08:00:00Z", 1_800_000_000_000),
        ("timestamp", "2027-01-15T09:00:00.250+01:00", 1_800_000_000_250),
        ("timestamp", "1800000000000", 1_800_000_000_000),
        ("bool", "true", True),
        ("bool", "false", False),
        ("hash", "0xABcd", "0xabcd"),
        ("address", "0X00FF", "0x00ff"),
        ("enum(open, done)", "done", "done"),
        ("id", "cafe\u0301", "caf\u00e9"),
        ("text", "no", "no"),
        ("quantity", "0x1a", 26),
        ("quantity", "0x00", 0),
        ("json", '{"b": 1, "a": [true]}', '{"a":[true],"b":1}'),
        ("json", "no", '"no"'),
    ],
)
def test_a_scalar_means_what_its_type_says(word: str, text: str, value: Value) -> None:
    problems: list[Problem] = []
    made = literal(text, type_of(word), SPAN, problems)
    assert problems == []
    assert (made, type(made)) == (value, type(value))


def test_durations_of_settings() -> None:
    problems: list[Problem] = []
    assert [duration(text, SPAN, problems) for text in ("250ms", "12s", "0", "0s")] == [250, 12_000, 0, 0]
    assert problems == []
