"""An HTTP receiver on loopback that answers as it is told; real sockets, and nothing of the client's library."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in; headers by lower-case name."""

    line: str
    headers: dict[str, str]
    body: bytes


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """A whole answer; ``Retry_After="1"`` is the header ``Retry-After``."""
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*head, "", ""]).encode() + body


#: Closes the connection without a word.
RESET = b""
#: Never answers.
HANG = b"hang"


@dataclass
class Receiver:
    """What came, and how it answers: by the number of the request, from 1."""

    script: Callable[[int, Request], bytes]
    port: int = 0
    got: list[Request] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """The distinct ids that came, sorted: a receiver that honours ids acts once on each."""
        return sorted({request.headers["idempotency-key"] for request in self.got})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while (request := await _read(reader)) is not None:
                self.got.append(request)
                said = self.script(len(self.got), request)
                if said == HANG:
                    await reader.read()
                if said in (HANG, RESET):
                    return
                writer.write(said)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    return Request(head[0], headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@asynccontextmanager
async def receiving(
    script: Callable[[int, Request], bytes] = lambda n, request: answer(200), tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """A receiver on a port of its own, inside."""
    receiver = Receiver(script)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
