from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from engine.runtime.carrier import AFTER_RESULT, AFTER_SEND, AFTER_TAKE
from tests.support.dispatching import PATIENCE_S, Bench, outgoing

ROOT = Path(__file__).parents[3]


async def daemon(redis_url: str, world: Path, mode: str, crash_at: str = "") -> Process:
    words = (sys.executable, "-m", "tests.integration.connectors.daemon_with_receiver", redis_url, str(world), mode)
    env = {**os.environ, "LOCKSTEP_CRASH_AT": crash_at}
    return await asyncio.create_subprocess_exec(*words, cwd=ROOT, stdout=PIPE, env=env)


async def killed_in_flight(redis_url: str, world: Path, sends: int) -> None:
    """A daemon that is killed with -9 once that many commands have taken effect without an answer."""
    program = await daemon(redis_url, world, "hang")
    assert program.stdout is not None
    for _ in range(sends):
        async with asyncio.timeout(PATIENCE_S):
            assert await program.stdout.readline() == b"in flight\n"
    program.kill()
    await program.wait()


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


async def test_kill_9_in_flight_gives_each_effect_exactly_once_at_a_receiver_that_honours_the_id(
    bench: Bench, redis_url: str, tmp_path: Path
) -> None:
    await bench.commit(*(outgoing(n) for n in range(5)))
    await killed_in_flight(redis_url, tmp_path, sends=5)
    await killed_in_flight(redis_url, tmp_path, sends=5)
    await bench.read()
    assert bench.results == []

    program = await daemon(redis_url, tmp_path, "answer")
    try:
        await bench.told(*((f"c{n}", "done") for n in range(5)))
    finally:
        program.kill()
        await program.wait()

    assert sorted(lines(tmp_path / "applied")) == [f"c{n}" for n in range(5)]
    tries = lines(tmp_path / "tries")
    assert len(tries) == 15, "each start sent each again, under its id"
    epochs = [int(line.split()[2]) for line in tries]
    assert epochs == sorted(epochs)
    assert sorted(line.split()[1] for line in tries) == sorted(["1", "2", "3"] * 5)


async def test_kill_9_with_the_redis_connector_leaves_each_command_in_the_stream_exactly_once(
    bench: Bench, redis_url: str, tmp_path: Path
) -> None:
    stream = bench.store.keys.commands("stream")

    async def arrived() -> list[str]:
        entries = await bench.store._wire.call("XRANGE", stream, "-", "+")
        return [fields[1].decode() for _, fields in entries]

    await bench.commit(*(outgoing(n, "stream") for n in range(300)))
    kills = 0
    while (before := len(await arrived())) < 300:
        program = await daemon(redis_url, tmp_path, "answer")
        async with asyncio.timeout(PATIENCE_S):
            while len(await arrived()) < min(before + 100, 300):
                pass
        program.kill()
        await program.wait()
        kills += 1
    assert kills >= 2, "it was killed in the middle"
    assert sorted(await arrived()) == sorted(f"c{n}" for n in range(300))


@pytest.mark.parametrize("point", [AFTER_TAKE, AFTER_SEND, AFTER_RESULT])
async def test_a_death_at_any_point_between_taking_and_telling_loses_nothing_and_does_nothing_twice(
    bench: Bench, redis_url: str, tmp_path: Path, point: str
) -> None:
    await bench.commit(outgoing(1), outgoing(2, "stream"), outgoing(3), outgoing(4, "stream"))
    for _ in range(2):
        dying = await daemon(redis_url, tmp_path, "answer", f"{point}:2")
        assert await asyncio.wait_for(dying.wait(), PATIENCE_S) == -signal.SIGKILL
    alive = await daemon(redis_url, tmp_path, "answer")
    expected = {"c1": "done", "c2": "sent", "c3": "done", "c4": "sent"}
    try:
        told = await bench.until(lambda told: {r.command for r in told} == expected.keys())
    finally:
        alive.kill()
        await alive.wait()
    assert {(r.command, r.status) for r in told} == set(expected.items())
    assert sorted(lines(tmp_path / "applied")) == ["c1", "c3"]
    stream = await bench.store._wire.call("XRANGE", bench.store.keys.commands("stream"), "-", "+")
    assert sorted(fields[1].decode() for _, fields in stream) == ["c2", "c4"]
