"""One HTTP exchange, bounded in every way. The only importer of httpx.

No redirects, no proxies from the environment, no cookies, no compression (a small body cannot become a large one), and
the connection goes to an address that the guard has checked, under the host's own name for TLS.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import httpx

from connectors.guard import Guard, Target, target_of
from engine.errors import ConfigError, LockstepError, Retry

_NEVER_LEFT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_MAX_CONNECTIONS: Final = 64


class NotSentError(LockstepError):
    """The request did not leave: no connection came about (N110)."""


class NoAnswerError(LockstepError):
    """The request, or some of it, left, and no whole answer came back (N111): it may have taken effect."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: 100 to 599.
        headers: by lower-case name.
        body: at most as many bytes as the client takes.
        was_cut: there was more.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    was_cut: bool


@dataclass(slots=True)
class _Client:
    """One host's connections, and how many requests are under way on them."""

    client: httpx.AsyncClient
    requests: int = 0


class Web:
    """Asks configured URLs. One client a host, for a TLS connection stands for the name it was checked under."""

    def __init__(self, guard: Guard, timeout_ms: int, max_bytes: int, ca_file: str | None = None) -> None:
        """Opens nothing yet.

        Args:
            guard: decides where it may connect to.
            timeout_ms: of connecting, and of each single read and write.
            max_bytes: of a body; more is cut off unread.
            ca_file: PEM file of the only authorities believed; None: the system's.

        Raises:
            ConfigError: the file cannot be used (C162).
        """
        self._guard = guard
        self._timeout = httpx.Timeout(timeout_ms / 1000)
        self._max_bytes = max_bytes
        try:
            self._tls = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError("C162", f"{ca_file}: {error}", "name a PEM file with certificates") from error
        self._clients: dict[Target, _Client] = {}

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """One request and its answer; whatever its status, it is an answer.

        Raises:
            EgressRefusedError, UnresolvedError: the guard's.
            NotSentError: nothing left (``retry=LATER``).
            NoAnswerError: it may have left (``retry=LATER``).
        """
        target = target_of(url, "request")
        address = await self._guard.address_of(target)
        request = httpx.Request(
            method,
            _at(url, address, target),
            headers={**headers, "Host": _host(url), "Accept-Encoding": "identity"},
            content=body,
            extensions={"sni_hostname": target.host, "timeout": self._timeout.as_dict()},
        )
        try:
            async with self._using(target) as client:
                response = await client.send(request, stream=True, follow_redirects=False)
                try:
                    return await self._read(response)
                finally:
                    await response.aclose()
        except _NEVER_LEFT as error:
            raise NotSentError("N110", f"{target.host}: {_said(error)}", "", Retry.LATER) from error
        except httpx.HTTPError as error:
            raise NoAnswerError("N111", f"{target.host}: {_said(error)}", "", Retry.LATER) from error

    async def close(self) -> None:
        """Closes every connection."""
        for each in self._clients.values():
            await each.client.aclose()
        self._clients.clear()

    @asynccontextmanager
    async def _using(self, target: Target) -> AsyncIterator[httpx.AsyncClient]:
        """That host's client. One of which a request is cut off is used for no other.

        The library keeps the place of a connection that was cut off while it was opened, for ever: after as many as it
        may have, nothing would leave any more.
        """
        used = self._clients.get(target)
        if used is None:
            limits = httpx.Limits(max_connections=_MAX_CONNECTIONS, max_keepalive_connections=_MAX_CONNECTIONS)
            used = _Client(httpx.AsyncClient(verify=self._tls, trust_env=False, limits=limits))
            self._clients[target] = used
        used.requests += 1
        try:
            yield used.client
        except asyncio.CancelledError:
            if self._clients.get(target) is used:
                del self._clients[target]
            raise
        finally:
            used.requests -= 1
            if not used.requests and self._clients.get(target) is not used:
                await used.client.aclose()

    async def _read(self, response: httpx.Response) -> Answer:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._max_bytes:
                break
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, bytes(body[: self._max_bytes]), len(body) > self._max_bytes)


def _at(url: str, address: str, target: Target) -> str:
    """The URL with the checked address in the place of the name."""
    parts = urlsplit(url)
    host = f"[{address}]" if ":" in address else address
    return urlunsplit((parts.scheme, f"{host}:{target.port}", parts.path or "/", parts.query, ""))


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _said(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
