from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from engine.runtime import dispatch
from engine.store.redis_store import RedisStore
from engine.store.url import parse
from tests.support.anvil import Anvil
from tests.support.dispatching import Bench
from tests.support.line import Line
from tests.support.sending import KEY, KEY_VARIABLE
from tests.support.worlds import WORLDS, Place, World
from tests.support.worlds.stage import Stage


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """Who configured nothing gets every traceback drawn with its locals, which takes most of a second each."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()])
    yield
    structlog.reset_defaults()


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


@pytest.fixture(scope="module")
def chain() -> Iterator[Anvil]:
    """One for all tests of a module; each deploys a contract of its own."""
    made = Anvil().start()
    yield made
    made.stop()


@pytest.fixture
async def wire(redis_url: str) -> AsyncIterator[Line]:
    """To Redis; all is well on it, until a test says otherwise."""
    socket = redis_url.removeprefix("unix://")
    async with Line(lambda: asyncio.open_unix_connection(socket)) as made:
        yield made
        made.mend()


@pytest.fixture(params=WORLDS)
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, store: RedisStore, wire: Line, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """Each connector's, one after the other."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    made = WORLDS[request.param](Place(tmp_path, store, wire, request.getfixturevalue))
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def stage(world: World, bench: Bench, wire: Line, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """The connector under test behind dispatch, whose way to Redis is the wire."""
    monkeypatch.setattr(dispatch, "TICK_MS", 50)
    async with RedisStore(parse(f"redis://127.0.0.1:{wire.port}")) as wired:
        bench.wired = wired
        yield Stage(world, bench)
        wire.mend()
