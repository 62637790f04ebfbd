"""A wire between a client and the server that a test may cut: an answer gets lost after the server gave it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self


class Proxy:
    """Listens on a TCP port and passes everything on to a unix socket."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.answers_to_lose = 0
        self.answers_lost = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        server_reader, server_writer = await asyncio.open_unix_connection(str(self._target))
        to_server = asyncio.ensure_future(self._pass_on(reader, server_writer))
        try:
            while answer := await server_reader.read(1 << 16):
                if self.answers_to_lose:
                    self.answers_to_lose -= 1
                    self.answers_lost += 1
                    break
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            to_server.cancel()
            writer.close()
            server_writer.close()
            self._tasks.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while asked := await reader.read(1 << 16):
                writer.write(asked)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()
