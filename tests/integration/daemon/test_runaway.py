"""Rules that cause one another without end are suspended; nothing else is."""

from __future__ import annotations

import json

import pytest

from tests.chaos.world import KEYS, Fact, World
from tests.integration.cli.program import RunningDaemon

PACK = """
pack: chase
version: 1
kinds:
  ball:
    key: [id]
    ttl: 1h
    fields: {id: id, side: "enum(left, right, out)"}
  network:
    key: [id]
    ttl: 1h
    fields: {id: id, fee: int}
rules:
  - rule: ping
    when:
      - ball: b
        where: b.side == "left"
    then:
      - assert: ball
        with: {id: =b.id, side: right}
  - rule: pong
    when:
      - ball: b
        where: b.side == "right"
    then:
      - assert: ball
        with: {id: =b.id, side: left}
  - rule: watch
    when:
      - ball: b
        where: b.side != "out"
    then:
      - command: log.watch
        with: {id: =b.id}
  - rule: dear
    when:
      - network: n
        where: n.fee > 30
    then:
      - command: log.dear
        with: {id: =n.id}
"""


def started(world: World, *words: str) -> RunningDaemon:
    running = world.daemon(*words, "--packs", world.pack("chase", PACK))
    world.wait_until(lambda: world.redis.hexists(KEYS.meta, "revision"), running)
    return running


def ball(side: str, name: str = "b") -> Fact:
    return Fact("ball", {"id": name, "side": side})


def network(name: str, fee: int) -> Fact:
    return Fact("network", {"id": name, "fee": fee})


def made(world: World) -> list[tuple[str, str]]:
    return [(row["verb"], json.loads(row["args"])["id"]) for row in world.commands()]


def suspended(world: World) -> list[bytes]:
    return sorted(name for name in world.redis.hkeys(KEYS.active) if name.startswith(b'["s"'))


def decided(world: World, daemon: RunningDaemon, *facts: Fact) -> None:
    last = world.send(facts)[-1]
    world.wait_until(lambda: world.cursor() == last or world.is_caught_up(), daemon)


def test_a_chain_without_end_suspends_its_rules_and_the_daemon_goes_on(world: World) -> None:
    running = started(world)
    decided(world, running, network("n1", 40), ball("left"), network("n2", 50))
    assert running.wait_for("a chain of rules does not end; they are suspended")["rules"] == [
        "chase.ping",
        "chase.pong",
    ]
    world.wait_until(lambda: len(world.commands()) == 3, running)
    assert made(world) == [("dear", "n1"), ("watch", "b"), ("dear", "n2")], "the rules beside it work, each once"
    assert world.facts("ball")["b"]["side"] == "left", "the entry's own change stands, the chain's do not"
    (alarm,) = world.events("suspended")
    assert (alarm["code"], alarm["rules"]) == ("X201", ["chase.ping", "chase.pong"])
    assert suspended(world) == [b'["s","chase.ping"]', b'["s","chase.pong"]']
    assert running.process.poll() is None

    # It stays so over a kill, and what came meanwhile is taken without a new chain.
    running.kill()
    world.lease_runs_out()
    second = world.daemon()
    decided(world, second, ball("right", "c"), network("n3", 60))
    world.wait_until(lambda: len(world.commands()) == 5, second)
    assert made(world)[3:] == [("watch", "c"), ("dear", "n3")]
    assert len(world.events("suspended")) == 1

    # Out of their reach, an operator lets one of them work again: alone it makes no chain.
    decided(world, second, ball("out", "c"))
    assert world.lockstep("resume", "rule:chase.ping").returncode == 0
    world.wait_until(lambda: world.facts("ball")["b"]["side"] == "right", second)
    assert suspended(world) == [b'["s","chase.pong"]']
    assert second.stop() == 0


@pytest.mark.slow
def test_a_resumed_rule_that_runs_away_again_is_suspended_again(world: World) -> None:
    running = started(world)
    decided(world, running, ball("left"))
    world.wait_until(lambda: len(suspended(world)) == 2, running)
    assert world.lockstep("resume", "rule:chase.pong").returncode == 0
    world.wait_until(lambda: len(suspended(world)) == 1, running)
    assert world.lockstep("resume", "rule:chase.ping").returncode == 0
    world.wait_until(lambda: len(world.events("suspended")) == 2, running)
    decided(world, running, network("n1", 40))
    world.wait_until(lambda: ("dear", "n1") in made(world), running)
    assert running.stop() == 0


@pytest.mark.slow
def test_chains_are_cut_the_same_way_when_the_journal_is_decided_again(world: World) -> None:
    running = started(world, "--time", "journal")
    world.send([network("n1", 40), ball("left"), network("n2", 50), ball("out"), ball("right", "c"), network("n1", 20)])
    world.wait_until(lambda: world.is_caught_up(), running)
    running.kill()
    world.lease_runs_out()
    second = world.daemon("--time", "journal")
    last = world.send([network("n1", 50), ball("left", "d")])[-1]
    world.wait_until(lambda: world.cursor() >= last, second)
    world.come_to_rest(second)
    assert len(world.events("suspended")) == 1
    world.assert_same_again()
