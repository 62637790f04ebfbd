"""What rules remember: edges, `once`, `throttle`, `repeat`, `per`, priorities, and the endings of all that."""

from __future__ import annotations

import pytest

from tests.integration.language.conftest import MakeWorld
from tests.integration.language.shop import pack, rule

CHEAP = "- net: n\n  where: n.fee < 30"
GO = "- command: log.go\n  with: {id: =n.id, attempt: =attempt}"
MINUTE, DAY = 60_000, 86_400_000


def test_a_rule_fires_on_the_edge_and_again_only_after_it_stopped_holding(world: MakeWorld) -> None:
    w = world(pack(rule("r", CHEAP)))
    for at, fee in enumerate(["29", "28", "30", "30", "29"]):
        w.say(at, "net", id="e", fee=fee)
    assert [at for at, _ in w.fired()] == [0, 4]


def test_a_fact_that_goes_and_comes_back_is_a_new_edge(world: MakeWorld) -> None:
    w = world(pack(rule("r", CHEAP)))
    w.say(0, "net", id="e", fee="1")
    w.retract(1, "net", id="e")
    w.say(2, "net", id="e", fee="1")
    assert [at for at, _ in w.fired()] == [0, 2]
    assert len({made.id for made in w.commands()}) == 2


def test_rules_share_a_once_memory_by_its_name_and_only_the_first_fires(world: MakeWorld) -> None:
    over = rule("over", "- order: o\n  where: o.n > 10", more="once: {key: =o.id, as: side}")
    under = rule("under", "- order: o\n  where: o.n < 10", "- command: log.back", more="once: {key: =o.id, as: side}")
    other = rule("other", "- order: o\n  where: o.n < 10", "- command: log.other", more="once: {key: =o.id}")
    w = world(pack(over, under, other))
    w.say(0, "order", id="a", n=11)
    w.say(1, "order", id="a", n=9)
    w.say(2, "order", id="b", n=9)
    w.say(3, "order", id="b", n=11)
    assert w.fired() == [(0, "log.go"), (1, "log.other"), (2, "log.other"), (2, "log.back")]


def test_once_is_shared_within_a_pack_and_not_between_packs(world: MakeWorld) -> None:
    first = pack(rule("r", "- order: o", more="once: {key: =o.id, as: side}"))
    second = (
        "pack: two\nversion: 1\nuse: [shop]\nrules:\n  - rule: r\n    when: [{order: o}]\n"
        "    once: {key: =o.id, as: side}\n    then: [{command: log.two}]\n"
    )
    w = world(first, second)
    w.say(0, "order", id="a")
    assert sorted(w.fired()) == [(0, "log.go"), (0, "log.two")]


@pytest.mark.parametrize(("again", "fires"), [(MINUTE, [0]), (MINUTE + 1, [0, MINUTE + 1])])
def test_once_is_kept_for_so_long_inclusive(world: MakeWorld, again: int, fires: list[int]) -> None:
    w = world(pack(rule("r", CHEAP, more="once: {key: =n.id, keep: 1m}")))
    w.say(0, "net", id="e", fee="1")
    w.say(1, "net", id="e", fee="30")
    w.say(again, "net", id="e", fee="2")
    assert [at for at, _ in w.fired()] == fires


def test_a_throttled_firing_comes_at_the_first_instant_allowed_if_it_still_holds(world: MakeWorld) -> None:
    w = world(pack(rule("r", CHEAP, "- command: log.go\n  with: {id: =n.id}", "throttle: {every: 30s}")))
    w.say(0, "net", id="a", fee="1")
    w.say(5_000, "net", id="b", fee="1")
    w.say(6_000, "net", id="c", fee="1")
    w.say(7_000, "net", id="d", fee="1")
    w.say(29_999, "net", id="b", fee="30")
    w.until(200_000)
    assert [(at, args["id"]) for at, _, args in w.told()] == [(0, "a"), (30_000, "c"), (60_000, "d")]


def test_a_throttle_counts_for_each_value_apart(world: MakeWorld) -> None:
    w = world(pack(rule("r", "- order: o", more="throttle: {per: =o.net, every: 30s}")))
    for number, net in enumerate(["e", "b", "e", "b", "e"]):
        w.say(number, "order", id=f"{number}", net=net)
    w.until(100_000)
    assert [at for at, _ in w.fired()] == [0, 1, 30_000, 30_001, 60_000]


def test_repeats_come_at_nominal_times_and_count_their_attempts(world: MakeWorld) -> None:
    w = world(pack(rule("r", CHEAP, GO, "repeat: {every: 15s, times: 3}")))
    w.say(100, "net", id="e", fee="1")
    w.until(20_000)
    w.until(200_000)
    assert [(at, args["attempt"]) for at, _, args in w.told()] == [
        (100, 1),
        (15_100, 2),
        (30_100, 3),
        (45_100, 4),
    ]
    assert len({made.id for made in w.commands()}) == 4


def test_repeats_end_when_it_no_longer_holds_and_begin_anew_with_the_next_edge(world: MakeWorld) -> None:
    more = (
        "repeat: {every: 10s, times: 2}\nexhausted:\n  - assert: note\n    with: {id: =n.id, text: 'after {attempt}'}"
    )
    w = world(pack(rule("r", CHEAP, GO, more)))
    w.say(0, "net", id="e", fee="1")
    w.say(10_000, "net", id="e", fee="30")  # an entry at the instant of the repeat comes before it
    w.say(15_000, "net", id="e", fee="1")
    w.until(45_000)
    assert [at for at, _ in w.fired()] == [0, 15_000, 25_000, 35_000]
    assert w.facts("note") == []
    w.until(45_001)
    assert w.facts("note")[0]["text"] == "after 3"
    w.until(DAY)
    assert len(w.commands()) == 4


def test_per_groups_hold_as_long_as_some_match_does(world: MakeWorld) -> None:
    more = "per: =o.net\nfor: 10s"
    w = world(pack(rule("r", "- order: o\n  where: o.n > 0", "- command: log.go\n  with: {id: =o.id}", more)))
    w.say(0, "order", id="first", n=1)
    w.say(4_000, "order", id="second", n=1)
    w.say(6_000, "order", id="first", n=0)  # the group goes on with the second
    w.say(7_000, "order", id="elsewhere", net="x", n=1)
    w.until(10_001)
    assert w.told() == [(10_000, "log.go", {"id": "second"})]
    w.say(11_000, "order", id="third", n=1)
    w.until(60_000)
    assert [(at, args["id"]) for at, _, args in w.told()] == [(10_000, "second"), (17_000, "elsewhere")]


def test_hysteresis_switches_on_below_and_off_above_and_not_between(world: MakeWorld) -> None:
    on = rule(
        "on",
        "- net: n\n  where: n.fee < 30\n  for_distinct: {of: n.height, count: 2}\n"
        "- note: x\n  where: x.id == n.id and x.text == 'dear'",
        "- assert: note\n  with: {id: =n.id, text: cheap}\n- command: log.on\n  with: {h: =n.height}",
    )
    off = rule(
        "off",
        "- net: n\n  where: n.fee > 40\n- note: x\n  where: x.id == n.id and x.text == 'cheap'",
        "- assert: note\n  with: {id: =n.id, text: dear}\n- command: log.off\n  with: {h: =n.height}",
    )
    w = world(pack(on, off))
    w.say(0, "note", id="e", text="dear")
    fees = [35, 29, 31, 28, 29, 35, 39, 40, 41, 39, 29, 29, 28]
    for height, fee in enumerate(fees):
        w.say(height * 1_000, "net", id="e", fee=str(fee), height=height)
    told = [(command, args["h"]) for _, command, args in w.told()]
    assert told == [("log.on", 4), ("log.off", 8), ("log.on", 11)]


def test_higher_priority_first_and_its_effects_stop_the_others(world: MakeWorld) -> None:
    when = "- order: o\n- net: n\n  where: n.id == o.net\n- note: token\n  where: token.id == n.id"
    take = "- retract: note\n  key: {id: =token.id}\n- command: log.take\n  with: {id: =o.id}"
    w = world(pack(rule("take", when, take, "priority: =o.n")))
    for name, n in (("low", 1), ("high", 7), ("mid", 5)):
        w.say(0, "order", id=name, n=n)
    w.say(0, "note", id="e")
    w.say(1, "net", id="e", fee="1")
    assert w.told() == [(1, "log.take", {"id": "high"})]
    w.retract(2, "order", id="high")
    w.say(3, "note", id="e")
    # They stopped holding when the token went; now all that are left hold anew and the best is first again.
    assert w.told()[1:] == [(3, "log.take", {"id": "mid"})]


def test_equal_priorities_go_by_the_earlier_moment_then_the_rules_name_then_the_key(world: MakeWorld) -> None:
    rules = [rule(name, "- order: o", f"- command: log.{name}\n  with: {{id: =o.id}}") for name in ("b", "a")]
    urgent = rule("z", "- order: o", "- command: log.z\n  with: {id: =o.id}", "priority: 1")
    w = world(pack(*rules, urgent))
    w.say(0, "order", id="2")
    w.say(0, "order", id="1")
    assert [(command, args["id"]) for _, command, args in w.told()] == [
        ("log.z", "2"),
        ("log.a", "2"),
        ("log.b", "2"),
        ("log.z", "1"),
        ("log.a", "1"),
        ("log.b", "1"),
    ]


def test_ended_is_exact_also_when_time_alone_ends_it(world: MakeWorld) -> None:
    more = "ended:\n  - assert: note\n    with: {id: =n.id, text: 'was {n.fee}'}"
    w = world(pack(rule("r", CHEAP + "\n  fresh: 10s", GO, more)))
    w.say(0, "net", id="e", fee="1")
    w.say(5_000, "net", id="e", fee="2")
    w.until(15_001)
    assert w.facts("note") == []
    w.until(15_002)
    assert w.facts("note")[0]["text"] == "was 2"
    assert [at for at, _ in w.events("ended")] == [15_001]


def test_a_rule_that_never_fired_ends_nothing(world: MakeWorld) -> None:
    more = "for: 10s\nended:\n  - assert: note\n    with: {id: =n.id}"
    w = world(pack(rule("r", CHEAP, GO, more)))
    w.say(0, "net", id="e", fee="1")
    w.say(9_999, "net", id="e", fee="30")
    w.until(60_000)
    assert w.facts("note") == []


def test_a_shadow_rule_is_audited_and_does_nothing(world: MakeWorld) -> None:
    effects = "- command: log.go\n- assert: note\n  with: {id: =n.id}\n- conclude: alert\n  with: {id: =n.id}"
    w = world(pack(rule("r", CHEAP, effects, "stage: shadow\nonce: {key: =n.id, as: side}")))
    w.say(0, "net", id="e", fee="1")
    assert w.commands() == []
    assert w.facts("note") == w.facts("alert") == w.facts("command") == []
    ((at, event),) = w.events("shadow_fired")
    assert (at, len(event["commands"]), len(event["asserts"]), len(event["concludes"])) == (0, 1, 1, 1)
