"""A world for each test, and the measure it is held to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.store.embedded import EmbeddedServer
from engine.store.url import Endpoint
from tests.chaos.world import World

Replay = Callable[[World], World]


@pytest.fixture
def world(redis_endpoint: Endpoint, tmp_path: Path) -> Iterator[World]:
    """On the session's server, emptied."""
    made = World(tmp_path / "world", redis_endpoint)
    yield made
    made.end()


@pytest.fixture
def own_world(own_server: EmbeddedServer, tmp_path: Path) -> Iterator[World]:
    """On a server of the test's own, which it may kill."""
    made = World(tmp_path / "world", own_server.endpoint)
    yield made
    made.end()


@pytest.fixture
def replayed(tmp_path: Path) -> Iterator[Replay]:
    """Decides a world's journal once more, undisturbed, on a server of its own."""
    made: list[tuple[World, EmbeddedServer]] = []

    def replay(world: World) -> World:
        server = EmbeddedServer(tmp_path / f"replay-{len(made)}")
        server.start()
        made.append((world.replayed(tmp_path / f"replayed-{len(made)}", server), server))
        return made[-1][0]

    yield replay
    for other, server in made:
        other.end()
        server.stop()
