"""A world for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store.embedded import EmbeddedServer
from engine.store.url import Endpoint
from tests.chaos.world import World


@pytest.fixture
def world(redis_endpoint: Endpoint, tmp_path: Path) -> Iterator[World]:
    """On the session's server, emptied. Whatever happened to it, it must come out again in the same way."""
    made = World(tmp_path / "world", redis_endpoint)
    yield made
    made.kill_all()
    if made.is_decided():
        made.assert_same_again()
    made.end()


@pytest.fixture
def own_world(own_server: EmbeddedServer, tmp_path: Path) -> Iterator[World]:
    """On a server of the test's own, which it may kill."""
    made = World(tmp_path / "world", own_server.endpoint)
    yield made
    made.end()
