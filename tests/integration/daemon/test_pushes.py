"""Rules are replaced while facts stream in: at one place in the order, with nothing lost and nothing fired twice."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.world import KEYS, Fact, World
from tests.integration.cli.program import RunningDaemon

PACK = """
pack: gas
version: 1
kinds:
  network:
    key: [id]
    ttl: 1h
    fields: {id: id, fee: int}
  intent:
    key: [id]
    ttl: 1h
    fields: {id: id, network: id}
  at_risk:
    concluded: true
    key: [intent]
    fields: {intent: id}
rules:
  - rule: go
    when:
      - intent: i
      - network: n
        where: n.id == i.network and n.fee <= 30
    then:
      - command: executor.go
        with: {intent: =i.id, fee: =n.fee}
  - rule: risk
    when:
      - intent: i
      - network: n
        where: n.id == i.network and n.fee > 30
    then:
      - conclude: at_risk
        with: {intent: =i.id}
"""


@pytest.fixture
def running(world: World) -> RunningDaemon:
    """A daemon with the pack in force; what it sends is held back, for the outbox tells enough."""
    world.redis.hset(KEYS.meta, "paused:connector:executor", "1")
    daemon = world.daemon("--packs", world.pack("gas", PACK))
    world.wait_until(lambda: world.redis.hexists(KEYS.meta, "revision"), daemon)
    return daemon


def push(world: World, text: str, *words: str, files: dict[str, str] | None = None) -> dict[str, Any]:
    """What ``lockstep push`` says; ``state`` is done or refused."""
    directory = world.directory / "new"
    directory.mkdir(exist_ok=True)
    for name, content in ((files or {}) | {"gas": text}).items():
        (directory / f"{name}.yaml").write_text(content)
    ran = world.lockstep("push", directory, "--json", *words)
    assert ran.stdout, ran.stderr
    said = json.loads(ran.stdout)
    assert isinstance(said, dict)
    assert (ran.returncode == 0) == (said["state"] == "done")
    return said


def apply(world: World, daemon: RunningDaemon, *facts: Fact) -> None:
    """Send facts and wait until they are decided."""
    last = world.send(facts)[-1]
    world.wait_until(lambda: _at(world.cursor()) >= _at(last), daemon)


def _at(identity: str) -> tuple[int, int]:
    ms, _, seq = identity.partition("-")
    return int(ms), int(seq)


def network(name: str, fee: int) -> Fact:
    return Fact("network", {"id": name, "fee": fee})


def intent(name: str, where: str) -> Fact:
    return Fact("intent", {"id": name, "network": where})


def went(world: World) -> list[str]:
    """The intents that commands were made for, in order."""
    return [json.loads(row["args"])["intent"] for row in world.commands()]


def in_force(world: World) -> str:
    return str(world.redis.hget(KEYS.meta, "revision").decode())


def test_a_push_under_load_takes_effect_at_its_place_and_loses_no_fact(world: World, running: RunningDaemon) -> None:
    apply(world, running, network("base", 20))
    sent: list[str] = []
    is_pushed = threading.Event()

    def produce() -> None:
        after = 0
        while after < 50:
            sent.extend(world.send([intent(f"I{len(sent)}", "base")]))
            after += is_pushed.is_set()

    producer = threading.Thread(target=produce, daemon=True)
    producer.start()
    world.wait_until(lambda: world.count_commands() > 50, running)
    said = push(world, PACK.replace("executor.go", "executor.went"), "--accept", "5000")
    is_pushed.set()
    assert said["state"] == "done"
    producer.join()
    world.wait_until(lambda: world.cursor() == world.last_id(), running)
    assert went(world) == [f"I{number}" for number in range(len(sent))], "each once, none left out"
    place = _at(said["entry"])
    verbs = ["go" if _at(entry) < place else "went" for entry in sent]
    assert [row["verb"] for row in world.commands()] == verbs
    assert {"go", "went"} == set(verbs)
    assert running.stop() == 0


def test_what_fired_and_still_holds_does_not_fire_again_and_what_newly_holds_does(
    world: World, running: RunningDaemon
) -> None:
    apply(world, running, network("base", 20), network("far", 40), intent("I1", "base"), intent("I2", "far"))
    assert went(world) == ["I1"]
    assert set(world.facts("at_risk")) == {"I2"}
    assert push(world, PACK.replace("30", "45"))["state"] == "done"
    assert went(world) == ["I1", "I2"]
    assert set(world.facts("at_risk")) == set(), "by the new text nothing is at risk"
    assert running.stop() == 0


def test_a_removed_rule_withdraws_its_conclusions_and_is_forgotten(world: World, running: RunningDaemon) -> None:
    apply(world, running, network("far", 40), intent("I2", "far"))
    assert set(world.facts("at_risk")) == {"I2"}
    assert push(world, PACK[: PACK.index("  - rule: risk")])["state"] == "done"
    assert world.facts("at_risk") == {}
    assert [name for name in world.redis.hkeys(KEYS.active) if b"gas.risk" in name] == []
    running.kill()
    world.lease_runs_out()
    second = world.daemon()
    second.wait_for("ready")
    assert world.events("alarm") == []
    assert push(world, PACK)["state"] == "done"
    assert set(world.facts("at_risk")) == {"I2"}, "a rule that comes back finds what holds"
    assert second.stop() == 0


def test_a_renamed_rule_keeps_its_memory(world: World, running: RunningDaemon) -> None:
    apply(world, running, network("base", 20), intent("I1", "base"))
    assert push(world, PACK.replace("- rule: go\n", "- rule: depart\n    was: go\n"))["state"] == "done"
    apply(world, running, intent("I2", "base"))
    assert went(world) == ["I1", "I2"]
    assert [row["rule"] for row in world.commands()] == ["gas.go", "gas.depart"]
    assert push(world, PACK.replace("- rule: go\n", "- rule: leave\n"))["state"] == "done"
    assert went(world) == ["I1", "I2", "I1", "I2"], "a rule of another name is another rule"
    assert running.stop() == 0


@pytest.mark.slow
def test_a_renamed_rule_keeps_its_throttle_and_what_it_did_once(world: World, running: RunningDaemon) -> None:
    more = """
  - rule: notice
    when:
      - intent: i
    throttle: {per: =i.network, every: 30m}
    then:
      - command: executor.notice
        with: {intent: =i.id}
  - rule: greet
    when:
      - intent: i
    once: {key: =i.network}
    then:
      - command: executor.greet
        with: {intent: =i.id}
"""
    text = PACK[: PACK.index("  - rule: go")] + more.lstrip("\n")
    assert push(world, text)["state"] == "done"
    apply(world, running, intent("I1", "base"))
    assert sorted(row["verb"] for row in world.commands()) == ["greet", "notice"]
    renamed = text.replace("rule: notice", "rule: notify\n    was: notice").replace(
        "rule: greet", "rule: hail\n    was: greet"
    )
    assert push(world, renamed)["state"] == "done"
    apply(world, running, intent("I2", "base"))
    running.kill()
    world.lease_runs_out()
    second = world.daemon()
    apply(world, second, intent("I3", "base"))
    assert went(world) == ["I1", "I1"]
    names = [json.loads(name) for name in world.redis.hkeys(KEYS.active)]
    assert sorted(name[:2] for name in names if name[0] in "oh") == [["h", "gas.notify"], ["o", "gas.hail"]]
    assert push(world, PACK)["state"] == "done"
    names = [json.loads(name) for name in world.redis.hkeys(KEYS.active)]
    assert [name for name in names if name[0] == "h"] == [], "a removed rule leaves no throttle behind"
    assert second.stop() == 0


def test_too_many_commands_at_once_are_refused_unless_accepted(world: World, running: RunningDaemon) -> None:
    apply(world, running, network("far", 40), *(intent(f"I{n}", "far") for n in range(8)))
    before = in_force(world)
    text = PACK.replace("30", "45")
    said = push(world, text, "--accept", "7")
    assert (said["state"], said["code"]) == ("refused", "F318")
    assert (in_force(world), went(world)) == (before, [])
    assert set(world.facts("at_risk")) == {f"I{n}" for n in range(8)}
    assert push(world, text, "--accept", "8")["state"] == "done"
    assert sorted(went(world)) == [f"I{n}" for n in range(8)]
    assert running.stop() == 0


@pytest.mark.slow
def test_a_kind_with_living_facts_may_only_gain_fields_that_need_no_value(world: World, running: RunningDaemon) -> None:
    apply(world, running, network("base", 20))
    before = in_force(world)
    without_conditions = PACK[: PACK.index("rules:")]
    for change in ("{id: id, fee: text}", "{id: id, fee: int, more: int}", "{id: id}"):
        said = push(world, without_conditions.replace("{id: id, fee: int}", change))
        assert (said["state"], said["code"]) == ("refused", "F317")
    assert in_force(world) == before
    grown = "{id: id, fee: int, more: int?, note: {type: text, default: none}}"
    assert push(world, PACK.replace("{id: id, fee: int}", grown))["state"] == "done"
    apply(world, running, intent("I1", "base"), Fact("network", {"id": "far", "fee": 1, "more": 3}))
    assert went(world) == ["I1"], "the fact of before fits"
    assert running.stop() == 0


def test_a_bad_pack_is_refused_and_the_old_stays(world: World, running: RunningDaemon) -> None:
    before = in_force(world)
    directory = world.directory / "bad"
    directory.mkdir()
    (directory / "gas.yaml").write_text(PACK.replace("n.fee <= 30", "n.fee <= thirty"))
    ran = world.lockstep("push", directory)
    assert ran.returncode == 1
    assert "gas.yaml:" in ran.stderr
    assert in_force(world) == before
    apply(world, running, network("base", 20), intent("I1", "base"))
    assert went(world) == ["I1"]
    assert running.stop() == 0


@pytest.mark.slow
def test_rules_that_would_chase_one_another_at_once_are_refused(world: World, running: RunningDaemon) -> None:
    apply(world, running, network("base", 20))
    before = in_force(world)
    chase = """
  - rule: up
    when:
      - network: n
        where: n.fee < 50
    then:
      - assert: network
        with: {id: =n.id, fee: 60}
  - rule: down
    when:
      - network: n
        where: n.fee > 50
    then:
      - assert: network
        with: {id: =n.id, fee: 20}
"""
    said = push(world, PACK + chase.lstrip("\n"))
    assert (said["state"], said["code"]) == ("refused", "F319")
    assert "gas.down, gas.up" in said["message"]
    assert in_force(world) == before
    apply(world, running, intent("I1", "base"))
    assert went(world) == ["I1"]
    assert running.stop() == 0


@pytest.mark.slow
def test_a_push_survives_a_kill_right_behind_it(world: World, running: RunningDaemon, tmp_path: Path) -> None:
    apply(world, running, network("far", 40), intent("I1", "far"))
    running.kill()
    world.redis.delete(KEYS.status)  # so that the push sees that nobody runs, and does not wait
    world.lease_runs_out()
    ran = world.lockstep("push", world.pack("gas", PACK.replace("30", "45")), "--json")
    assert json.loads(ran.stdout)["state"] == "waiting"
    world.send([intent("I2", "far")])
    dying = world.daemon(env={"LOCKSTEP_CRASH_AT": "before_commit:1"})
    assert dying.wait_end() == -9
    world.lease_runs_out()
    last = world.daemon()
    world.wait_until(lambda: world.cursor() == world.last_id(), last)
    assert went(world) == ["I1", "I2"]
    assert last.stop() == 0
