"""A connector under test behind the real dispatch."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from connectors.registry import Registry
from engine.model.journal import OutboxCommand
from engine.runtime.dispatch import Dispatch
from engine.settings import Settings
from tests.support.dispatching import Bench, Result, outgoing
from tests.support.worlds.base import World

#: A second connector beside the one under test, which is always well.
BESIDE = "beside"
_QUICK = {
    "timeout": "10s",
    "retry": {"tries": "3", "base": "1ms", "cap": "2ms"},
    "breaker": {"failures": "1000", "cool_down": "1ms"},
}


class Stage:
    """The world, the bench, and what both need."""

    def __init__(self, world: World, bench: Bench) -> None:
        self.world = world
        self.bench = bench

    @asynccontextmanager
    async def dispatching(self, drain: str = "100ms", **limits: Any) -> AsyncIterator[Dispatch]:  # noqa: ANN401 - as in the file
        """Dispatch runs inside, with these limits of the connector; the next epoch leads from then on."""
        await self.bench.lead()
        self.bench.registry = Registry({self.world.name: self.world.recorded()})
        configured = self.world.configuration(**{**_QUICK, **limits})
        connectors = {self.world.name: configured, BESIDE: {"type": "redis"}}
        self.bench.settings = Settings.model_validate({"connectors": connectors, "dispatch": {"drain": drain}})
        async with self.bench.dispatching() as dispatch:
            yield dispatch

    def command(self, n: int, **changes: Any) -> OutboxCommand:  # noqa: ANN401 - any field
        """Command ``c<n>`` for the connector under test."""
        self.world.known.add(f"c{n}")
        changes.setdefault("args", json.dumps({"order": f"o{n}"}))
        return outgoing(n, self.world.name, verb=self.world.verb, **changes)

    async def ended(self, *ids: str) -> None:
        """Waits until something was told of each."""
        missing, looked_at = set(ids), 0

        def none_is_missing(told: list[Result]) -> bool:
            nonlocal looked_at
            missing.difference_update(result.command for result in told[looked_at:])
            looked_at = len(told)
            return not missing

        await self.bench.until(none_is_missing)

    def told(self, command_id: str) -> set[str]:
        """What was told of a command."""
        return set(self.bench.statuses(command_id))
