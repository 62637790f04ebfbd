"""The example rule of the language's page, written out as it stands there, held to the millisecond."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.language.conftest import MakeDaemon, MakeWorld
from tests.support.journal_engine import checked
from tests.support.world import START, World

PACK = """
pack: cross-network-swap
version: 1
use: [standard]
params:
  gas_cap: {type: wei, default: 30 gwei}
kinds:
  at_risk:
    concluded: true
    key: [intent]
    fields: {intent: id, why: text}
  step_note:
    key: [intent]
    ttl: 1d
    fields: {intent: id, text: {type: text, default: ""}}
schedules:
  - schedule: business-hours
    window: {open: "cron 0 8 * * mon-fri", close: "cron 0 18 * * mon-fri", timezone: Europe/Zurich}
rules:
  - rule: bridge-when-both-sides-are-ready
    doc: Start the source leg only when the far side can still pay.
    when:
      - intent: i
        where: i.state == "open" and i.source != i.target
      - network: src
        where: src.id == i.source and src.base_fee <= params.gas_cap
        fresh: 24s
        for_distinct: {of: src.height, count: 2}
        reason: GAS_CAP
      - bridge: b
        where:
          - b.source == i.source and b.target == i.target and b.asset == i.asset_in
          - not b.paused and b.capacity >= i.amount
        quorum: 2
      - latest: q
        of: quote
        where: q.intent == i.id and q.out >= i.min_out
        fresh: 30s
      - best: pool
        of: liquidity
        where: pool.network == i.target and pool.asset == i.asset_out and free(pool.available) >= i.min_out
        by: =free(pool.available)
      - without: incident
        as: x
        where: x.network in [i.source, i.target] and x.open
      - sum: pending
        of: t.amount
        over: transfer
        as: t
        where: t.asset == i.asset_in and t.source == i.source and t.state == "in_flight"
      - let: net
        be: =floor_bps(i.amount, 10000 - b.fee)
      - check: pending + net <= b.capacity
    for: 12s
    window: business-hours
    once: {key: =i.id, as: source-leg, keep: 30d}
    throttle: {per: =i.source, every: 30s}
    repeat: {every: 15s, times: 3}
    exhausted:
      - assert: incident
        with: {id: "stuck-{i.id}", network: nowhere, reason: "{i.id} after {attempt}"}
    priority: 10
    then:
      - command: executor.bridge
        with:
          intent: =i.id
          amount: =i.amount
          min_out: =floor_bps(q.out, 9950)
        expires: =now + seconds(60)
      - conclude: at_risk
        with: {intent: =i.id, why: "waits for {i.target}"}
    ended:
      - retract: step_note
        key: {intent: =i.id}
    stage: live
"""
AMOUNT, LEAST, OUT, GWEI = 75_000_000_000, 24 * 10**18, 25 * 10**18, 10**9
HOUR = 3_600_000
#: 18:00 in Zurich on the day of START, which is 09:00 there.
CLOSES = 9 * HOUR


def intent(world: World, at: int, name: str = "I1", **other: Any) -> None:  # noqa: ANN401
    """An open swap from ethereum to base."""
    values: dict[str, Any] = {
        "id": name,
        "source": "ethereum",
        "target": "base",
        "asset_in": "USDC",
        "asset_out": "WETH",
        "amount": str(AMOUNT),
        "min_out": str(LEAST),
        "deadline": START + 48 * HOUR,
    }
    world.say(at, "intent", **values | other)


def network(world: World, at: int, height: int, fee: int = 29 * GWEI) -> None:
    """What a node says of ethereum."""
    world.say(at, "network", source_="rpc", id="ethereum", height=height, base_fee=str(fee))


def bridge(world: World, at: int, watcher: str, **other: Any) -> None:  # noqa: ANN401
    """What a watcher says of the bridge."""
    values: dict[str, Any] = {
        "source": "ethereum",
        "target": "base",
        "asset": "USDC",
        "capacity": str(2 * AMOUNT),
        "fee": 5,
    }
    world.say(at, "bridge", source_=watcher, **values | other)


def quote(world: World, at: int, out: int = OUT, intent: str = "I1") -> None:
    """An offer."""
    world.say(at, "quote", id=f"q-{intent}-{at}", intent=intent, out=str(out))


def pool(world: World, at: int, available: int = LEAST, venue: str = "v") -> None:
    """What a venue on base can pay."""
    world.say(at, "liquidity", network="base", venue=venue, asset="WETH", available=str(available), height=at)


def in_flight(world: World, at: int, amount: int, name: str = "t1", source: str = "ethereum") -> None:
    """A transfer of somebody else."""
    told: dict[str, Any] = {"asset": "USDC", "amount": str(amount), "source": source, "state": "in_flight"}
    world.say(at, "transfer", id=name, **told)


def ready(world: World, at: int = 0) -> None:
    """All that the rule waits for, two seconds after ``at``."""
    intent(world, at)
    bridge(world, at, "watch-1")
    bridge(world, at, "watch-2")
    quote(world, at)
    pool(world, at)
    network(world, at, at)
    network(world, at + 2_000, at + 1)


def keep_fresh(world: World, first: int, last: int) -> None:
    """Every ten seconds another block and another quote."""
    for at in range(first, last + 1, 10_000):
        network(world, at, at)
        quote(world, at)


def test_the_example_has_no_problems(tmp_path: Path) -> None:
    rulebase, problems = checked(tmp_path, PACK)
    assert problems == []
    assert rulebase is not None
    assert [rule.name for rule in rulebase.rules] == ["cross-network-swap.bridge-when-both-sides-are-ready"]


def test_it_fires_twelve_seconds_after_the_last_condition_came(world: MakeWorld) -> None:
    w = world(PACK)
    ready(w)
    w.until(14_000)
    assert w.commands() == []
    w.until(14_001)
    (made,) = w.commands()
    assert (made.at, made.command, made.rule) == (
        14_000,
        "executor.bridge",
        "cross-network-swap.bridge-when-both-sides-are-ready",
    )
    assert made.args == {"intent": "I1", "amount": "75000000000", "min_out": "24875000000000000000"}
    assert made.expires == 74_000
    assert w.facts("at_risk") == [{"intent": "I1", "why": "waits for base"}]


def test_it_repeats_at_nominal_times_and_then_asks_for_people(world: MakeWorld) -> None:
    w = world(PACK)
    ready(w)
    keep_fresh(w, 10_000, 80_000)
    assert [at for at, _ in w.fired()] == [14_000, 29_000, 44_000, 59_000]
    assert len({made.id for made in w.commands()}) == 4
    assert [event["attempt"] for _, event in w.events("fired")] == [1, 2, 3, 4]
    assert [at for at, _ in w.events("exhausted")] == [74_000]
    (incident,) = w.facts("incident")
    assert (incident["id"], incident["reason"]) == ("stuck-I1", "I1 after 4")


def test_a_gap_begins_the_twelve_seconds_and_the_distinct_heights_anew(world: MakeWorld) -> None:
    w = world(PACK)
    ready(w)
    network(w, 10_000, 102, 30 * GWEI)  # the cap itself
    network(w, 11_000, 103, 30 * GWEI + 1)  # one wei more
    network(w, 12_000, 104, 30 * GWEI)
    network(w, 12_500, 104, 29 * GWEI)  # the same height is no second one
    network(w, 13_000, 105)
    w.until(26_000)
    assert w.fired() == [(25_000, "executor.bridge")]


def test_a_network_is_fresh_for_24_seconds_and_not_a_millisecond_more(world: MakeWorld) -> None:
    w = world(PACK)
    ready(w)
    w.until(26_001)
    assert w.events("ended") == []
    w.say(26_001, "step_note", intent="I1")
    w.until(26_002)
    assert [at for at, _ in w.events("ended")] == [26_001]
    assert w.facts("step_note") == w.facts("at_risk") == []


def test_both_watchers_must_see_the_bridge(world: MakeWorld) -> None:
    w = world(PACK)
    ready(w)
    bridge(w, 13_000, "watch-2", paused=True)
    keep_fresh(w, 13_500, 24_000)
    bridge(w, 15_000 + 10_000, "watch-2", capacity=str(AMOUNT))
    keep_fresh(w, 33_500, 40_000)
    w.until(40_000)
    assert w.fired() == [(37_000, "executor.bridge")]


def test_a_claim_that_expires_no_longer_counts_towards_the_quorum(world: MakeWorld) -> None:
    w = world(PACK)
    intent(w, 0)
    pool(w, 0)
    bridge(w, 0, "watch-1")
    bridge(w, 1, "watch-2")
    pool(w, 599_999)
    bridge(w, HOUR - 5_000, "watch-2")
    pool(w, HOUR - 4_000)
    quote(w, HOUR - 4_000)
    network(w, HOUR - 4_000, 1)
    network(w, HOUR - 3_000, 2)
    w.until(HOUR + 20_000)
    assert w.commands() == []  # watch-1's word was gone at HOUR + 1


@pytest.mark.parametrize(
    ("moment", "fires"), [(CLOSES - 14_001, [CLOSES - 1]), (CLOSES - 14_000, []), (CLOSES - 10_000, [])]
)
def test_the_window_must_be_open_all_the_time(world: MakeWorld, moment: int, fires: list[int]) -> None:
    w = world(PACK)
    ready(w, moment)
    w.until(CLOSES + 20_000)
    assert [at for at, _ in w.fired()] == fires


def test_after_the_weekend_it_opens_at_eight_in_zurich(world: MakeWorld) -> None:
    w = world(PACK)
    monday = 3 * 24 * HOUR - HOUR  # 07:00 UTC
    ready(w, monday - 10_000)
    keep_fresh(w, monday - 1_000, monday + 10_000)
    w.until(monday + 12_001)
    assert w.fired() == [(monday + 12_000, "executor.bridge")]


def test_the_second_intent_of_a_network_waits_for_the_throttle(world: MakeWorld) -> None:
    w = world(PACK)
    intent(w, 0, "I2")
    quote(w, 0, intent="I2")
    ready(w)
    for at in range(10_000, 45_000, 10_000):
        network(w, at, at)
        quote(w, at)
        quote(w, at, intent="I2")
    w.until(44_001)
    first = [(at, args["intent"]) for at, _, args in w.told() if args["intent"] == "I2"]
    assert first == [(44_000, "I2")]


def test_an_intent_that_opens_again_within_thirty_days_starts_nothing(world: MakeWorld) -> None:
    w = world(PACK)
    ready(w)
    intent(w, 15_000, state="closed")
    intent(w, 16_000)
    keep_fresh(w, 16_000, 60_000)
    assert w.fired() == [(14_000, "executor.bridge")]


def test_an_open_incident_on_either_side_stops_it_until_it_is_closed(world: MakeWorld) -> None:
    w = world(PACK)
    ready(w)
    w.say(13_000, "incident", id="x", network="base")
    keep_fresh(w, 14_000, 30_000)
    w.say(34_000, "incident", id="x", network="base", open=False)
    keep_fresh(w, 34_001, 45_000)
    w.until(46_001)
    assert w.fired() == [(46_000, "executor.bridge")]


@pytest.mark.parametrize(("more", "fires"), [(0, 1), (1, 0)])
def test_what_is_in_flight_leaves_room_or_is_one_unit_too_much(world: MakeWorld, more: int, fires: int) -> None:
    w = world(PACK)
    net = AMOUNT * 9_995 // 10_000
    in_flight(w, 0, AMOUNT - 7, "t1")
    in_flight(w, 0, 2 * AMOUNT - net - AMOUNT + 7 + more, "t2")
    in_flight(w, 0, AMOUNT, "elsewhere", "polygon")
    ready(w)
    w.until(14_001)
    assert len(w.commands()) == fires


@pytest.mark.parametrize(("available", "fires"), [(LEAST - 1, 0), (LEAST, 1)])
def test_one_unit_short_on_the_far_side_is_short(world: MakeWorld, available: int, fires: int) -> None:
    w = world(PACK)
    pool(w, 0, available, "other")
    intent(w, 0)
    bridge(w, 0, "watch-1")
    bridge(w, 0, "watch-2")
    quote(w, 0)
    network(w, 0, 1)
    network(w, 1_000, 2)
    w.until(13_001)
    assert len(w.commands()) == fires


def test_the_newest_quote_that_is_good_enough_counts(world: MakeWorld) -> None:
    w = world(PACK)
    ready(w)
    quote(w, 5_000, OUT + 4)
    quote(w, 6_000, LEAST - 1)
    w.until(14_001)
    ((_, _, args),) = w.told()
    assert args["min_out"] == str((OUT + 4) * 9950 // 10000)


def test_the_program_does_the_same_to_the_millisecond(world: MakeWorld, daemon: MakeDaemon) -> None:
    worlds: list[World] = [world(PACK), daemon(PACK)]
    for w in worlds:
        intent(w, 0, "I2")
        quote(w, 0, intent="I2")
        ready(w)
        keep_fresh(w, 10_000, 80_000)
    inside, outside = (w.commands() for w in worlds)
    assert inside == outside
    assert [at for at, _ in worlds[1].fired()] == [14_000, 29_000, 44_000, 59_000]
    assert worlds[1].facts("incident") == worlds[0].facts("incident") != []
