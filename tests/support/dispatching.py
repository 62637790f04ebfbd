"""A real store, the part of the loop that dispatch needs (commits), and a connector that does as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from connectors.base import Capabilities, Connector, ConnectorContext, OutgoingCommand, SendResult, SendStatus
from connectors.registry import Registry
from engine.errors import Retry
from engine.model.journal import ZERO_ID, ChangeSet, Committed, Cursor, OutboxCommand, StreamId
from engine.model.signing import verify
from engine.runtime.dispatch import Dispatch
from engine.runtime.notebooks import DurableNotebook
from engine.runtime.results import ResultWriter
from engine.runtime.timers import AlarmClock
from engine.settings import Settings
from engine.store.leases import Leading
from engine.store.redis_store import RedisStore

SECRET = b"only for tests, 32 bytes long..."
#: Longest a test waits for something that must happen.
PATIENCE_S = 20


def outgoing(n: int, connector: str = "executor", **changes: Any) -> OutboxCommand:  # noqa: ANN401 - any field
    """A command as the loop would decide it."""
    args = json.dumps({"amount": "24873808145113565803", "intent": f"I{n}"})
    fields: dict[str, Any] = {"rule": "swap.bridge", "coordination": "", "expires_ms": None, "args": args} | changes
    return OutboxCommand(
        f"c{n}", connector, changes.pop("verb", "bridge"), **{k: v for k, v in fields.items() if k != "verb"}
    )


@dataclass(frozen=True, slots=True)
class Result:
    """A result entry as the journal holds it; its signature was good."""

    command: str
    status: str
    detail: Mapping[str, Any]
    n: int


@dataclass
class Bench:
    """Commits as the loop does, and reads what dispatch says."""

    store: RedisStore
    epoch: int = 0
    settings: Settings = field(default_factory=Settings)
    registry: Registry | None = None
    paused: set[str] = field(default_factory=set)
    dispatch: Dispatch | None = None
    #: Dispatch's own way to Redis, if it is not that of the test.
    wired: RedisStore | None = None
    clock: AlarmClock = field(default_factory=AlarmClock)
    results: list[Result] = field(default_factory=list)
    _read: StreamId = ZERO_ID
    _commits: int = 0

    async def lead(self) -> None:
        """Become the leader under the next epoch."""
        await self.store._wire.call("DEL", self.store.keys.lease)
        got = await self.store.acquire_lease("bench", 600_000)
        assert isinstance(got, Leading)
        self.epoch = got.epoch

    async def commit(
        self, *commands: OutboxCommand, withdrawn: tuple[str, ...] = (), ended: Mapping[str, str] | None = None
    ) -> None:
        """One commit of the loop."""
        before = await self.store.cursor()
        self._commits += 1
        change = ChangeSet(before, Cursor(before.entry, before.now_ms + 1), f"t{self.epoch}-{self._commits}")
        change.commands += commands
        change.withdrawn += withdrawn
        change.ended |= ended or {}
        assert isinstance(await self.store.commit(change, self.epoch), Committed)
        if self.dispatch is not None:
            self.dispatch.committed(change)

    @asynccontextmanager
    async def dispatching(self) -> AsyncIterator[Dispatch]:
        """Dispatch runs inside; it is stopped at the end, and its fault is raised."""
        self.clock = AlarmClock()
        self.clock.start()
        self.dispatch = self.make()
        running = asyncio.create_task(self.dispatch.run())
        try:
            yield self.dispatch
            self.dispatch.stop()
            await asyncio.wait_for(running, PATIENCE_S)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            self.dispatch = None
            self.clock.stop()

    def make(self) -> Dispatch:
        """Dispatch under this epoch."""
        store = self.wired or self.store
        results = ResultWriter(store, self.epoch, SECRET)
        paused = lambda: self.paused  # noqa: E731
        return Dispatch(store, self.settings, results, paused, self.epoch, self.registry, self.surroundings)

    def surroundings(self, name: str, options: Mapping[str, Any]) -> ConnectorContext:
        """What a connector of that name is built from, as the daemon would have it."""
        notebook = DurableNotebook(self.wired or self.store, name, self.epoch, self._no_lag)

        return ConnectorContext(
            name, options, self._sink, notebook, partial(self._pace, name), read_file=self.settings.read_file
        )

    def _pace(self, connector: str, name: str, every_ms: int, wake: Callable[[], None]) -> None:
        self.clock.every(f"{connector}:{name}", every_ms, wake)

    async def _no_lag(self) -> int:
        return 0

    async def _sink(self, command: OutgoingCommand) -> bool:
        store = self.wired or self.store
        return await store.send_redis(command.id, command.connector, command.epoch) == "sent"

    async def until(self, holds: Callable[[list[Result]], bool]) -> list[Result]:
        """Reads the journal until that holds of all results so far."""
        async with asyncio.timeout(PATIENCE_S):
            await self.read()
            while not holds(self.results):
                await self.read(block_ms=1_000)
        return self.results

    async def eventually(self, holds: Callable[[], bool]) -> None:
        """Waits for something that no journal entry shows, giving the loop a turn with each look."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                await self.store.time_ms()

    async def told(self, *expected: tuple[str, str]) -> None:
        """Waits until exactly these (command, status), in any order, are what was told."""
        found = await self.until(lambda told: len(told) >= len(expected))
        assert sorted((r.command, r.status) for r in found) == sorted(expected)

    async def read(self, block_ms: int = 0) -> None:
        """Takes in what the journal has gained; checks signatures, and that numbers rise."""
        for entry_id, flat in await self.store.read_journal(self._read, 1_000, block_ms):
            self._read = StreamId.parse(entry_id)
            fields = {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
            if fields["op"] != b"result":
                continue
            assert fields["source"] == b"lockstep-dispatch"
            assert verify(fields, SECRET)
            data = json.loads(fields["data"])
            result = Result(data["command"], data["status"], data["detail"], int(fields["n"]))
            assert result.n > (self.results[-1].n if self.results else 0)
            self.results.append(result)

    def statuses(self, command_id: str) -> list[str]:
        """What was told of one command, in order."""
        return [r.status for r in self.results if r.command == command_id]


@dataclass
class Receiver:
    """The world behind the told connector: keeps what reached it, and honours the id."""

    effects: dict[str, OutgoingCommand] = field(default_factory=dict)
    tries: list[OutgoingCommand] = field(default_factory=list)
    remembers: dict[str, SendResult] = field(default_factory=dict)
    script: Callable[[OutgoingCommand], SendResult | BaseException] = lambda _: SendResult(SendStatus.DONE)
    gate: asyncio.Event | None = None
    stopped: int = 0
    most_at_once: int = 0
    at_once: int = 0

    def tried(self, command_id: str) -> int:
        """How often that command reached the receiver."""
        return sum(1 for c in self.tries if c.id == command_id)


def told_registry(receiver: Receiver, capabilities: Capabilities | None = None) -> Registry:
    """A registry whose type ``told`` reaches that receiver."""

    class Told(Connector):
        async def send(self, command: OutgoingCommand) -> SendResult:
            receiver.at_once += 1
            receiver.most_at_once = max(receiver.most_at_once, receiver.at_once)
            try:
                receiver.tries.append(command)
                if receiver.gate is not None:
                    await receiver.gate.wait()
                receiver.effects.setdefault(command.id, command)
                answer = receiver.script(command)
            finally:
                receiver.at_once -= 1
            if isinstance(answer, BaseException):
                raise answer
            return answer

        async def recall(self, command_id: str) -> SendResult:
            known = receiver.remembers.get(command_id)
            return known or await super().recall(command_id)

        async def stop(self) -> None:
            receiver.stopped += 1

    Told.capabilities = capabilities or Capabilities()
    return Registry({"told": Told})


def told_settings(**limits: Any) -> Settings:  # noqa: ANN401 - as in the file
    """Settings whose connector ``executor`` is the told one, with fast retries."""
    quick = {"retry": {"tries": "3", "base": "1ms", "cap": "2ms"}, "breaker": {"failures": "1000", "cool_down": "1ms"}}
    return Settings.model_validate(
        {"connectors": {"executor": {"type": "told", **quick, **limits}}, "dispatch": {"drain": "100ms"}}
    )


LATER = Retry.LATER
__all__ = ["LATER", "Bench", "ConnectorContext", "Receiver", "Result", "outgoing", "told_registry", "told_settings"]
