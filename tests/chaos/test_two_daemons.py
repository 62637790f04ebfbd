"""A second daemon beside the first: it stands by, takes over, and the first can then change nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from engine.clock import monotonic_ms
from engine.store.data_directory import DataDirectory
from engine.store.url import Endpoint
from tests.chaos.packs import PACK, stirring
from tests.chaos.world import KEYS, World
from tests.integration.cli.program import RunningDaemon


def pair(world: World) -> tuple[RunningDaemon, RunningDaemon]:
    """One that leads, and one that stands by."""
    first = world.daemon("--time", "journal", "--packs", world.pack("swap", PACK))
    first.wait_for("rule base in force")
    second = world.daemon("--time", "journal")
    second.wait_for("standing by")
    return first, second


def finish(world: World, daemon: RunningDaemon) -> None:
    world.come_to_rest(daemon)
    world.assert_each_command_once()
    world.assert_same_again()


@pytest.mark.slow
def test_a_standby_takes_over_at_once_when_the_leader_is_stopped(world: World) -> None:
    first, second = pair(world)
    world.send(stirring(200, seed=1))
    assert first.stop() == 0
    began = monotonic_ms()
    second.wait_for("leading")
    assert monotonic_ms() - began < 2_000
    second.wait_for("ready")
    assert "the last daemon did not stop cleanly" not in second.said()
    world.send(stirring(100, seed=2))
    finish(world, second)


@pytest.mark.slow
def test_a_standby_takes_over_within_seconds_when_the_leader_is_killed(world: World) -> None:
    first, second = pair(world)
    world.send(stirring(200, seed=3))
    world.wait_until(world.count_commands, first)
    first.kill()
    began = monotonic_ms()
    second.wait_for("leading")
    assert monotonic_ms() - began < 10_000
    second.wait_for("the last daemon did not stop cleanly")
    world.send(stirring(100, seed=4))
    finish(world, second)


def stopped_leader_comes_back(world: World) -> None:
    first, second = pair(world)
    world.send(stirring(150, seed=5))
    world.wait_until(world.count_commands, first)
    os.kill(first.process.pid, signal.SIGSTOP)
    yield_lease(world)
    second.wait_for("ready")
    # There is something to do for both, and the first does not know yet that it has been replaced.
    world.send(stirring(150, seed=6))
    os.kill(first.process.pid, signal.SIGCONT)
    assert first.wait_end() == 75
    errors = [line["event"] for line in first.lines if line["level"] == "error"]
    assert any(event.startswith(("S150", "S151", "L103")) for event in errors), errors
    finish(world, second)
    epochs = [int(row["epoch"]) for row in world.commands()]
    assert epochs == sorted(epochs)


def yield_lease(world: World) -> None:
    """The lease runs out, here at once instead of after six seconds."""
    world.lease_runs_out()


def test_a_leader_that_was_stopped_past_its_lease_cannot_commit_and_exits_with_75(world: World) -> None:
    stopped_leader_comes_back(world)


@pytest.mark.slow
def test_a_leader_that_was_stopped_past_its_real_lease_exits_with_75(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.chaos.test_two_daemons.yield_lease", lambda _: None)
    stopped_leader_comes_back(world)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_daemons_that_are_stopped_and_continued_in_turn_decide_as_one_would(world: World) -> None:
    first, second = pair(world)
    for round_ in range(6):
        world.send(stirring(150, seed=10 + round_))
        os.kill(first.process.pid, signal.SIGSTOP)
        second.wait_for("leading")
        third = world.daemon("--time", "journal")
        third.wait_for("standing by")
        os.kill(first.process.pid, signal.SIGCONT)
        assert first.wait_end() == 75
        first, second = second, third
    assert second.stop() == 0
    finish(world, first)


@pytest.mark.slow
def test_a_second_daemon_on_the_same_directory_shares_its_server_and_inherits_it(tmp_path: Path) -> None:
    world = World(tmp_path / "world", Endpoint(path=DataDirectory(tmp_path / "world" / ".lockstep").socket()))
    packs = world.pack("swap", PACK)
    first = RunningDaemon(world.directory, "--packs", packs)
    second = None
    try:
        first.wait_for("rule base in force")
        second = RunningDaemon(world.directory, "--packs", packs)
        second.wait_for("standing by")
        world.send(stirring(100, seed=7))
        world.wait_until(lambda: world.redis.hlen(KEYS.facts) > 10, first)
        first.kill()
        second.wait_for("redis adopted")
        second.wait_for("leading")
        second.wait_for("ready")
        world.redis.close()
        world.send(stirring(50, seed=8))
        world.wait_until(world.is_caught_up, second)
        world.assert_each_command_once()
        assert second.stop() == 0
    finally:
        world.daemons += [each for each in (first, second) if each is not None]
        world.end()
