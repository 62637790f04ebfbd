"""A polling connector against a real server, with a notebook in memory and clocks that stand until they are moved."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.base import ConnectorContext, Notebook, OutgoingCommand, SendResult, SendStatus
from connectors.poll import PollConnector
from connectors.poll import connector as connector_module
from connectors.poll import polling as polling_module
from engine.settings import load_settings
from tests.support.believing import BelievingNotebook
from tests.support.receiver import Receiver, Request, answer, receiving

PATIENCE_S = 20
START_MS = 1_800_000_000_000


def saying(document: object, status: int = 200, **headers: str) -> bytes:
    """An answer with that JSON."""
    return answer(status, json.dumps(document).encode(), **headers)


def asked_for(request: Request, name: str = "txHash") -> str:
    """A parameter of the URL."""
    return parse_qs(urlsplit(request.line.split()[1]).query)[name][0]


class Clocks:
    """The wall's and the monotonic one, moved together."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall_ms = START_MS
        self.since_boot_ms = 5_000_000
        monkeypatch.setattr(polling_module, "wall_ms", lambda: self.wall_ms)
        monkeypatch.setattr(connector_module, "wall_ms", lambda: self.wall_ms)
        monkeypatch.setattr(polling_module, "monotonic_ms", lambda: self.since_boot_ms)

    def move(self, ms: int) -> None:
        self.wall_ms += ms
        self.since_boot_ms += ms


class Stand:
    """A connector named ``api`` that looks when it is told to, over its lives."""

    def __init__(self, clocks: Clocks, directory: Path, receiver: Receiver, options: Mapping[str, Any]) -> None:
        self.clocks = clocks
        self.receiver = receiver
        self.notebook = BelievingNotebook()
        self.context_notebook: Notebook = self.notebook
        self.options = {
            "mapping": "lifi",
            "base_url": f"http://127.0.0.1:{receiver.port}",
            "allow": ["127.0.0.1"],
            "every": "1s",
            **options,
        }
        (directory / "lockstep.yaml").write_text("log_level: debug\n")
        self._read_file = load_settings(directory / "lockstep.yaml").read_file
        self._commands = 0
        self.watching: asyncio.Task[None] | None = None
        self.connector = self._made()

    def _made(self) -> PollConnector:
        return PollConnector(
            ConnectorContext(
                "api",
                self.options,
                notebook=self.context_notebook,
                pace=self._pace,
                timeout_ms=300,
                read_file=self._read_file,
            )
        )

    def _pace(self, name: str, every_ms: int, wake: Callable[[], None]) -> None:
        assert (name, every_ms) == ("poll", 1_000)

    async def start(self) -> None:
        """Begins to watch."""
        self.watching = asyncio.create_task(self.connector.watch())
        await self.settled()

    async def restart(self) -> None:
        """As after a kill: nothing is left but what is noted."""
        await self.stop()
        self.connector = self._made()
        await self.start()

    async def stop(self) -> None:
        if self.watching is not None:
            self.watching.cancel()
            await asyncio.gather(self.watching, return_exceptions=True)
        await self.connector.stop()

    async def settled(self) -> None:
        """Everything that is due now was asked."""
        assert self.watching is not None
        async with asyncio.timeout(PATIENCE_S):
            quiet = 0
            while quiet < 5 and not self.watching.done():
                await asyncio.sleep(0)
                polling = self.connector._polling
                is_busy = polling is None or polling._in_flight or polling._woken.is_set()
                quiet = 0 if is_busy else quiet + 1

    async def after(self, ms: int) -> int:
        """Lets so much time pass, and gives how many requests came then."""
        before = len(self.receiver.got)
        self.clocks.move(ms)
        assert self.connector._polling is not None
        self.connector._polling.wake()
        await self.settled()
        return len(self.receiver.got) - before

    async def command(self, verb: str, command_id: str = "", **args: Any) -> SendResult:  # noqa: ANN401 - JSON
        """A pack says so."""
        self._commands += 1
        command = OutgoingCommand(command_id or f"c{self._commands}", "api", verb, json.dumps(args), "pack.rule")
        result = await self.connector.send(command)
        if self.watching is not None:
            await self.settled()
        return result

    async def track(self, **args: Any) -> None:  # noqa: ANN401 - JSON
        assert (await self.command("track", **args)).status is SendStatus.DONE


@asynccontextmanager
async def polling(
    clocks: Clocks,
    directory: Path,
    script: Callable[[int, Request], bytes],
    **options: Any,  # noqa: ANN401 - as in the file
) -> AsyncIterator[Stand]:
    """A stand that watches, and the API that it asks."""
    async with receiving(script) as receiver:
        stand = Stand(clocks, directory, receiver, options)
        await stand.start()
        try:
            yield stand
        finally:
            await stand.stop()
