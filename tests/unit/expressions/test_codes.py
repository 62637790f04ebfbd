"""Every code is raised where it belongs, at the character it is about, and is in the manual."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.errors import Problem
from engine.model.rules import Span
from engine.packs.expressions import check_template, check_term_value, duration, literal
from tests.unit.expressions.samples import SPAN, conditions, refused, scope, type_of, value

ROOT = Path(__file__).parents[3]

# Code, condition, and the part of it the problem points at.
IN_CONDITIONS = [
    ("E200", "i.n > 1 and (i.n < 5", "(i.n < 5"),
    ("E200", "i.n > 1) or (i.n < 5", ") or"),
    ("E200", 'i.id in ["a" "b"]', '"b"'),
    ("E200", "i.id == 'a", "'a"),
    ("E201", "(" * 33 + "1" + ")" * 33 + " == 1", "(1"),
    ("E201", "not " * 40 + "i.ok", "not"),
    ("E202", "j.n > 1", "j.n"),
    ("E202", "i.n > pools", "pools"),
    ("E202", "i.n > params.cuont", "params.cuont"),
    ("E202", "i.n > count", "count"),
    ("E203", "i.ok and i.amont > 5", "i.amont"),
    ("E204", "i.id.size > 3", "i.id.size"),
    ("E204", "i.tags[0] == 'a'", "i.tags[0]"),
    ("E204", "i.id in ('a', 'b')", "('a'"),
    ("E204", "i.ok # always", "#"),
    ("E204", "i.n = 3", "= 3"),
    ("E204", "i.tx == None", "None"),
    ("E204", "i.id == f'a'", "f'a'"),
    ("E204", "i.n is 3", "is 3"),
    ("E204", "i.from == 'a'", "from"),
    ("E204", r"i.id == 'a\n'", r"\n"),
    ("E204", "i.n == +3", "+3"),
    ("E204", "i.ok && i.ok", "&& "),
    ("E204", "i.ok or ö.ok", "ö"),
    ("E205", "i.n > round(i.n)", "round"),
    ("E206", "floor_div(i.n) > 2", "floor_div(i.n)"),
    ("E206", "age(i.deadline) > 2", "i.deadline"),
    ("E206", "free(pool.fee) > 2", "pool.fee"),
    ("E206", "has(i)", "i)"),
    ("E207", "i.ok and pool.available >= i.min_out", "pool.available"),
    ("E208", "i.ok and i.amount > i.tip", "i.amount > i.tip"),
    ("E209", "i.n > 'a'", "i.n"),
    ("E209", "i.state < 'open'", "i.state"),
    ("E209", "i == 'a'", "i =="),
    ("E210", "i.ok and i.tx == '0xab'", "i.tx"),
    ("E211", "i.ok and min(now, i.deadline) > i.deadline", "now"),
    ("E212", "i.deadline == now", "now"),
    ("E213", "i.n / 2 > 1", "/ 2"),
    ("E214", "i.n > 1.5", "1.5"),
    ("E215", "i.n > 1_000", "1_000"),
    ("E215", "i.n > 012", "012"),
    ("E215", "i.n > 0x10", "0x10"),
    ("E216", "i.state in ['open', 'opne']", "'opne'"),
    ("E217", "i.ok and i.n", "i.n"),
    ("E219", "floor_div(i.n, 0) > 2", "0)"),
    ("E219", "pow10(78) > i.n", "78"),
    ("E220", "i.note == 'a'", "i.note"),
    ("E221", "i.amount > params.bare", "params.bare"),
]


@pytest.mark.parametrize(("code", "text", "part"), IN_CONDITIONS)
def test_a_condition_is_refused_at_the_part_that_is_wrong(code: str, text: str, part: str) -> None:
    problem = refused(text)
    assert (problem.code, problem.file, problem.line) == (code, SPAN.file, SPAN.line)
    assert problem.column == SPAN.column + text.index(part)
    assert problem.hint


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("E208", "i.deadline + i.deadline", None),
        ("E216", '"opne"', "enum(open, done)"),
        ("E218", "i.amount", "uint256"),
        ("E218", "i.state", "enum(open, shut)"),
        ("E218", "i.id", "hash"),
        ("E218", "i.n", "wei"),
        ("E219", "-5", "uint256"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_where_it_begins(code: str, text: str, expected: str | None) -> None:
    made, problems = value(text, expected)
    assert made is None
    assert [(each.code, each.line, each.column) for each in problems] == [(code, SPAN.line, SPAN.column)]
    assert problems[0].hint


def test_now_cannot_stand_in_a_value_that_a_match_depends_on() -> None:
    problems: list[Problem] = []
    assert check_term_value("i.wait + age(i)", SPAN, scope(), problems) is None
    assert [(each.code, each.column) for each in problems] == [("E211", SPAN.column + 9)]


@pytest.mark.parametrize(("text", "column"), [("waits {i.id", 6), ("waits i.id}", 10)])
def test_a_lone_brace_is_refused_where_it_stands(text: str, column: int) -> None:
    problems: list[Problem] = []
    check_template(text, SPAN, scope(), problems)
    assert [(each.code, each.column) for each in problems] == [("E222", SPAN.column + column)]


@pytest.mark.parametrize(
    ("code", "word", "text"),
    [
        ("E230", "int", "1_000"),
        ("E230", "int", "012"),
        ("E230", "wei", "1.5 gwei"),
        ("E230", "quantity", "0x"),
        ("E231", "wei", "30 gwie"),
        ("E231", "int", "30s"),
        ("E232", "bool", "yes"),
        ("E233", "timestamp", "2027-01-15T08:00:00"),
        ("E233", "timestamp", "tomorrow"),
        ("E234", "hash", "0xzz"),
        ("E235", "enum(open, done)", "opne"),
        ("E236", "id", "x" * 257),
        ("E237", "duration", "12"),
        ("E238", "uint256", "-1"),
        ("E238", "uint256", str(2**256)),
        ("E239", "list(id)", "a"),
        ("E239", "json", "[1.5]"),
        ("E239", "json", '{"a": 1, "a": 2}'),
        ("E239", "json", "[9007199254740993]"),
        ("E234", "address", "ab12"),
        ("E236", "id", ""),
        ("E236", "id", "a\tb"),
        ("E238", "duration", "300000000d"),
        ("E238", "bps", "-1"),
    ],
)
def test_a_scalar_that_is_not_of_its_type_is_refused(code: str, word: str, text: str) -> None:
    problems: list[Problem] = []
    assert literal(text, type_of(word), SPAN, problems) is None
    assert [(each.code, each.line, each.column) for each in problems] == [(code, SPAN.line, SPAN.column)]
    assert problems[0].hint


def test_a_duration_needs_a_unit() -> None:
    problems: list[Problem] = []
    assert duration("12", SPAN, problems) is None
    assert [str(each) for each in problems] == [
        "packs/swap.yaml:31:14: E237 '12' has no unit; write 12s, or ms, m, h, d"
    ]


def test_asking_for_what_is_never_absent_is_a_warning() -> None:
    found, problems = conditions("default(i.n, 3) > 2")
    assert len(found) == 1
    assert [(each.code, each.is_error) for each in problems] == [("W201", False)]


def test_the_amounts_of_two_assets_are_refused_in_the_words_of_the_manual() -> None:
    assert str(refused("pool.available >= i.min_out")) == (
        "packs/swap.yaml:31:14: E207 'pool.available' is an amount of pool.asset, 'i.min_out' of i.asset_out;"
        " add 'pool.asset == i.asset_out'"
    )


def test_a_problem_on_a_later_line_names_that_line() -> None:
    problem = refused("i.ok\n  and i.foo > 1")
    assert (problem.code, problem.line, problem.column) == ("E203", SPAN.line + 1, 7)


def test_columns_count_characters_not_bytes() -> None:
    assert refused("i.id == 'žluť' and i.foo > 1").column == SPAN.column + 19


def test_each_wrong_part_of_one_expression_is_reported() -> None:
    _, problems = conditions("i.foo > 1 and i.bar > 1", "i.baz > j.n")
    assert [each.code for each in problems] == ["E203", "E203", "E203", "E202"]


def test_the_span_of_the_text_decides_the_line() -> None:
    problems: list[Problem] = []
    check_template("{i.foo}", Span("a.yaml", 7, 3), scope(), problems)
    assert [(each.file, each.line, each.column) for each in problems] == [("a.yaml", 7, 4)]


def test_the_manual_lists_exactly_the_codes_that_exist() -> None:
    sources = (ROOT / "engine/packs/expressions").glob("*.py")
    raised = {code for path in sources for code in re.findall(r'"([EW]2\d\d)"', path.read_text("utf-8"))}
    listed = re.findall(r"^\| ([EW]2\d\d) \|", (ROOT / "docs/errors-expressions.md").read_text("utf-8"), re.MULTILINE)
    assert set(listed) == raised
    assert listed == sorted(set(listed))
