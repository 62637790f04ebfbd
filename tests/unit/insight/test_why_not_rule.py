from pathlib import Path

import pytest

from engine.insight.why.answer import Seen, why_not
from engine.insight.why.candidates import AskedError
from engine.insight.why.views import Candidate, WhyNot
from tests.support.kept_world import KeptWorld
from tests.support.world import START

PACK = """
pack: gas
version: 1
kinds:
  network:
    key: [id]
    ttl: 1h
    fields: {id: id, fee: wei, height: {type: int, default: 0}}
  intent:
    key: [id]
    ttl: 1h
    fields: {id: id, network: id, is_open: {type: bool, default: true}}
  pool:
    key: [network, venue]
    ttl: 1h
    fields: {network: id, venue: id, left: int}
  incident:
    key: [id]
    ttl: 1h
    fields: {id: id, network: id}
schedules:
  - schedule: mornings
    window: {open: "cron 0 9 * * mon-fri", close: "cron 0 10 * * mon-fri", timezone: UTC}
rules:
  - rule: go
    when:
      - intent: i
        where: i.is_open
      - network: n
        where: n.id == i.network and n.fee <= gwei(30)
        fresh: 60s
        reason: GAS_CAP
      - best: p
        of: pool
        where: p.network == i.network and p.left >= 10
        by: =p.left
        reason: POOL
      - without: incident
        as: x
        where: x.network == i.network
      - count: others
        over: pool
        as: q
        where: q.network == i.network
      - let: spare
        be: =p.left - 10
      - check: spare + others >= 1
    then:
      - command: log.go
        with: {intent: =i.id}
  - rule: patient
    when:
      - network: n
        where: n.fee <= gwei(30)
    for: 10s
    throttle: {every: 60s}
    then:
      - command: log.patient
        with: {network: =n.id}
  - rule: once-only
    when:
      - network: n
        where: n.fee <= gwei(30)
    once: {key: =n.id, keep: 1d}
    then:
      - command: log.once
        with: {network: =n.id}
  - rule: in-the-morning
    when:
      - network: n
    window: mornings
    stage: shadow
    then:
      - command: log.morning
        with: {network: =n.id}
  - rule: soon
    when:
      - network: n
      - check: now >= 1800000500000
    then:
      - command: log.soon
        with: {network: =n.id}
"""


@pytest.fixture
def world(tmp_path: Path) -> KeptWorld:
    world = KeptWorld(tmp_path, PACK)
    world.say(0, "intent", id="I1", network="base")
    world.say(1_000, "network", source_="rpc", id="base", fee="29000000000")
    world.say(2_000, "pool", network="base", venue="uni", left=30)
    return world


def ask(world: KeptWorld, rule: str, *words: str, paused: tuple[str, ...] = ()) -> WhyNot:
    return why_not(Seen(world.engine, world.cursor.entry, 0, paused), rule, words)


def one(world: KeptWorld, rule: str, *words: str, paused: tuple[str, ...] = ()) -> Candidate:
    (found,) = ask(world, rule, *words, paused=paused).candidates
    return found


def holds(candidate: Candidate) -> list[bool | None]:
    return [term.holds for term in candidate.terms]


def test_the_first_term_that_does_not_hold_is_named_with_place_values_and_since(world: KeptWorld) -> None:
    world.say(5_000, "network", source_="rpc", id="base", fee="45000000000")
    answer = ask(world, "gas.go", "i=I1")
    (found,) = answer.candidates
    assert (answer.what, answer.place, answer.as_of) == ("rule", "pack0.yaml:25", START + 5_000)
    assert found.facts == {"i": "intent I1", "n": "network base"}
    assert holds(found) == [True, False, True, True, True, True, True]
    assert found.first == 1
    term = found.terms[1]
    assert (term.title, term.reason, term.line, term.since) == ("network: n", "GAS_CAP", 29, START + 5_000)
    (wrong,) = [condition for condition in term.conditions if not condition.holds]
    assert wrong.text == "n.fee <= gwei(30)"
    (read,) = wrong.reads
    assert (read.name, read.value, read.text, read.source) == ("n.fee", "45000000000", "gwei(45)", "rpc")
    assert (read.since, read.position) == (START + 5_000, f"{START + 5_000}-0")


def test_stale_knowledge_does_not_hold_from_the_instant_it_became_too_old(world: KeptWorld) -> None:
    world.until(100_000)
    found = one(world, "go")
    assert found.first == 1
    assert found.terms[1].since == START + 1_000 + 60_001
    assert found.terms[1].notes == ("fresh: 1m, but it was observed 1m 39s ago",)


def test_a_fact_that_is_not_there_is_named_with_those_that_are(world: KeptWorld) -> None:
    found = one(world, "go", "i=I2")
    assert found.missing == ("i",)
    assert found.held_back[0].why == "missing"
    assert found.held_back[0].text == "there is no intent I2; there is I1"
    assert found.first == 0


def test_a_pair_whose_keys_do_not_belong_together_says_which_equality_fails(world: KeptWorld) -> None:
    world.say(3_000, "network", id="mainnet", fee="1")
    found = one(world, "go", "i=I1", "n=mainnet")
    assert found.first == 1
    (wrong,) = [c for c in found.terms[1].conditions if c.holds is False]
    assert wrong.text == "n.id == i.network"
    assert {read.name: read.value for read in wrong.reads} == {"n.id": "mainnet", "i.network": "base"}


def test_what_is_in_the_way_and_what_almost_fits_are_named(world: KeptWorld) -> None:
    world.say(3_000, "incident", id="X1", network="base")
    world.say(4_000, "pool", network="base", venue="uni", left=9)
    world.say(4_001, "pool", network="mainnet", venue="uni", left=90)
    found = one(world, "go")
    assert holds(found) == [True, True, False, False, True, None, None]
    pick, without = found.terms[2], found.terms[3]
    assert pick.near[0].fact == "pool base/uni"
    assert [condition.text for condition in pick.near[0].conditions] == ["p.left >= 10"]
    assert [near.fact for near in without.near] == ["incident X1"]
    assert without.since == START + 3_000


def test_a_rule_that_has_fired_says_when(world: KeptWorld) -> None:
    found = one(world, "go", "n=base")
    assert found.holds
    assert found.first is None
    assert found.terms[4].value == "1"
    assert found.terms[5].value == "20"
    assert [(hold.why, hold.at) for hold in found.held_back] == [("fired", START + 2_000)]


def test_what_holds_back_a_match_that_holds_is_told_with_its_end(world: KeptWorld) -> None:
    waiting = one(world, "patient")
    assert [(h.why, h.at, h.until) for h in waiting.held_back] == [("for", START + 1_000, START + 11_000)]
    world.until(12_000)
    world.say(13_000, "network", id="mainnet", fee="1")
    world.until(24_000)
    held = one(world, "patient", "n=mainnet").held_back
    assert [(h.why, h.until) for h in held] == [("throttle", START + 71_000)]
    world.say(25_000, "network", id="base", fee="45000000000")
    world.say(26_000, "network", id="base", fee="1")
    (once,) = one(world, "once-only", "n=base", paused=("connector:other",)).held_back
    assert (once.why, once.at, once.until) == ("once", START + 1_000, START + 1_000 + 86_400_000)
    paused = one(world, "once-only", "n=base", paused=("connector:log", "rule:gas.once-only")).held_back
    assert [hold.why for hold in paused] == ["once", "paused", "paused"]


def test_a_closed_window_and_a_shadow_are_told(world: KeptWorld) -> None:
    answer = ask(world, "in-the-morning")
    assert [note.why for note in answer.notes] == ["shadow"]
    (found,) = answer.candidates
    assert [(h.why, h.until) for h in found.held_back] == [("window", START + 3_600_000)]


def test_what_time_alone_will_change_says_when(world: KeptWorld) -> None:
    found = one(world, "soon")
    assert found.first == 1
    assert found.terms[1].until == START + 500_000


def test_without_facts_named_the_match_that_comes_furthest_is_first(world: KeptWorld) -> None:
    for number in range(2, 7):
        world.say(3_000 + number, "intent", id=f"I{number}", network="base", is_open=False)
    answer = ask(world, "go")
    assert [each.facts["i"] for each in answer.candidates] == ["intent I1", "intent I2", "intent I3"]
    assert answer.more == 3


def test_a_rule_without_any_fact_says_that_there_is_none(tmp_path: Path) -> None:
    found = one(KeptWorld(tmp_path, PACK), "go")
    assert found.terms[0].notes == ("there is no such intent",)
    assert found.first == 0


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("gas.goo",), "U163", "did you mean gas.go"),
        (("go", "I1"), "U160", "write alias=key"),
        (("go", "m=base"), "U161", "i (intent), n (network)"),
        (("go", "n=base/x/y{"), "", ""),
        (("go", 'n=["a","b"]'), "U162", "write it as ID"),
        (("go", "n={oops"), "U162", "write it as ID"),
    ],
)
def test_a_question_that_cannot_be_understood_is_refused_with_a_hint(
    world: KeptWorld, words: tuple[str, ...], code: str, hint: str
) -> None:
    if not code:
        assert one(world, *words).missing == ("n",)
        return
    with pytest.raises(AskedError) as refused:
        ask(world, *words)
    assert refused.value.code == code
    assert hint in refused.value.hint


def test_the_answer_is_plain_json(world: KeptWorld) -> None:
    told = ask(world, "go", "i=I1").as_dict()
    assert told["candidates"][0]["terms"][0]["conditions"][0]["reads"][0]["value"] is True
