"""A webhook's receiver that honours ids, behind a wire."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

from connectors.http import HttpConnector
from tests.support.line import Line, Trouble
from tests.support.receiver import Receiver, Request, answer, receiving
from tests.support.worlds.base import Place, World


class HttpWorld(World):
    """An effect is an id that came for the first time."""

    name = "http"
    kind = HttpConnector
    success = frozenset({"done"})

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._applied: dict[str, Request] = {}
        self._answer = b""
        self._receiver: Receiver
        self._line: Line
        self._open = AsyncExitStack()

    async def open(self) -> None:
        self._receiver = await self._open.enter_async_context(receiving(self._receive))
        connect = lambda: asyncio.open_connection("127.0.0.1", self._receiver.port)  # noqa: E731
        self._line = await self._open.enter_async_context(Line(connect))

    async def close(self) -> None:
        self._line.mend()
        await self._open.aclose()

    def _receive(self, number: int, request: Request) -> bytes:
        if self._answer:
            return self._answer
        self._applied.setdefault(request.headers["idempotency-key"], request)
        return answer(200)

    def options(self) -> dict[str, Any]:
        return {"url": f"http://127.0.0.1:{self._line.port}/", "allow": ["127.0.0.1"], "success": "done"}

    async def effects(self) -> list[str]:
        return sorted(self._applied)

    async def expiry_at_receiver(self, command_id: str) -> int | None:
        expires: int | None = json.loads(self._applied[command_id].body)["expires"]
        return expires

    def meet(self, trouble: Trouble, *ids: str) -> None:
        match trouble:
            case Trouble.FAILS:
                self._answer = answer(429)
            case Trouble.REFUSES:
                self._answer = answer(422)
            case _:
                self._line.meet(trouble, b"POST")

    def mend(self) -> None:
        self._answer = b""
        self._line.mend()
