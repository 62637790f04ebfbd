"""Time terms are normalised to ``now OP bound``."""

from __future__ import annotations

import pytest

from engine.model.expr import Age, Arith, Const, Now, ObservedAt, TimeTest
from engine.model.kinds import Type
from tests.unit.expressions.samples import condition, printed, refused, value


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("now < i.deadline", "now < i.deadline"),
        ("i.deadline < now", "now > i.deadline"),
        ("now - minutes(5) >= i.deadline", "now >= i.deadline + minutes(5)"),
        ("now + i.wait <= i.deadline", "now <= i.deadline - i.wait"),
        ("now - i.deadline <= i.wait", "now <= i.deadline + i.wait"),
        ("i.deadline - now >= hours(12)", "now <= i.deadline - hours(12)"),
        ("hours(12) < i.deadline - now", "now < i.deadline - hours(12)"),
        ("i.deadline - now >= 0", "now <= i.deadline"),
        ("age(pool) <= seconds(30)", "age(pool) <= seconds(30)"),
        ("seconds(30) < age(pool)", "age(pool) > seconds(30)"),
        ("age(pool) - i.wait < 5000", "age(pool) < i.wait + seconds(5)"),
        ("not now > i.deadline", "not now > i.deadline"),
        ("i.ok or age(pool) > i.wait", "i.ok or age(pool) > i.wait"),
        ("raw(now) > 5", "now > 5"),
    ],
)
def test_a_time_term_is_normalised(text: str, normal: str) -> None:
    assert printed(text) == [normal]


def test_an_age_is_a_moment_after_the_claim_was_observed() -> None:
    moment, length = Type("timestamp"), Type("duration")
    bound = Arith("+", ObservedAt("pool", moment), Const(30_000, length), moment)
    assert condition("age(pool) <= 30000") == TimeTest("<=", bound, Type("bool"))


def test_a_chain_with_now_in_it_becomes_two_terms() -> None:
    assert printed("pool.seen <= now < i.deadline") == ["now >= pool.seen", "now < i.deadline"]


@pytest.mark.parametrize(
    "text",
    [
        "age(i) < age(pool)",
        "now < now + i.wait",
        "now - i.deadline < age(i)",
        "max(now, i.deadline) > pool.seen",
        "(now if i.ok else i.deadline) > pool.seen",
        "now in [i.deadline]",
        "(now - i.deadline) * 2 > i.wait",
        "now > (i.deadline if now > pool.seen else pool.seen)",
    ],
)
def test_time_that_changes_otherwise_is_refused(text: str) -> None:
    assert refused(text).code == "E211"


@pytest.mark.parametrize("text", ["now == i.deadline", "i.wait != age(i)", "age(i) == 0"])
def test_an_instant_is_never_met_exactly(text: str) -> None:
    assert refused(text).code == "E212"


def test_time_needs_the_unit_of_time() -> None:
    assert refused("age(i) < i.n").code == "E208"
    assert refused("now < i.wait").code == "E208"
    assert refused("now < i.amount").code == "E208"


def test_in_an_effect_time_is_a_plain_value() -> None:
    moment, length = Type("timestamp"), Type("duration")
    made, problems = value("now + seconds(60)")
    assert (made, problems) == (Arith("+", Now(moment), Const(60_000, length), moment), [])
    made, problems = value("age(i)", "duration")
    assert (made, problems) == (Age("i", length), [])
    made, problems = value("1 if now == i.deadline else 2")
    assert problems == []
