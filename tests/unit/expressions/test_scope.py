"""Optional fields, locals, inner scopes, and the asset of an aggregate."""

from __future__ import annotations

import pytest

from engine.errors import Problem
from engine.model.expr import BoolOp, Has
from engine.model.kinds import Type
from engine.packs.expressions import (
    Scope,
    bind_local,
    check_aggregated,
    check_conditions,
    check_term_value,
    check_value,
)
from tests.unit.expressions.samples import SPAN, TRANSFER, condition, conditions, refused, scope


@pytest.mark.parametrize(
    "text",
    [
        "has(i.tx) and i.tx == '0x1'",
        "default(i.tx, '0x0') == '0x1'",
        "i.ok and has(i.tx) and (i.ok or i.tx == '0x1')",
        "i.tx == '0x1' if has(i.tx) else i.ok",
        "i.ok if not has(i.tx) else i.tx == '0x1'",
        "not has(i.tx) or i.tx == '0x1'",
        "i.n > (1 if has(i.tx) and i.tx == '0x1' else 2)",
    ],
)
def test_an_optional_field_may_be_read_where_it_is_known_to_be_there(text: str) -> None:
    _, problems = conditions(text)
    assert problems == []


@pytest.mark.parametrize(
    "text",
    [
        "i.tx == '0x1'",
        "i.tx == '0x1' and has(i.tx)",
        "has(i.tx) or i.tx == '0x1'",
        "(has(i.tx) or i.ok) and i.tx == '0x1'",
        "not has(i.tx) and i.tx == '0x1'",
        "has(i.cap) and i.tx == '0x1'",
        "i.ok if has(i.tx) else i.tx == '0x1'",
        "(i.ok or has(i.tx) and i.ok) and i.tx == '0x1'",
        "default(i.cap, 5) > 3 and i.tx == '0x1'",
    ],
)
def test_elsewhere_it_may_be_absent(text: str) -> None:
    assert refused(text).code == "E210"


def test_a_has_of_one_term_serves_later_terms_and_effects() -> None:
    there = scope()
    found, problems = conditions("i.ok and has(i.tx)", given=there)
    assert isinstance(found[1], Has)
    assert there.present == {("i", "tx")}
    assert check_value("i.tx", SPAN, there, problems) is not None
    assert problems == []


def test_a_top_level_and_is_flattened() -> None:
    found, problems = conditions("i.ok and (i.n > 1 and i.n < 9)", "1 < i.n < 5")
    assert problems == []
    assert len(found) == 5
    assert isinstance(condition("i.ok or i.n > 1"), BoolOp)


def aggregate(where: str, of: str = "t.amount", function: str = "sum") -> tuple[Scope, list[Problem]]:
    """A scope in which ``total`` aggregates transfers."""
    there, problems = scope(), []  # type: tuple[Scope, list[Problem]]
    inner = there.child()
    inner.aliases["t"] = TRANSFER
    inner.learn_equalities([(where, SPAN)])
    check_conditions([(where, SPAN)], inner, problems)
    over = check_aggregated(function, of, SPAN, inner, problems)
    if over is not None:
        bind_local(there, "total", over, inner)
    return there, problems


def test_a_sum_is_an_amount_of_what_its_asset_is_stated_to_equal() -> None:
    there, problems = aggregate("t.asset == i.asset_in and t.intent == i.id")
    assert there.locals["total"] == Type("amount")
    found = check_conditions([("total + i.amount > 5", SPAN)], there, problems)
    assert problems == []
    assert len(found) == 1
    check_conditions([("total > i.min_out", SPAN)], there, problems)
    assert problems[0].message == "'total' is an amount of i.asset_in, 'i.min_out' of i.asset_out"


def test_a_sum_over_unknown_assets_goes_with_nothing_outside() -> None:
    there, problems = aggregate("t.intent == i.id")
    check_conditions([("total > i.amount", SPAN)], there, problems)
    assert [(each.code, each.hint) for each in problems] == [("E207", "add 't.asset == i.asset_in'")]


def test_two_sums_over_the_same_alias_are_not_the_same_asset() -> None:
    there, problems = aggregate("t.intent == i.id")
    inner = there.child()
    inner.aliases["t"] = TRANSFER
    over = check_aggregated("sum", "t.amount", SPAN, inner, problems)
    assert over is not None
    bind_local(there, "other", over, inner)
    check_conditions([("total > other", SPAN)], there, problems)
    assert [each.code for each in problems] == ["E207"]


def test_what_an_inner_scope_proves_stays_inside() -> None:
    there, problems = aggregate("t.asset == i.asset_in and t.asset == pool.asset and has(i.tx)")
    assert problems == []
    assert there.present == set()
    assert "t" not in there.aliases
    check_conditions([("i.amount > pool.available", SPAN)], there, problems)
    assert [each.code for each in problems] == ["E207"]


@pytest.mark.parametrize(("function", "of", "code"), [("sum", "t.at", "E208"), ("max", "t.id", "E209")])
def test_an_aggregate_goes_over_numbers_that_can_be_summed(function: str, of: str, code: str) -> None:
    _, problems = aggregate("t.intent == i.id", of, function)
    assert [each.code for each in problems] == [code]


def test_the_latest_moment_may_be_taken() -> None:
    there, problems = aggregate("t.intent == i.id", "t.at", "max")
    check_conditions([("now > total + seconds(3)", SPAN)], there, problems)
    assert problems == []
    assert there.locals["total"] == Type("timestamp")


def test_a_let_keeps_the_asset_of_its_value() -> None:
    there, problems = scope(), []  # type: tuple[Scope, list[Problem]]
    net = check_term_value("floor_bps(i.amount, 9950) - 5", SPAN, there, problems)
    assert net is not None
    bind_local(there, "net", net)
    check_conditions([("net <= i.amount", SPAN), ("net <= i.min_out", SPAN)], there, problems)
    assert [each.message for each in problems] == ["'net' is an amount of i.asset_in, 'i.min_out' of i.asset_out"]


def test_a_let_that_names_an_asset_proves_it() -> None:
    there, problems = scope(), []  # type: tuple[Scope, list[Problem]]
    there.learn_equalities([("pool.asset == wanted", SPAN)])
    wanted = check_term_value("i.asset_out", SPAN, there, problems)
    assert wanted is not None
    bind_local(there, "wanted", wanted)
    check_conditions([("pool.asset == wanted and pool.available > i.min_out", SPAN)], there, problems)
    assert problems == []


def test_a_number_bound_by_its_type_alone_is_plain() -> None:
    there = scope()
    bind_local(there, "attempt", Type("int"))
    found, problems = conditions("attempt < params.count", given=there)
    assert len(found) == 1
    assert problems == []


def test_learning_passes_over_broken_text() -> None:
    there = scope()
    there.learn_equalities([(text, SPAN) for text in ("((", "a ==", "x.y == z.w", "", "1 == 2 == 'a'")])
    _, problems = conditions("i.ok", given=there)
    assert problems == []
