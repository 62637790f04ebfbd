"""The reckoning at the end must find every way in which chains and ledgers can differ, and by how much."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from engine.insight.chains.accounts import rows, wrong
from engine.insight.chains.effects import Effects
from engine.insight.chains.ground import Place

IN, BRIDGED, HOME_AGAIN, OUT = 75_000_000_000, 74_962_500_000, 74_925_018_750, 24 * 10**18


def coordination(intent: str, verdict: str, ledger: dict[str, dict[str, str]], fees: int) -> dict[str, Any]:
    gives = [{"asset": "USDX", "amount": str(IN), "place": "home"}]
    told = {"coordination": intent, "verdict": verdict, "ledger": ledger, "fees": {"USDX": str(fees)}}
    return told | {"steps": [{"gives": gives}, {"gives": None}]}


TOLD = [
    coordination("a", "COMPLETED", {"far": {"ETHX": str(OUT)}}, IN - BRIDGED),
    coordination("b", "REFUNDED", {"home": {"USDX": str(HOME_AGAIN)}}, IN - HOME_AGAIN),
]


def world() -> tuple[dict[Place, int], dict[Place, int], Effects]:
    """Balances before and after, and the effects, of one swap and one return."""
    owners = ("operator", "pool", "bridge", "whale")
    before = {(n, o, a): 10**24 for n in ("home", "far") for o in owners for a in ("USDX", "ETHX")}
    after = dict(before)
    after["home", "operator", "USDX"] += HOME_AGAIN - 2 * IN
    after["home", "bridge", "USDX"] += 2 * IN - HOME_AGAIN
    after["far", "bridge", "USDX"] -= BRIDGED
    after["far", "pool", "USDX"] += BRIDGED
    after["far", "pool", "ETHX"] -= OUT
    after["far", "operator", "ETHX"] += OUT
    times = Counter(
        {
            ("a", "home", "Deposited"): 1,
            ("a", "far", "Released"): 1,
            ("a", "far", "Swapped"): 1,
            ("b", "home", "Deposited"): 1,
            ("b", "far", "Released"): 1,
            ("b", "far", "Deposited"): 1,
            ("b", "home", "Released"): 1,
        }
    )
    moved = Counter(
        {
            ("a", "home", "USDX"): -IN,
            ("a", "far", "USDX"): 0,
            ("a", "far", "ETHX"): OUT,
            ("b", "home", "USDX"): HOME_AGAIN - IN,
            ("b", "far", "USDX"): 0,
        }
    )
    return before, after, Effects(times, moved)


def test_chains_and_ledgers_that_agree_have_no_problem() -> None:
    before, after, caused = world()
    assert wrong(before, after, TOLD, caused) == []
    changes = {(row.asset, row.network): (row.change, row.ledgers) for row in rows(before, after, TOLD)}
    assert changes["USDX", "home"] == (HOME_AGAIN - 2 * IN, HOME_AGAIN - 2 * IN)
    assert changes["ETHX", "far"] == (OUT, OUT)


def test_a_single_unit_that_another_holds_is_told() -> None:
    before, after, caused = world()
    after["far", "operator", "ETHX"] -= 1
    after["far", "whale", "ETHX"] += 1
    (problem,) = wrong(before, after, TOLD, caused)
    assert problem.startswith(
        "ETHX on far: the balance changed by 23.999999999999999999 ETHX, by the ledgers by 24 ETHX"
    )
    assert problem.endswith("they differ by -1 units")


def test_what_appears_out_of_nothing_is_told() -> None:
    before, after, caused = world()
    after["home", "whale", "USDX"] += 5
    assert wrong(before, after, TOLD, caused) == ["5 units of USDX have appeared on home, held by nobody before"]


def test_a_bridge_that_kept_another_fee_than_the_ledgers_say_is_told() -> None:
    before, after, caused = world()
    after["home", "bridge", "USDX"] += 3
    after["home", "whale", "USDX"] -= 3
    fees = 2 * IN - BRIDGED - HOME_AGAIN
    assert wrong(before, after, TOLD, caused) == [
        f"the bridges kept {fees + 3} units of USDX, and the ledgers' fees are {fees}"
    ]


def test_value_that_a_ledger_still_has_on_the_bridge_is_told() -> None:
    before, after, caused = world()
    lost = coordination("a", "COMPLETED", {"far": {"ETHX": str(OUT)}, "bridge": {"USDX": "7"}}, IN - BRIDGED)
    assert wrong(before, after, [lost, TOLD[1]], caused) == [
        "the ledgers still have 0.000007 USDX at bridge",
        "a moved 0 USDX on bridge, and by its ledger 0.000007 USDX",
    ]


def test_ledgers_that_agree_in_all_but_not_each_for_itself_are_told() -> None:
    before, after, caused = world()
    caused.moved["a", "home", "USDX"] += 1
    caused.moved["b", "home", "USDX"] -= 1
    assert wrong(before, after, TOLD, caused) == [
        "a moved -74,999.999999 USDX on home, and by its ledger -75,000 USDX",
        "b moved -74.981251 USDX on home, and by its ledger -74.98125 USDX",
    ]


@pytest.mark.parametrize(
    ("effect", "times", "told"),
    [
        (("a", "home", "Deposited"), 2, "Deposited of a is 2 times on home, and must be 1 times"),
        (("a", "far", "Swapped"), 0, "Swapped of a is 0 times on far, and must be 1 times"),
        (("b", "far", "Swapped"), 1, "Swapped of b is 1 times on far, and must be 0 times"),
        (("nobody", "home", "Released"), 1, "Released of nobody is 1 times on home, and must be 0 times"),
    ],
)
def test_an_effect_too_many_or_too_few_is_told(effect: tuple[str, str, str], times: int, told: str) -> None:
    before, after, caused = world()
    caused.times[effect] = times
    assert wrong(before, after, TOLD, caused) == [told]
