from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import Process
from pathlib import Path

from tests.support.dispatching import PATIENCE_S, Bench, outgoing

ROOT = Path(__file__).parents[3]


async def daemon(redis_url: str) -> Process:
    words = (sys.executable, "-m", "tests.integration.connectors.dispatching_daemon", redis_url)
    return await asyncio.create_subprocess_exec(*words, cwd=ROOT)


async def test_kill_9_with_the_redis_connector_leaves_each_command_in_the_stream_exactly_once(
    bench: Bench, redis_url: str
) -> None:
    stream = bench.store.keys.commands("stream")

    async def arrived() -> list[str]:
        entries = await bench.store._wire.call("XRANGE", stream, "-", "+")
        return [fields[1].decode() for _, fields in entries]

    await bench.commit(*(outgoing(n, "stream") for n in range(150)))
    kills = 0
    while (before := len(await arrived())) < 150:
        program = await daemon(redis_url)
        async with asyncio.timeout(PATIENCE_S):
            while len(await arrived()) < min(before + 50, 150):
                pass
        program.kill()
        await program.wait()
        kills += 1
    assert kills >= 2, "it was killed in the middle"
    assert sorted(await arrived()) == sorted(f"c{n}" for n in range(150))
