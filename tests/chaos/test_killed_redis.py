"""Redis dies, goes away and comes back, while facts stream in."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from engine.store.data_directory import DataDirectory
from engine.store.embedded import EmbeddedServer
from engine.store.url import Endpoint
from tests.chaos.packs import PACK, stirring
from tests.chaos.world import Fact, World
from tests.integration.cli.program import RunningDaemon

AWAY = (RedisConnectionError, RedisTimeoutError)


def send_whatever_happens(world: World, facts: Iterator[Fact]) -> None:
    """As a careful sender does: what was not acknowledged is sent again, so it may be there twice."""
    for fact in facts:
        while True:
            with suppress(*AWAY):
                world.send([fact])
                break


def producing(world: World, count: int, seed: int) -> threading.Thread:
    thread = threading.Thread(target=send_whatever_happens, args=(world, stirring(count, seed)), daemon=True)
    thread.start()
    return thread


def wait_patiently(world: World, daemon: RunningDaemon, commands: int) -> None:
    def are_there() -> bool:
        with suppress(*AWAY):
            return world.count_commands() >= commands
        return False

    world.wait_until(are_there, daemon)


def finish(world: World, daemon: RunningDaemon) -> None:
    """The daemon that saw it all has gone on, and is the only one there was."""
    world.come_to_rest(daemon)
    world.assert_each_command_once()
    world.assert_same_again()


def kill_under_load(server: EmbeddedServer, world: World, kills: int, facts: int) -> None:
    running = world.daemon("--time", "journal", "--packs", world.pack("swap", PACK))
    running.wait_for("rule base in force")
    producer = producing(world, facts, seed=1)
    killed: list[int] = []
    for kill in range(kills):
        wait_patiently(world, running, 40 * (kill + 1))
        assert server.pid is not None
        assert server.pid not in killed
        os.kill(server.pid, signal.SIGKILL)
        killed.append(server.pid)
    producer.join()
    finish(world, running)


def test_a_server_killed_under_load_loses_nothing_and_repeats_nothing(
    own_server: EmbeddedServer, own_world: World
) -> None:
    kill_under_load(own_server, own_world, kills=2, facts=400)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_server_killed_many_times_under_load_loses_nothing_and_repeats_nothing(
    own_server: EmbeddedServer, own_world: World
) -> None:
    kill_under_load(own_server, own_world, kills=25, facts=3_000)


@pytest.mark.slow
def test_the_built_in_server_killed_under_load_is_started_again_and_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / "world").mkdir()
    world = World(tmp_path / "world", Endpoint(path=DataDirectory(tmp_path / "world" / ".lockstep").socket()))
    running = RunningDaemon(world.directory, "--time", "journal", "--packs", world.pack("swap", PACK))
    world.daemons.append(running)
    try:
        server = running.wait_for("redis started")
        running.wait_for("rule base in force")
        producer = producing(world, 400, seed=2)
        wait_patiently(world, running, 40)
        pid = re.search(r"pid (\d+)", server["details"])
        assert pid is not None
        os.kill(int(pid[1]), signal.SIGKILL)
        producer.join()
        world.wait_until(world.is_caught_up, running)
        world.assert_each_command_once()
        world.assert_same_again()
        assert running.stop() == 0
        assert running.said().count("redis started") == 2
    finally:
        world.end()


@pytest.mark.slow
def test_a_server_that_stops_and_comes_back_under_load_finds_the_daemon_waiting(
    own_server: EmbeddedServer, own_world: World
) -> None:
    running = own_world.daemon("--time", "journal", "--packs", own_world.pack("swap", PACK))
    running.wait_for("rule base in force")
    producer = producing(own_world, 400, seed=3)
    wait_patiently(own_world, running, 40)
    own_server.stop()
    running.wait_for("redis is away")
    own_server.start()
    producer.join()
    finish(own_world, running)


def test_a_server_that_is_not_there_at_the_start_is_waited_for(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    world = World(tmp_path / "world", Endpoint(path=directory.socket()))
    waiting = world.daemon("--packs", world.pack("swap", PACK))
    waits = []
    for _ in range(3):
        line = waiting.wait_for("redis is away")
        assert (line["code"], line["level"]) == ("S101", "warning")
        assert line["hint"] == "is Redis running there?"
        waits.append(line["retry_in_ms"])
    assert waits == [100, 200, 400]
    try:
        with EmbeddedServer(directory.path):
            waiting.wait_for("rule base in force")
            world.send([Fact("network", {"id": "base", "base_fee": "1", "height": 1})])
            world.wait_until(lambda: world.facts("network"), waiting)
            assert waiting.stop() == 0
    finally:
        world.end()
