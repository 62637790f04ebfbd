"""An entry that kills whoever evaluates it, and a recovery that dies: the daemon gets over both."""

from __future__ import annotations

import pytest

from tests.chaos.packs import PACK
from tests.chaos.world import KEYS, Fact, World
from tests.integration.cli.program import RunningDaemon


def in_force(world: World) -> None:
    """The pack is in force, and nobody runs."""
    first = world.daemon("--packs", world.pack("swap", PACK))
    first.wait_for("rule base in force")
    assert first.stop() == 0


def started(world: World, **env: str) -> RunningDaemon:
    world.lease_runs_out()
    return world.daemon(env=env)


def network(name: str) -> Fact:
    return Fact("network", {"id": name, "base_fee": "1", "height": 1})


def test_an_entry_that_kills_is_quarantined_and_nothing_else_is(world: World) -> None:
    in_force(world)
    ids = world.send([network(f"n{n}") for n in range(300)])
    poison = ids[237]
    for _ in range(4):
        assert started(world, LOCKSTEP_CRASH_ON_ENTRY=poison).wait_end() == -9
    # It died in its batch, which nothing was noted of, then in its group, and twice alone.
    assert world.cursor() == ids[236]
    survivor = started(world, LOCKSTEP_CRASH_ON_ENTRY=poison)
    world.wait_until(lambda: world.cursor() == ids[-1], survivor)
    (rejected,) = world.stream(KEYS.rejected)
    assert rejected[1]["entry"] == poison
    assert rejected[1]["code"] == "F311"
    assert rejected[1]["data"] == '{"id":"n237","base_fee":"1","height":1}'
    assert set(world.facts("network")) == {f"n{n}" for n in range(300) if n != 237}
    assert survivor.stop() == 0
    assert "an entry has killed the daemon again and again; it is quarantined" in survivor.said()
    assert not world.redis.hexists(KEYS.meta, "poison")


@pytest.mark.slow
def test_an_entry_beside_whose_evaluation_the_daemon_is_killed_is_never_taken_for_the_culprit(world: World) -> None:
    """Its note stands in Redis each time, for taking that back takes a round trip; but its evaluation was over."""
    in_force(world)
    ids = world.send([network(f"n{n}") for n in range(30)])
    for place in ("before_commit:1", "before_commit:1", *3 * ("after_evaluation:1",)):
        assert started(world, LOCKSTEP_CRASH_AT=place).wait_end() == -9
    last = started(world)
    world.wait_until(lambda: world.cursor() == ids[-1], last)
    assert last.stop() == 0
    assert set(world.facts("network")) == {f"n{n}" for n in range(30)}
    assert world.stream(KEYS.rejected) == []


@pytest.mark.slow
def test_a_recovery_that_dies_three_times_goes_on_with_the_join_in_python_and_says_so(world: World) -> None:
    in_force(world)
    for _ in range(3):
        assert started(world, LOCKSTEP_CRASH_AT="during_recovery").wait_end() == -9
    fourth = started(world)
    told = fourth.wait_for("recovery died before; the joining library is left out")
    assert (told["level"], told["tries"]) == ("error", 3)
    world.send([network("base"), Fact("intent", {"id": "I1", "network": "base", "amount": 1, "state": "open"})])
    world.wait_until(lambda: [row["verb"] for row in world.commands()][:1] == ["go"], fourth)
    assert fourth.stop() == 0
    assert not world.redis.hexists(KEYS.meta, "recoveries")
