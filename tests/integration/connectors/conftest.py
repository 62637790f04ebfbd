from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from engine.store.redis_store import RedisStore
from engine.store.url import parse
from tests.support.dispatching import Bench


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real redis-server on a unix socket, for one module."""
    beside = Path(sys.executable).parent / "redis-server"
    program = shutil.which("redis-server") or str(beside)
    socket = tmp_path_factory.mktemp("redis") / "redis.sock"
    words = [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=socket.parent)
    assert server.stdout is not None
    for line in server.stdout:
        if "eady to accept connections" in line:
            break
    yield f"unix://{socket}"
    server.terminate()
    server.communicate()


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStore]:
    async with RedisStore(parse(redis_url)) as made:
        await made._wire.call("FLUSHALL")
        yield made


@pytest.fixture
async def bench(store: RedisStore) -> Bench:
    made = Bench(store)
    await made.lead()
    return made
