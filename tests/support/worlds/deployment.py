"""Every connector at once in one real daemon, which can be stopped and killed; the far sides outlive it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from engine.model.journal import StreamId
from engine.store.abc import DispatchRow
from engine.store.redis_store import RedisStore
from tests.integration.cli.program import PROGRAM, ROOT, environment
from tests.support.line import Trouble
from tests.support.sending import KEY, KEY_VARIABLE
from tests.support.worlds.base import World
from tests.support.worlds.log import DAEMON_LOG

#: Longest a test waits for something that must happen.
PATIENCE_S: Final = 60
_FIRST: Final = StreamId(0, 0)
_QUICK: Final = {"retry": {"tries": "50", "base": "50ms", "cap": "200ms"}, "timeout": "10s"}
_HEAD = """
pack: contract
version: 1
kinds:
  order:
    key: [id]
    ttl: 1h
    fields: {id: id}
rules:
"""
_RULE = """
  - rule: to-{name}
    when:
      - order: o
    then:
      - command: {name}.{verb}
        with: {{order: =o.id}}
"""


class Deployment:
    """One order is one command for each connector."""

    def __init__(self, directory: Path, redis_url: str, store: RedisStore, worlds: Sequence[World]) -> None:
        self._directory = directory
        self._redis_url = redis_url
        self._store = store
        self.worlds = worlds
        self._orders = 0
        self._lives: list[Process] = []
        self._last_epoch = 0
        connectors = {world.name: world.configuration(**_QUICK) for world in worlds}
        config = {"connectors": connectors, "dispatch": {"drain": "300ms"}}
        (directory / "lockstep.yaml").write_text(json.dumps(config))
        packs = directory / "packs"
        packs.mkdir()
        rules = [_RULE.format(name=world.name, verb=world.verb) for world in worlds]
        (packs / "contract.yaml").write_text(_HEAD + "".join(rules))
        self._site = directory / "site"
        for world in worlds:
            world.install(self._site)

    # -- the daemon -------------------------------------------------------------------
    async def start(self, **env: str) -> Process:
        """The next life, as if the lease of the last had run out."""
        await self._store._wire.call("DEL", self._store.keys.lease)
        self._last_epoch = await self._store.epoch()
        words = (*PROGRAM, "run", "--redis", self._redis_url, "--config", "lockstep.yaml", "--packs", "packs")
        path = {"PYTHONPATH": os.pathsep.join((str(ROOT), str(self._site))), KEY_VARIABLE: KEY}
        with (self._directory / DAEMON_LOG).open("ab") as log:
            life = await asyncio.create_subprocess_exec(
                *words, cwd=self._directory, env=environment() | path | env, stderr=log
            )
        self._lives.append(life)
        return life

    async def end(self) -> None:
        """Whatever still runs is killed."""
        for life in self._lives:
            if life.returncode is None:
                life.kill()
                await life.wait()

    async def dies_at(self, place: str) -> None:
        """A life that ends with ``kill -9`` where it is told to."""
        life = await self.start(LOCKSTEP_CRASH_AT=place)
        async with asyncio.timeout(PATIENCE_S):
            assert await life.wait() == -signal.SIGKILL, self.log()

    async def stops(self, life: Process, within_s: int) -> None:
        """Asked to, and in time."""
        life.terminate()
        async with asyncio.timeout(within_s):
            assert await life.wait() == 0, self.log()

    def log(self) -> str:
        """The last lines it wrote."""
        return "\n".join((self._directory / DAEMON_LOG).read_text().splitlines()[-20:])

    # -- commands ----------------------------------------------------------------------
    async def ready(self) -> None:
        """The rule base is in force."""
        while b"revision" not in dict(zip(*[iter(await self._meta())] * 2, strict=True)):
            await self._store.time_ms()

    async def _meta(self) -> list[bytes]:
        found: list[bytes] = await self._store._wire.call("HGETALL", self._store.keys.meta)
        return found

    async def order(self, count: int) -> None:
        """So many more."""
        for _ in range(count):
            self._orders += 1
            entry = ("op", "assert", "kind", "order", "source", "test", "data", json.dumps({"id": f"o{self._orders}"}))
            await self._store._wire.call("XADD", self._store.keys.journal, "*", *entry)

    async def commands(self) -> dict[str, list[str]]:
        """Ids of all commands that were made, by connector."""
        found: dict[str, list[str]] = {world.name: [] for world in self.worlds}
        for entry in await self._store.read_outbox(_FIRST, 10_000):
            found[entry.command.connector].append(entry.command.command_id)
        for world in self.worlds:
            world.known |= set(found[world.name])
        return found

    async def hang(self) -> set[str]:
        """Every far side that can; gives the commands that will not come back."""
        made = await self.commands()
        able = [world for world in self.worlds if Trouble.HANGS not in world.cannot]
        for world in able:
            world.meet(Trouble.HANGS, *made[world.name])
        return {command_id for world in able for command_id in made[world.name]}

    def mend(self) -> None:
        """All is well everywhere."""
        for world in self.worlds:
            world.mend()

    async def rows(self) -> Mapping[str, DispatchRow]:
        """The dispatch table: what is not over, by command."""
        return {row.command_id: row for row in await self._store.dispatch_rows()}

    async def until_in_flight(self, ids: set[str], life: Process) -> None:
        """Each of them that is not over is tried by the daemon that leads now."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                epoch, rows = await self._store.epoch(), await self.rows()
                tried = {row.command_id for row in rows.values() if row.epoch == epoch and row.tries}
                if epoch > self._last_epoch and tried >= ids:
                    return
                assert life.returncode is None, self.log()
                await self._store._wire.call("BLPOP", "nobody:writes:this", "0.02")

    async def until_over(self, life: Process) -> None:
        """Every command has gone out, and taken effect."""
        async with asyncio.timeout(PATIENCE_S):
            while not await self._is_over():
                assert life.returncode is None, self.log()
                await self._store._wire.call("BLPOP", "nobody:writes:this", "0.05")

    async def _is_over(self) -> bool:
        made = await self.commands()
        if any(len(ids) != self._orders for ids in made.values()):
            return False
        if any(row.state in ("queued", "sending") for row in (await self.rows()).values()):
            return False
        return all([set(await world.effects()) >= set(made[world.name]) for world in self.worlds])

    async def assert_each_has_one_effect(self) -> None:
        """At every receiver."""
        made = await self.commands()
        for world in self.worlds:
            assert await world.effects() == sorted(made[world.name]), world.name
