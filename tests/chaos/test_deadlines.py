"""Deadlines over restarts: each comes once, at its nominal time, never early. Mostly ids are the clock here."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from engine.clock import wall_ms
from tests.chaos.world import KEYS, Fact, World
from tests.integration.cli.program import RunningDaemon

MINUTE_MS = 60_000
PACK = """
pack: dates
version: 1
kinds:
  network:
    key: [id]
    ttl: 40m
    fields: {id: id, fee: int}
  intent:
    key: [id]
    ttl: 5h
    fields: {id: id, network: id, state: "enum(open, closed)", start_by: timestamp}
  incident:
    key: [network]
    ttl: 3h
    fields: {network: id, attempts: int}
schedules:
  - schedule: office
    window: {open: "cron 0 8 * * *", close: "cron 30 17 * * *", timezone: Europe/Zurich}
  - schedule: tick
    every: 47m
    missed: all
rules:
  - rule: waited
    when:
      - intent: i
        where: i.state == "open"
    for: 10m
    then:
      - command: executor.waited
        with: {intent: =i.id}
  - rule: dear
    when:
      - network: n
        where: n.fee > 50
    repeat: {every: 15m, times: 3}
    exhausted:
      - assert: incident
        with: {network: =n.id, attempts: =attempt}
    then:
      - command: executor.dear
        with: {network: =n.id, attempt: =attempt}
  - rule: throttled
    when:
      - intent: i
        where: i.state == "open"
      - network: n
        where: n.id == i.network and n.fee <= 50
    throttle: {per: =n.id, every: 20m}
    then:
      - command: executor.throttled
        with: {intent: =i.id, network: =n.id}
  - rule: in-the-office
    when:
      - intent: i
        where: i.state == "open"
    window: office
    for: 5m
    then:
      - command: executor.office
        with: {intent: =i.id}
  - rule: at-the-tick
    when:
      - schedule: s
        where: s.name == "tick"
      - count: waiting
        over: intent
        as: i
        where: i.network == "base" and i.state == "open"
    then:
      - command: executor.tick
        with: {at: =s.at, waiting: =waiting}
  - rule: too-late
    when:
      - intent: i
        where: i.state == "open" and now >= i.start_by
    then:
      - command: executor.late
        with: {intent: =i.id}
  - rule: blind
    when:
      - intent: i
        where: i.state == "open"
      - without: network
        as: n
        where: n.id == i.network
        fresh: 12m
    for: 3m
    once: {key: =i.id, keep: 4h}
    then:
      - command: executor.blind
        with: {intent: =i.id}
"""
_NETWORKS = ("base", "ethereum", "arbitrum")


def history(start_ms: int, count: int, seed: int) -> Iterator[Fact]:
    """Entries minutes apart, so that most of what is decided is due between them; some several at one instant."""
    draw = random.Random(seed)
    at, seq = start_ms, 0
    for _ in range(count):
        gap = draw.choice((0, 0, 1, 60_000, 180_000, 300_000, 600_000, 45 * MINUTE_MS))
        at, seq = (at, seq + 1) if gap == 0 else (at + gap, 0)
        entry = f"{at}-{seq}"
        if draw.randrange(2):
            yield Fact("network", {"id": draw.choice(_NETWORKS), "fee": draw.randrange(100)}, entry=entry)
        else:
            values = {
                "id": f"I{draw.randrange(12)}",
                "network": draw.choice(_NETWORKS),
                "state": draw.choice(("open", "open", "open", "closed")),
                "start_by": at + draw.randrange(90) * MINUTE_MS,
            }
            yield Fact("intent", values, entry=entry)


def started(world: World, **env: str) -> RunningDaemon:
    world.lease_runs_out()
    return world.daemon("--time", "journal", env=env)


def in_force(world: World, pack: str) -> int:
    """The pack is in force, nobody runs, and nothing will be sent; gives a time after everything in the journal."""
    first = world.daemon("--time", "journal", "--packs", world.pack("pack", pack))
    first.wait_for("rule base in force")
    assert world.lockstep("pause", "connector:executor").returncode == 0
    assert first.stop() == 0
    return int(world.last_id().partition("-")[0]) + MINUTE_MS


def decide_to_the_end(world: World) -> None:
    last = started(world)
    world.wait_until(lambda: world.cursor() == world.last_id(), last)
    assert last.stop() == 0


def die_again_and_again(world: World, deaths: int, entries: int, seed: int) -> None:
    draw = random.Random(seed)
    world.send(history(in_force(world, PACK), entries, seed))
    for _ in range(deaths):
        place = f"{draw.choice(('before_commit', 'after_commit'))}:{draw.randrange(1, 5)}"
        batch = str(draw.choice((1, 3, 20)))
        assert started(world, LOCKSTEP_CRASH_AT=place, LOCKSTEP_BATCH=batch).wait_end() == -9
    decide_to_the_end(world)
    made = {row["verb"] for row in world.commands()}
    assert made == {"waited", "dear", "throttled", "office", "tick", "late", "blind"}
    ids = [row["command"] for row in world.commands()]
    assert len(ids) == len(set(ids))
    assert world.events("alarm") == []
    world.assert_same_again()


def test_every_deadline_comes_once_and_at_its_time_however_often_the_daemon_dies(world: World) -> None:
    die_again_and_again(world, deaths=2, entries=150, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(2, 7))
def test_every_deadline_comes_once_and_at_its_time_over_many_deaths(world: World, seed: int) -> None:
    die_again_and_again(world, deaths=40, entries=600, seed=seed)


BURST = """
pack: burst
version: 1
kinds:
  intent:
    key: [id]
    ttl: 5h
    fields: {id: id, start_by: timestamp}
  probe:
    key: [id]
    ttl: 5h
    fields: {id: id}
rules:
  - rule: waited
    when:
      - intent: i
    for: 10m
    then:
      - command: executor.waited
        with: {intent: =i.id}
  - rule: late
    when:
      - intent: i
        where: now >= i.start_by
    then:
      - command: executor.late
        with: {intent: =i.id}
"""


def burst(world: World, groups: int, places: list[str]) -> None:
    """All begin at one instant; at another one all are due by timer, and at a third all by a flip of their guard."""
    at = in_force(world, BURST)
    timer, flip = at + 10 * MINUTE_MS, at + 20 * MINUTE_MS
    world.send(Fact("intent", {"id": f"I{n}", "start_by": flip}, entry=f"{at}-{n}") for n in range(groups))
    world.send([Fact("probe", {"id": "p"}, entry=f"{flip + MINUTE_MS}-0")])
    for place in places:
        assert started(world, LOCKSTEP_CRASH_AT=place).wait_end() == -9
        assert world.cursor() != world.last_id()
    decide_to_the_end(world)
    fired = world.events("fired")
    for rule, due in (("burst.waited", timer), ("burst.late", flip)):
        mine = [event for event in fired if event["rule"] == rule]
        assert {event["at"] for event in mine} == {due}
        assert sorted(event["group"][0][0] for event in mine) == sorted(f"I{n}" for n in range(groups))
    assert world.count_commands() == 2 * groups
    assert len({row["command"] for row in world.commands()}) == 2 * groups


def test_thousands_due_at_one_instant_fire_once_each_though_the_daemon_dies_in_their_middle(world: World) -> None:
    burst(world, 1_000, ["after_commit:4"])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_five_thousand_due_at_one_instant_fire_once_each_though_the_daemon_dies_in_their_middle(world: World) -> None:
    burst(world, 5_000, ["before_commit:12", "after_commit:4", "before_commit:6", "after_commit:6", "after_commit:2"])


SHORT = """
pack: short
version: 1
kinds:
  intent:
    key: [id]
    ttl: 3s
    fields: {id: id}
rules:
  - rule: waited
    when:
      - intent: i
    for: 1s
    repeat: {every: 500ms, times: 2}
    then:
      - command: log.waited
        with: {intent: =i.id, attempt: =attempt}
    ended:
      - retract: intent
        key: {id: =i.id}
"""


def test_deadlines_that_pass_while_nobody_runs_are_met_at_their_nominal_time(world: World) -> None:
    """The server's time counts here: the daemon is dead when they are due."""
    first = world.daemon("--packs", world.pack("short", SHORT))
    first.wait_for("rule base in force")
    (identity,) = world.send([Fact("intent", {"id": "I1"})])
    at = int(identity.partition("-")[0])
    world.wait_until(lambda: world.cursor() == identity, first)
    first.kill()
    world.wait_until(lambda: wall_ms() > at + 1_600)
    world.lease_runs_out()
    second = world.daemon()
    world.wait_until(lambda: world.events("ended"), second)
    assert [(e["attempt"], e["at"] - at) for e in world.events("fired")] == [(1, 1_000), (2, 1_500), (3, 2_000)]
    assert [e["at"] - at for e in world.events("ended")] == [3_001]
    for (written, _), event in zip(world.stream(KEYS.outbox), world.events("fired"), strict=True):
        assert int(written.partition("-")[0]) > event["at"], "it is never early"
    assert second.stop() == 0
