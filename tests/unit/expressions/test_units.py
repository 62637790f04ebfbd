"""Which quantities go together, and what comes out."""

from __future__ import annotations

import pytest

from engine.model.expr import Arith, Compare, Const, FieldRef
from engine.model.kinds import Type
from tests.unit.expressions.samples import INTENT, condition, conditions, printed, refused, value


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("i.amount - 5", "amount"),
        ("i.amount * 3", "amount"),
        ("i.n * i.amount", "amount"),
        ("i.tip + gwei(3)", "wei"),
        ("i.n + pool.fee", "int"),
        ("10000 - pool.fee", "bps"),
        ("i.big + i.n", "uint256"),
        ("i.deadline - pool.seen", "duration"),
        ("i.deadline + hours(2)", "timestamp"),
        ("i.wait + i.deadline", "timestamp"),
        ("i.deadline - 1000", "timestamp"),
        ("now - i.deadline", "duration"),
        ("i.wait * 2 + seconds(i.n)", "duration"),
        ("floor_div(i.amount, 2)", "amount"),
        ("floor_div(i.amount, i.amount)", "int"),
        ("ceil_div(i.wait, hours(1))", "int"),
        ("mod(i.deadline, days(1))", "duration"),
        ("mod(i.amount, 7)", "amount"),
        ("floor_bps(i.amount, 10000 - pool.fee)", "amount"),
        ("mul_div_floor(i.amount, i.n, 100)", "amount"),
        ("mul_div_ceil(i.n, i.wait, seconds(1))", "int"),
        ("mul_div_floor(i.amount, 1000, i.amount)", "int"),
        ("mul_div_floor(i.amount, pow10(18), i.min_out)", "int"),
        ("mul_div_floor(i.amount, i.min_out, i.amount)", "amount"),
        ("min(i.tip, gwei(3), 5)", "wei"),
        ("max(i.n, pool.fee)", "int"),
        ("abs(i.amount - 5)", "amount"),
        ("raw(i.amount)", "int"),
        ("bps(50)", "bps"),
        ("5 if i.ok else i.tip", "wei"),
        ("i.id if i.ok else 'none'", "id"),
        ("default(i.cap, 5)", "wei"),
        ("free(pool.available) - 5", "amount"),
        ("pow10(i.n)", "int"),
        ("-i.amount", "amount"),
    ],
)
def test_the_unit_of_a_computation(text: str, unit: str) -> None:
    made, problems = value(text)
    assert problems == []
    assert made is not None
    assert made.type.name == unit


@pytest.mark.parametrize(
    "text",
    [
        "i.amount > i.n",
        "i.amount + i.tip > 5",
        "i.amount * i.amount > 5",
        "i.deadline > i.wait",
        "i.deadline * 2 > now",
        "i.deadline + i.deadline > now",
        "i.wait - i.deadline > 5",
        "i.wait > i.n",
        "i.deadline + i.n > now",
        "floor_div(i.deadline, 2) > 5",
        "floor_div(i.n, i.amount) > 5",
        "floor_bps(i.n, i.amount) > 5",
        "min(i.tip, i.wait) > 5",
        "pow10(i.wait) > 5",
        "gwei(i.tip) > 5",
        "-i.deadline < 5",
        "i.wait in [i.n, 5]",
        "(i.wait if i.ok else i.n) > 5",
        "default(i.cap, i.n) > 5",
    ],
)
def test_quantities_of_different_units_do_not_mix(text: str) -> None:
    assert refused(text).code == "E208"


def test_a_literal_takes_the_unit_beside_it() -> None:
    compare = condition("i.tip <= 2 * 15")
    assert isinstance(compare, Compare)
    assert compare.right == Const(30, Type("wei"))


def test_units_are_unfolded() -> None:
    assert condition("gwei(30) == i.tip") == Compare(
        "==",
        Const(30_000_000_000, Type("wei")),
        FieldRef("i", "tip", INTENT.positions["tip"], Type("wei")),
        Type("bool"),
    )
    made, _ = value("minutes(i.n)")
    assert made == Arith(
        "*", FieldRef("i", "n", INTENT.positions["n"], Type("int")), Const(60_000, Type("int")), Type("duration")
    )


@pytest.mark.parametrize(
    "proof",
    [
        "pool.asset == i.asset_out",
        "i.asset_out == pool.asset",
        "pool.asset in [i.asset_out]",
        "pool.asset == i.why and i.why == i.asset_out",
        "pool.asset == 'USDC' and i.asset_out == params.usd",
        "pool.asset == i.why == i.asset_out",
        "(i.ok and (pool.asset == i.asset_out))",
    ],
)
def test_the_rules_own_equalities_prove_the_asset_in_any_order(proof: str) -> None:
    for texts in (("pool.available >= i.min_out", proof), (proof, "pool.available >= i.min_out")):
        _, problems = conditions(*texts)
        assert problems == []


@pytest.mark.parametrize(
    "no_proof",
    [
        "pool.asset == i.asset_in",
        "pool.asset == i.asset_out or i.ok",
        "not pool.asset == i.asset_out",
        "pool.asset != i.asset_out",
        "pool.asset in [i.asset_out, i.asset_in]",
        "pool.asset == 'USDC' and i.asset_out == 'USDT'",
    ],
)
def test_what_does_not_always_hold_proves_nothing(no_proof: str) -> None:
    _, problems = conditions("pool.available >= i.min_out", no_proof)
    assert [each.code for each in problems] == ["E207"]


@pytest.mark.parametrize(
    "text",
    [
        "pool.available + i.min_out > 5",
        "min(pool.available, i.min_out) > 5",
        "mul_div_floor(i.n, pool.available, i.min_out) > 5",
        "floor_div(pool.available, i.min_out) > 5",
        "(pool.available if i.ok else i.min_out) > 5",
        "pool.available - 5 > i.n * i.min_out",
        "floor_bps(pool.available, 9950) >= i.min_out",
    ],
)
def test_every_way_of_bringing_two_amounts_together_needs_the_proof(text: str) -> None:
    problem = refused(text)
    assert (problem.code, problem.hint) == ("E207", "add 'pool.asset == i.asset_out'")
    _, problems = conditions(text, "pool.asset == i.asset_out")
    assert problems == []


def test_a_parameters_amount_has_the_asset_its_type_names() -> None:
    assert refused("pool.available >= params.least").hint == "add 'pool.asset == params.usd'"
    assert printed("pool.available >= params.least", 'pool.asset == "USDC"')[0] == "pool.available >= params.least"


def test_raw_is_the_way_around() -> None:
    assert printed("raw(pool.available) >= raw(i.tip)") == ["pool.available >= i.tip"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("i.n", "amount(asset)"),
        ("i.amount", "amount(asset)"),
        ("5", "wei"),
        ("now + 1000", "timestamp"),
        ("age(i)", "duration"),
        ("i.state", "text"),
        ("i.tx if has(i.tx) else '0x00'", "hash"),
        ("i.tags", "list(id)"),
        ("i.note", "json"),
        ("raw(i.amount)", "uint256"),
        ("i.ok and i.n > 3", "bool"),
        ("'open' if i.ok else 'done'", "enum(open, done)"),
    ],
)
def test_values_that_fit_their_field(text: str, expected: str) -> None:
    made, problems = value(text, expected)
    assert problems == []
    assert made is not None


@pytest.mark.parametrize(
    "text",
    [
        "i.id == i.why",
        "i.id == 'I1'",
        "i.owner == '0xAbC'",
        "i.state == pool.state",
        "i.id in i.tags",
        "'a' not in i.tags",
        "i.ok == true",
        "i.ok != False",
        "i.state == ('open' if i.ok else 'done')",
    ],
)
def test_texts_that_may_be_compared(text: str) -> None:
    _, problems = conditions(text)
    assert problems == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("i.id == i.owner", "E209"),
        ("i.state == i.id", "E209"),
        ("i.state == pool.mode", "E216"),
        ("i.owner == 'me'", "E216"),
        ("i.ok == i.id", "E209"),
        ("i.ok < true", "E209"),
        ("i.id in i.why", "E209"),
        ("i.id in []", "E209"),
        ("i.tags == i.tags", "E220"),
        ("i.id + 'a' == 'b'", "E209"),
        ("not i.n", "E217"),
    ],
)
def test_texts_and_booleans_that_cannot_be(text: str, code: str) -> None:
    assert refused(text).code == code


def test_a_hash_literal_is_read_in_lower_case() -> None:
    assert printed("i.owner == '0xABC'") == ['i.owner == "0xabc"']


def test_an_unbound_rule_is_not_a_crash_but_a_problem() -> None:
    assert refused("pool").code == "E209"
    assert refused("params").code == "E209"
    assert refused("has").code == "E205"
