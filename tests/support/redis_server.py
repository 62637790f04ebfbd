"""A real redis-server for the tests: one per session, emptied for each test. A missing server fails the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from engine.store.embedded import EmbeddedServer
from engine.store.redis_store import RedisStore
from engine.store.url import Endpoint
from engine.store.wire import ThreadWire


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """The session's server, as ``lockstep run`` starts it."""
    with EmbeddedServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_endpoint(redis_server: EmbeddedServer) -> Endpoint:
    """Where an empty server is."""
    wire = ThreadWire(redis_server.endpoint, timeout_s=10)
    wire.call("FLUSHALL")
    wire.call("CONFIG", "SET", "maxmemory", 0)
    wire.close()
    return redis_server.endpoint


@pytest.fixture
def redis_url(redis_endpoint: Endpoint) -> str:
    """Its URL, as ``--redis`` takes it."""
    return str(redis_endpoint)


@pytest_asyncio.fixture
async def store(redis_endpoint: Endpoint) -> AsyncIterator[RedisStore]:
    """An empty store."""
    async with RedisStore(redis_endpoint) as opened:
        yield opened


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server of the test's own, for what others would not survive."""
    with EmbeddedServer(tmp_path / "data") as server:
        yield server
