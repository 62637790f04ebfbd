"""The daemon is killed, at named places and at any moment, while facts stream in."""

from __future__ import annotations

import random
import threading
from functools import partial

import pytest

from tests.chaos.packs import PACK, stirring
from tests.chaos.world import World
from tests.integration.cli.program import RunningDaemon


def producing(world: World, count: int, seed: int) -> threading.Thread:
    """Facts come from another thread, as fast as Redis takes them."""
    thread = threading.Thread(target=world.send, args=(stirring(count, seed),), daemon=True)
    thread.start()
    return thread


def started(world: World, **env: str) -> RunningDaemon:
    world.lease_runs_out()
    packs = () if world.daemons else ("--packs", world.pack("swap", PACK))
    return world.daemon("--time", "journal", *packs, env=env)


def finish(world: World) -> None:
    """One last daemon, undisturbed, decides what is left and stops cleanly."""
    last = started(world)
    last.wait_for("ready")
    world.come_to_rest(last)


def assert_as_if_nothing_had_happened(world: World) -> None:
    world.assert_each_command_once()
    world.assert_same_again()
    assert world.events("alarm") == []


def test_deaths_at_named_places_change_nothing_that_is_decided(world: World) -> None:
    first = started(world)
    first.wait_for("rule base in force")
    producer = producing(world, 400, seed=1)
    world.wait_until(world.count_commands, first)
    first.kill()
    for place in ("before_commit:1", "during_recovery:1", "after_commit:2"):
        assert started(world, LOCKSTEP_CRASH_AT=place, LOCKSTEP_BATCH="50").wait_end() == -9
    producer.join()
    finish(world)
    assert world.count_commands() > 100
    assert_as_if_nothing_had_happened(world)


def kill_at_random(world: World, kills: int, facts: int, seed: int) -> None:
    """How far a daemon gets before it is killed is counted in commands, not in seconds."""
    draw = random.Random(seed)
    started(world).wait_for("rule base in force")
    producer = producing(world, facts, seed)
    for _ in range(kills):
        goal = world.count_commands() + draw.randrange(1, 60)
        world.wait_until(partial(_is_far_enough, world, goal), world.daemons[-1])
        world.daemons[-1].kill()
        started(world)
    producer.join()
    world.daemons[-1].kill()
    finish(world)


def _is_far_enough(world: World, goal: int) -> bool:
    return world.count_commands() >= goal or world.is_caught_up()


@pytest.mark.slow
def test_kills_at_random_change_nothing_that_is_decided(world: World) -> None:
    kill_at_random(world, kills=2, facts=600, seed=2)
    assert_as_if_nothing_had_happened(world)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(3, 8))
def test_many_kills_at_random_change_nothing_that_is_decided(world: World, seed: int) -> None:
    kill_at_random(world, kills=20, facts=2_000, seed=seed)
    assert_as_if_nothing_had_happened(world)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(8, 11))
def test_many_deaths_at_named_places_change_nothing_that_is_decided(world: World, seed: int) -> None:
    draw = random.Random(seed)
    first = started(world)
    first.wait_for("rule base in force")
    producer = producing(world, 2_000, seed)
    world.wait_until(world.count_commands, first)
    first.kill()
    for _ in range(30):
        place = f"{draw.choice(('before_commit', 'after_commit', 'during_recovery'))}:{draw.randrange(1, 6)}"
        place = "during_recovery:1" if place.startswith("during") else place
        ended = started(world, LOCKSTEP_CRASH_AT=place, LOCKSTEP_BATCH=str(draw.choice((1, 7, 500))))
        assert ended.wait_end() == -9
    producer.join()
    finish(world)
    assert_as_if_nothing_had_happened(world)
