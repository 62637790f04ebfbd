"""Expressions hold for any text, any numbers, any moment."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Problem
from engine.matching.functions import FUNCTIONS
from engine.matching.scalars import RANGES as RANGES_OF_FACTS
from engine.matching.scalars import checker
from engine.model.expr import Arith, BoolOp, Compare, Const, Expr, FieldRef, ObservedAt, TimeTest, Unary
from engine.model.exprtools import unparse, walk
from engine.packs.expressions import (
    check_conditions,
    check_template,
    check_term_value,
    check_value,
    duration,
    literal,
)
from engine.packs.expressions.ranges import RANGES
from tests.unit.expressions.samples import SPAN, condition, scope, type_of, value

SPOKEN = (
    "i pool params now true false and or not in if else is lambda None has( age( default( raw( free( min( floor_div( "
    "pow10( seconds( mul_div_floor( i.n i.amount i.tx i.cap i.id i.tags i.note i.deadline i.wait i.ok pool.available "
    "params.usd params.gas_cap .x . , ( ) [ ] { } {{ }} == != < <= > >= = + - * / // % ** # \\ ' \" 'a' \"open\" 0 7 "
    "012 1_0 1.5 1e9 0x1 99999999999999999999 é \n \t : := @ ~ & | ! ; $ ` \x00 \ud800"
)
WORDS = SPOKEN.split(" ")

texts = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=25).map("".join),
    st.tuples(
        st.sampled_from(["(", "[", "-", "not ", "i.", "1+", "a if b else ", "has(", '"', "{"]), st.integers(1, 5000)
    ).map(lambda pair: pair[0] * pair[1]),
)
TYPES = (
    "int uint256 amount(a) wei bps ppm timestamp duration quantity id text hash address enum(a,b) bool list(id) json"
)
type_words = st.sampled_from(TYPES.split())


@settings(max_examples=400, deadline=None)
@given(texts, type_words)
def test_no_text_raises_and_every_problem_lies_in_it(text: str, word: str) -> None:
    problems: list[Problem] = []
    there = scope()
    there.learn_equalities([(text, SPAN)])
    found = check_conditions([(text, SPAN)], there, problems)
    made = check_value(text, SPAN, there, problems, type_of(word))
    check_term_value(text, SPAN, there, problems)
    template = check_template(text, SPAN, there, problems)
    lines = text.split("\n")
    for problem in problems:
        line = problem.line - SPAN.line
        assert 0 <= line < len(lines)
        assert 1 <= problem.column - (SPAN.column - 1 if line == 0 else 0) <= len(lines[line]) + 1
    assert all(expr.type.name == "bool" for expr in found)
    for expr in (*found, *([made] if made else []), template):
        assert isinstance(unparse(expr), str)


@settings(max_examples=300, deadline=None)
@given(st.one_of(texts, st.from_regex(r"-?[0-9a-fx]{1,5}\s?(ms|s|m|gwei|bps)?")), type_words)
def test_no_scalar_raises_and_none_is_both_taken_and_refused(text: str, word: str) -> None:
    problems: list[Problem] = []
    made = literal(text, type_of(word), SPAN, problems)
    assert (made is None) == (len(problems) == 1)
    if made is not None:
        # What a pack may say, a fact may hold: the checks of facts take every literal as it is.
        assert checker(type_of(word))(made, "kind.field") == made
    problems.clear()
    assert (duration(text, SPAN, problems) is None) == (len(problems) == 1)


def test_expressions_and_facts_agree_on_what_a_type_holds() -> None:
    assert RANGES == RANGES_OF_FACTS


numbers = st.integers(-(2**256), 2**256)
divisors = numbers.filter(bool)


@given(numbers, divisors)
def test_floor_and_ceil_are_those_of_mathematics(a: int, b: int) -> None:
    assert FUNCTIONS["floor_div"](a, b) == math.floor(Fraction(a, b))
    assert FUNCTIONS["ceil_div"](a, b) == math.ceil(Fraction(a, b))
    assert FUNCTIONS["mod"](a, b) == a - b * math.floor(Fraction(a, b))


@given(numbers, numbers, divisors)
def test_mul_div_rounds_once_at_the_end(a: int, b: int, c: int) -> None:
    assert FUNCTIONS["mul_div_floor"](a, b, c) == math.floor(Fraction(a * b, c))
    assert FUNCTIONS["mul_div_ceil"](a, b, c) == math.ceil(Fraction(a * b, c))


@given(numbers, st.integers(-20_000, 20_000))
def test_bps_are_ten_thousandths(amount: int, rate: int) -> None:
    assert FUNCTIONS["floor_bps"](amount, rate) == math.floor(Fraction(amount * rate, 10_000))
    assert FUNCTIONS["ceil_bps"](amount, rate) == math.ceil(Fraction(amount * rate, 10_000))


# --- time: the normalised term says what the written one says -----------------------------

moments = st.integers(-20, 20)
ORDER = {"<": int.__lt__, "<=": int.__le__, ">": int.__gt__, ">=": int.__ge__}
LEFT = [
    ("now", lambda now, seen: now),
    ("now + 3", lambda now, seen: now + 3),
    ("now - 3", lambda now, seen: now - 3),
    ("(now - i.wait)", lambda now, seen: now - 4),
]
LENGTHS = [
    ("age(i)", lambda now, seen: now - seen),
    ("now - i.deadline", lambda now, seen: now - 9),
    ("i.deadline - now", lambda now, seen: 9 - now),
    ("i.wait - age(i)", lambda now, seen: 4 - (now - seen)),
    ("-(now - i.deadline)", lambda now, seen: 9 - now),
    ("(i.deadline + i.wait - 2) - (now - 1)", lambda now, seen: 11 - (now - 1)),
]
FIELDS = {"deadline": 9, "wait": 4}


def evaluate(expr: Expr, now: int, seen: int) -> int:
    """A value of the few forms that bounds are made of."""
    match expr:
        case Const(int() as number, _):
            return number
        case FieldRef(_, name, _, _, _):
            return FIELDS[name]
        case ObservedAt():
            return seen
        case Unary("-", operand, _):
            return -evaluate(operand, now, seen)
        case Arith(op, left, right, _):
            one, other = evaluate(left, now, seen), evaluate(right, now, seen)
            return one + other if op == "+" else one - other
        case TimeTest(op, bound, _):
            return ORDER[op](now, evaluate(bound, now, seen))
        case _:
            raise AssertionError(expr)


@settings(deadline=None)
@given(
    st.one_of(
        st.tuples(st.sampled_from(LEFT), st.sampled_from([("i.deadline", 9), ("i.deadline - i.wait", 5), ("7", 7)])),
        st.tuples(st.sampled_from(LENGTHS), st.sampled_from([("i.wait", 4), ("0", 0), ("5 + 1", 6), ("-3", -3)])),
    ),
    st.sampled_from(sorted(ORDER)),
    st.booleans(),
    moments,
    moments,
)
def test_a_normalised_time_term_agrees_with_the_written_one(
    sides: tuple[tuple[str, object], tuple[str, int]], op: str, swapped: bool, now: int, seen: int
) -> None:
    (left, compute), (right, bound) = sides
    assert callable(compute)
    term = condition(f"{right} {op} {left}" if swapped else f"{left} {op} {right}")
    assert isinstance(term, TimeTest)
    side = compute(now, seen)
    assert evaluate(term, now, seen) == (ORDER[op](bound, side) if swapped else ORDER[op](side, bound))


# --- printing and reading again ---------------------------------------------------------------

plain = st.recursive(
    st.sampled_from(["i.n", "i.big", "pool.fee", "params.count", "3", "0", "pow10(6)"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
        st.tuples(inner, inner).map(lambda parts: f"floor_div({parts[0]}, max({parts[1]}, 1))"),
        inner.map(lambda part: f"-({part})"),
        st.tuples(inner, inner).map(lambda parts: f"({parts[0]} if i.ok else {parts[1]})"),
    ),
    max_leaves=6,
)
truths = st.recursive(
    st.one_of(
        st.sampled_from(
            ["i.ok", "has(i.tx)", 'i.state in ["open", "done"]', '"a" not in i.tags', "disputed(i)", "true"]
        ),
        st.sampled_from(["now < i.deadline", "age(i) <= i.wait + 3", "i.deadline - now >= hours(2)"]),
        st.tuples(plain, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), plain).map(" ".join),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map(lambda p: f"({p[0]}{p[1]}{p[2]})"),
        inner.map(lambda part: f"not ({part})"),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
    ),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(truths)
def test_what_is_printed_reads_as_the_same_tree(text: str) -> None:
    problems: list[Problem] = []
    found = check_conditions([(text, SPAN)], scope(), problems)
    assert problems == []
    for expr in found:
        again = check_conditions([(unparse(expr), SPAN)], scope(), problems)
        assert problems == []
        assert again == ((expr.items) if isinstance(expr, BoolOp) and expr.op == "and" else (expr,))


@settings(max_examples=200, deadline=None)
@given(plain)
def test_a_checked_tree_is_exact_numbers_all_the_way_down(text: str) -> None:
    made, problems = value(text)
    assert made is not None
    assert problems == []
    for node in walk(made):
        assert not isinstance(node, Compare)
        if isinstance(node, Const):
            assert type(node.value) is int
