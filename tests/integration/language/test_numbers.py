"""Exact numbers: beyond 64 bits, at the edges of 256, rounded as named, with units; and optional fields."""

from __future__ import annotations

import pytest

from tests.integration.language.conftest import MakeWorld

HEAD = """
pack: numbers
version: 1
params:
  cap: {{type: wei, default: 30 gwei}}
  share: {{type: bps, default: 50 bps}}
  wait: {{type: duration, default: 12s}}
kinds:
  deal:
    key: [id]
    ttl: 1d
    fields:
      id: id
      asset: id
      other: id?
      a: amount(asset)
      b: amount(asset)
      c: amount(other)?
      n: {{type: int, default: 0}}
      m: {{type: uint256, default: 0}}
      w: {{type: wei, default: 0}}
      opt: int?
      word: {{type: "enum(open, closed)", default: open}}
      ids: {{type: list(id), default: []}}
      flag: {{type: bool, default: false}}
      q: quantity?
      h: hash?
rules:
  - rule: r
    when:
      - deal: d
        where: {where}
    then:
      - command: log.go
        with: {{out: '{out}'}}
"""
E63, E255, E256 = 2**63, 2**255, 2**256


def told(make: MakeWorld, where: str, out: str = "=d.id", **values: object) -> object:
    """The command's argument, or None if there is none."""
    w = make(HEAD.format(where=f"'{where}'", out=out))
    fact: dict[str, object] = {"id": "x", "asset": "USDC", "a": "0", "b": "0"}
    w.say(0, "deal", **fact | values)  # type: ignore[arg-type]
    assert w.refused() == []
    made = w.told()
    return made[0][2]["out"] if made else None


@pytest.mark.parametrize("edge", [2**53, E63, E63 + 1, 2**64, E255, E256 - 1])
def test_one_unit_short_is_short_at_every_size(world: MakeWorld, edge: int) -> None:
    assert told(world, "d.a >= d.b", a=str(edge), b=str(edge)) == "x"
    assert told(world, "d.a >= d.b", a=str(edge - 1), b=str(edge)) is None
    assert told(world, "d.a > d.b", a=str(edge), b=str(edge - 1)) == "x"
    assert told(world, "d.a == d.b", a=str(edge), b=str(edge - 1)) is None


@pytest.mark.parametrize(
    ("out", "result"),
    [
        ("=floor_div(d.a, 3)", 33),
        ("=ceil_div(d.a, 3)", 34),
        ("=floor_bps(d.a, 9995)", 99),
        ("=ceil_bps(d.a, 9995)", 100),
        ("=floor_bps(d.a, 10000 - params.share)", 99),
        ("=mul_div_floor(d.a, d.b, 7)", 100 * 5 // 7),
        ("=mul_div_ceil(d.a, d.b, 7)", -(-100 * 5 // 7)),
        ("=min(d.a, d.b)", 5),
        ("=max(d.a, d.b)", 100),
        ("=d.a - d.b * 2", 90),
        ("=d.a if d.n > 0 else d.b", 5),
        ("=-d.n", 0),
        ("=abs(0 - d.n - 7)", 7),
        ("=mod(raw(d.a), 7)", 2),
        ("=raw(d.a) * pow10(18)", 100 * 10**18),
        ("=gwei(30)", 30 * 10**9),
        ("=ether(2)", 2 * 10**18),
        ("=params.cap", 30 * 10**9),
        ("=params.wait", 12_000),
        ("=default(d.opt, 9)", 9),
        ("=minutes(2) + seconds(1) + hours(1) + days(1)", 86_400_000 + 3_600_000 + 121_000),
    ],
)
def test_arithmetic_is_exact_and_rounds_as_its_name_says(world: MakeWorld, out: str, result: int) -> None:
    # Integers and durations leave as integers, all other numbers as decimal strings.
    assert told(world, "d.a >= 0", out, a="100", b="5") in (result, str(result))


def test_products_of_the_largest_numbers_are_exact(world: MakeWorld) -> None:
    big = E256 - 1
    assert told(world, "d.a >= 0", "=mul_div_floor(d.a, d.m, d.m)", a=str(big), m=str(big)) == str(big)
    assert told(world, "raw(d.a) * raw(d.b) > raw(d.m)", a=str(big), b=str(big), m=str(big)) == "x"
    assert told(world, "d.a >= 0", "=floor_bps(d.a, 9999)", a=str(big)) == str(big * 9999 // 10000)


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ('d.word == "open"', True),
        ('d.word != "open"', False),
        ('d.word in ["closed", "open"]', True),
        ('"b" in d.ids', True),
        ('"z" in d.ids', False),
        ('"z" not in d.ids', True),
        ("not d.flag", True),
        ("has(d.opt)", False),
        ("not has(d.opt) or d.opt > 3", True),
        ("has(d.opt) and d.opt > 3", False),
        ("default(d.opt, 4) > 3", True),
        ("default(d.q, 26) == 26", True),
        ("d.w <= params.cap", True),
        ("d.w < gwei(30)", True),
        ("1 < d.n + 2 <= 2", True),
        ("d.n in [1, 2]", False),
        ('has(d.h) and d.h == "0xab"', False),
    ],
)
def test_conditions_on_every_type(world: MakeWorld, where: str, holds: bool) -> None:
    made = told(world, where.replace("'", "''"), ids=["a", "b"])
    assert (made is not None) == holds


def test_a_hash_compares_in_lower_case_whoever_spelled_it(world: MakeWorld) -> None:
    assert told(world, 'has(d.h) and d.h == "0xAbC"', h="0xaBc") == "x"


def test_a_quantity_is_an_integer_inside(world: MakeWorld) -> None:
    assert told(world, "has(d.q) and d.q * 2 == 52", "=d.q + 1", q="0x1a") in (27, "27")


def test_a_later_term_may_read_what_an_earlier_one_asked_for(world: MakeWorld) -> None:
    text = HEAD.format(where="'has(d.opt)'", out="=d.opt").replace(
        "    then:\n", "      - check: d.opt > 5\n    then:\n"
    )
    w = world(text)
    w.say(0, "deal", id="a", asset="x", a="0", b="0", opt=6)
    w.say(1, "deal", id="b", asset="x", a="0", b="0", opt=5)
    w.say(2, "deal", id="c", asset="x", a="0", b="0")
    assert w.told() == [(0, "log.go", {"out": 6})]
