"""A wire to a far side, on which a test may make trouble for everything that holds certain bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum
from types import TracebackType
from typing import Self, TypeAlias

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Trouble(Enum):
    """What a far side may do to a command.

    FAILS: it does nothing.
    HANGS: it does nothing, and says nothing, until it is mended; then it does what it had been asked.
    LOSES: it does it, and its answer is lost.
    REFUSES: it says no.
    """

    FAILS = "fails"
    HANGS = "hangs"
    LOSES = "loses"
    REFUSES = "refuses"


class Line:
    """Listens on a TCP port and passes everything on; what is asked on one connection meets at most one trouble."""

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        """Opens nothing.

        Args:
            connect: opens a connection to the far side.
        """
        self._connect = connect
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._troubles: dict[bytes, Trouble] = {}
        self._mended = asyncio.Event()
        self.port = 0

    def meet(self, trouble: Trouble, concerned: bytes) -> None:
        """From now on, what holds these bytes meets trouble."""
        self._troubles[concerned] = trouble
        self._mended.clear()

    def mend(self) -> None:
        """All is well again; what hung goes on its way."""
        self._troubles.clear()
        self._mended.set()

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
        far_reader, far_writer = await self._connect()
        answers = asyncio.create_task(_pass_on(far_reader, writer))
        try:
            while asked := await reader.read(1 << 16):
                trouble = next((each for concerned, each in self._troubles.items() if concerned in asked), None)
                if trouble is Trouble.FAILS:
                    break
                if trouble is Trouble.HANGS:
                    await self._mended.wait()
                if trouble is Trouble.LOSES:
                    answers.cancel()
                    await asyncio.wait([answers])  # two may not read at once
                far_writer.write(asked)
                await far_writer.drain()
                if trouble is Trouble.LOSES:
                    await far_reader.read(1)  # it has answered, so it has done it
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            answers.cancel()
            writer.close()
            far_writer.close()
            self._tasks.discard(task)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while said := await reader.read(1 << 16):
            writer.write(said)
            await writer.drain()
    writer.close()
