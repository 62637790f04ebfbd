"""Nobody can push time: an id that leads the server's clock does not carry."""

from __future__ import annotations

import json

import pytest

from engine.clock import wall_ms
from tests.chaos.world import KEYS, Fact, World

PACK = """
pack: dates
version: 1
kinds:
  intent:
    key: [id]
    ttl: 1h
    fields: {id: id}
rules:
  - rule: waited
    when:
      - intent: i
    for: 1s
    then:
      - command: log.waited
        with: {intent: =i.id}
  - rule: long-waited
    when:
      - intent: i
    for: 30m
    then:
      - command: log.long
        with: {intent: =i.id}
"""
#: 2099-01-01.
FAR_MS = 4_070_908_800_000


def test_an_entry_from_the_far_future_does_not_carry_time_and_neither_do_those_behind_it(world: World) -> None:
    running = world.daemon("--packs", world.pack("dates", PACK))
    running.wait_for("ready")
    world.wait_until(lambda: world.redis.hexists(KEYS.meta, "revision"), running)
    began = wall_ms()
    far, behind = world.send([Fact("intent", {"id": "I1"}, entry=f"{FAR_MS}-0"), Fact("intent", {"id": "I2"})])
    assert behind == f"{FAR_MS}-1", "Redis numbers all later entries from there"
    world.wait_until(lambda: len(world.events("fired")) == 2, running)
    ended = wall_ms()

    times = {entry: int(row["now"]) for entry, row in world.stream(KEYS.clock)}
    assert {far, behind} <= set(times)
    assert all(began - 1 <= times[entry] <= ended for entry in (far, behind))
    for event in world.events("fired"):
        entry = {"I1": far, "I2": behind}[event["group"][0][0]]
        assert event["at"] == times[entry] + 1_000, "a deadline counts from the time the entry was taken at"
    assert [event["rule"] for event in world.events("fired")] == ["dates.waited"] * 2, "nothing else is due"

    doctor = world.lockstep("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(doctor.stdout)["findings"]}
    assert findings["journal"]["state"] == "warn"
    assert "lead the server's clock" in findings["journal"]["message"]
    world.wait_until(lambda: world.redis.hget(KEYS.status, "journal_leads_ms") not in (None, b"0"), running)
    assert running.stop() == 0


@pytest.mark.slow
def test_a_led_journal_is_taken_up_after_a_kill_as_it_was(world: World) -> None:
    """What was given a time keeps it; what comes later gets the time of its own reading."""
    running = world.daemon("--packs", world.pack("dates", PACK))
    world.wait_until(lambda: world.redis.hexists(KEYS.meta, "revision"), running)
    (far,) = world.send([Fact("intent", {"id": "I1"}, entry=f"{FAR_MS}-0")])
    world.wait_until(lambda: world.cursor() == far, running)
    given = {entry: int(row["now"]) for entry, row in world.stream(KEYS.clock)}[far]
    running.kill()
    world.send([Fact("intent", {"id": "I2"})])
    world.lease_runs_out()
    began = wall_ms()
    second = world.daemon()
    world.wait_until(lambda: len(world.events("fired")) == 2, second)
    times = {entry: int(row["now"]) for entry, row in world.stream(KEYS.clock)}
    assert times[far] == given
    assert times[f"{FAR_MS}-1"] >= began
    assert {e["group"][0][0]: e["at"] for e in world.events("fired")} == {
        "I1": given + 1_000,
        "I2": times[f"{FAR_MS}-1"] + 1_000,
    }
    assert world.events("alarm") == []
    assert second.stop() == 0


@pytest.mark.slow
def test_an_entry_less_than_two_seconds_ahead_carries(world: World) -> None:
    running = world.daemon("--packs", world.pack("dates", PACK))
    world.wait_until(lambda: world.redis.hexists(KEYS.meta, "revision"), running)
    ahead = wall_ms() + 1_500
    world.send([Fact("intent", {"id": "I1"}, entry=f"{ahead}-0")])
    world.wait_until(lambda: world.events("fired"), running)
    assert [event["at"] for event in world.events("fired")] == [ahead + 1_000]
    assert world.stream(KEYS.clock) == []
    assert running.stop() == 0


def test_with_ids_as_the_clock_time_moves_with_entries_alone(world: World) -> None:
    running = world.daemon("--time", "journal", "--packs", world.pack("dates", PACK))
    world.wait_until(lambda: world.redis.hexists(KEYS.meta, "revision"), running)
    assert world.lockstep("pause", "connector:log").returncode == 0
    world.send([Fact("intent", {"id": "I1"}, entry=f"{FAR_MS}-0")])
    world.wait_until(lambda: world.cursor() == world.last_id(), running)
    assert world.events("fired") == []
    world.send([Fact("intent", {"id": "I2"}, entry=f"{FAR_MS + 3_000_000}-0")])
    world.wait_until(lambda: world.cursor() == world.last_id(), running)
    assert [(e["rule"], e["at"] - FAR_MS) for e in world.events("fired")] == [
        ("dates.waited", 1_000),
        ("dates.long-waited", 1_800_000),
    ]
    assert world.stream(KEYS.clock) == []
    assert running.stop() == 0
