"""Freshness, deadlines, lifetimes and `for`, at their boundaries."""

from __future__ import annotations

import pytest

from tests.integration.language.conftest import MakeDaemon, MakeWorld
from tests.integration.language.shop import pack, rule
from tests.support.world import START, World


@pytest.mark.parametrize(("age", "fires"), [(30_000, [30_000]), (30_001, [])])
def test_fresh_30s_holds_at_an_age_of_30_seconds_and_not_a_millisecond_later(
    world: MakeWorld, age: int, fires: list[int]
) -> None:
    w = world(
        pack(
            rule(
                "r",
                """
                - order: o
                - net: n
                  where: n.id == o.net
                  fresh: 30s
                """,
            )
        )
    )
    w.say(0, "net", id="e", fee="1")
    w.say(age, "order", id="o")
    assert [at for at, _ in w.fired()] == fires


def test_age_counts_from_observed_at_and_the_same_data_renews_it(world: MakeWorld) -> None:
    when = """
        - net: n
          fresh: 30s
        """
    w = world(pack(rule("r", when, "- conclude: alert\n  with: {id: =n.id}")))
    w.say(20_000, "net", observed_at=0, id="e", fee="1")
    w.until(30_001)
    assert [alert["id"] for alert in w.facts("alert")] == ["e"]
    w.until(30_002)
    assert w.facts("alert") == []
    w.say(40_000, "net", observed_at=35_000, id="e", fee="1")
    w.until(65_001)
    assert len(w.facts("alert")) == 1
    w.until(65_002)
    assert w.facts("alert") == []
    assert [at for at, _ in w.events("fired")] == [20_000, 40_000]
    assert [at for at, _ in w.events("ended")] == [30_001, 65_001]


@pytest.mark.parametrize(
    ("condition", "at", "fires"),
    [
        ("now <= o.at", 10_000, True),
        ("now <= o.at", 10_001, False),
        ("now < o.at", 9_999, True),
        ("now < o.at", 10_000, False),
        ("now >= o.at", 10_000, True),
        ("now > o.at", 10_000, False),
        ("now > o.at", 10_001, True),
        ("o.at - now >= seconds(4)", 6_000, True),
        ("o.at - now >= seconds(4)", 6_001, False),
        ("now + seconds(4) < o.at", 5_999, True),
        ("now + seconds(4) < o.at", 6_000, False),
        ("now - seconds(4) > o.at", 14_000, False),
        ("now - seconds(4) > o.at", 14_001, True),
    ],
)
def test_a_comparison_with_now_is_judged_at_the_entrys_time(
    world: MakeWorld, condition: str, at: int, fires: bool
) -> None:
    w = world(pack(rule("r", f"- order: o\n  where: {condition}")))
    w.say(at, "order", id="o", at=START + 10_000)
    assert [moment for moment, _ in w.fired()] == ([at] if fires else [])


@pytest.mark.parametrize(
    ("condition", "flips"),
    [
        ("now > o.at", 10_001),
        ("now >= o.at", 10_000),
        ("o.at - now <= seconds(4)", 6_000),
        ("o.at - now < seconds(4)", 6_001),
        ("now + seconds(4) > o.at", 6_001),
        ("now - seconds(4) >= o.at", 14_000),
        ("age(o) > seconds(5)", 5_001),
        ("age(o) >= seconds(5)", 5_000),
    ],
)
def test_time_alone_makes_a_condition_true_at_its_exact_instant(world: MakeWorld, condition: str, flips: int) -> None:
    w = world(pack(rule("r", f"- order: o\n  where: {condition}")))
    w.say(0, "order", id="o", at=START + 10_000)
    w.until(flips)
    assert w.fired() == []
    w.until(60_000)
    assert w.fired() == [(flips, "log.go")]


def test_an_entry_at_the_deadline_is_in_time_and_what_is_due_then_comes_after_it(world: MakeWorld) -> None:
    late = rule("late", "- order: o\n  where: now > o.at\n- without: note\n  as: x\n  where: x.id == o.id")
    w = world(pack(late))
    for name in "abc":
        w.say(0, "order", id=name, at=START + 10_000)
    w.say(10_000, "note", id="a")
    w.say(10_001, "note", id="b")
    w.until(20_000)
    # a's note came at the deadline; b's in the very millisecond the deadline was over, which entries have first.
    assert [event["group"] for _, event in w.events("fired")] == [[["c"]]]
    assert w.fired() == [(10_001, "log.go")]


def test_a_fact_lives_for_its_ttl_inclusive_and_a_renewal_prolongs_it(world: MakeWorld) -> None:
    kinds = """
          lease: {key: [id], ttl: 10s, fields: {id: id}}
        """
    gone = rule("gone", "- order: o\n- without: lease\n  as: l\n  where: l.id == o.id")
    w = world(pack(gone).replace("  note:\n", kinds.strip("\n").replace("          ", "  ") + "\n  note:\n"))
    w.say(0, "lease", id="o")
    w.say(0, "order", id="o")
    w.say(7_000, "lease", id="o")
    w.until(17_001)
    assert w.fired() == []
    w.until(17_002)
    assert w.fired() == [(17_001, "log.go")]
    assert w.facts("lease") == []


def test_for_needs_every_millisecond_and_an_entry_at_the_last_one_still_breaks_it(world: MakeWorld) -> None:
    w = world(pack(rule("r", "- net: n\n  where: n.fee < 30", more="for: 12s")))
    w.say(0, "net", id="kept", fee="29")
    w.say(0, "net", id="broken", fee="29")
    w.say(12_000, "net", id="broken", fee="30")
    w.say(12_000, "net", id="again", fee="29")
    w.say(12_001, "net", id="broken", fee="29")
    w.until(30_000)
    assert [(at, e["group"]) for at, e in w.events("fired")] == [
        (12_000, [["kept"]]),
        (24_000, [["again"]]),
        (24_001, [["broken"]]),
    ]


def test_what_is_due_together_comes_in_the_order_of_instants_then_rules_then_keys(world: MakeWorld) -> None:
    one = rule("a-slow", "- order: o", more="for: 10s")
    two = rule("b-quick", "- order: o", "- command: log.quick", more="for: 5s")
    w = world(pack(one, two))
    for at in (0, 5_000):
        for name in ("z", "a"):
            w.say(at, "order", id=f"{name}{at}")
    w.until(60_000)
    assert [(at, e["rule"], e["group"][0][0]) for at, e in w.events("fired")] == [
        (5_000, "shop.b-quick", "a0"),
        (5_000, "shop.b-quick", "z0"),
        (10_000, "shop.a-slow", "a0"),
        (10_000, "shop.a-slow", "z0"),
        (10_000, "shop.b-quick", "a5000"),
        (10_000, "shop.b-quick", "z5000"),
        (15_000, "shop.a-slow", "a5000"),
        (15_000, "shop.a-slow", "z5000"),
    ]


def test_a_thousand_deadlines_at_one_instant_fire_each_once(world: MakeWorld, daemon: MakeDaemon) -> None:
    text = pack(rule("late", "- order: o\n  where: now > o.at", "- command: log.late\n  with: {id: =o.id}"))
    names = [f"o{number}" for number in range(1_000)]
    outside = daemon(text)
    for name in names:
        outside.say(0, "order", id=name, at=START + 5_000)
    outside.until(5_002)
    made = outside.commands()
    assert {m.at for m in made} == {5_001}
    assert [m.args["id"] for m in made] == sorted(names)
    inside: World = world(text)
    for name in names[:20]:
        inside.say(0, "order", id=name, at=START + 5_000)
    inside.until(5_002)
    assert {m.id for m in inside.commands()} <= {m.id for m in made}
