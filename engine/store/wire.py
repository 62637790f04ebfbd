"""The connections to Redis: raw replies, scripts by hash, errors translated. Nothing above knows the client library."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any, TypeAlias

import hiredis
import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.backoff import ExponentialBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from engine.store.failures import translate
from engine.store.scripts import Script
from engine.store.url import Endpoint

#: A reply as the protocol has it: bytes, int, None, or a list of replies.
Reply: TypeAlias = Any
Word: TypeAlias = str | bytes | int

#: A command that takes longer counts as failed. Above the longest blocking read, and above copying a large snapshot.
SOCKET_TIMEOUT_S = 30
CONNECT_TIMEOUT_S = 5
#: The longest a read may block; below the socket timeout, so that waiting is never mistaken for a dead server.
MAX_BLOCK_MS = 10_000
#: The client repeats a command so often by itself; commits survive that by their id.
_RETRIES = 3
_READ_BYTES = 1 << 18
#: Above what dispatch may have under way at once; a client without room would fail, not wait.
_MAX_CONNECTIONS = 2_000


def _options(endpoint: Endpoint, timeout_s: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        "db": endpoint.db,
        "username": endpoint.username,
        "password": endpoint.password,
        "protocol": 2,
        "decode_responses": False,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_read_size": _READ_BYTES,
    }
    if endpoint.path is not None:
        del options["socket_connect_timeout"]
        return options | {"unix_socket_path": str(endpoint.path)}
    if endpoint.tls:
        given = dict(endpoint.tls_options)
        check = given.pop("ssl_check_hostname", "true").lower() not in {"false", "no", "0"}
        if given.get("ssl_cert_reqs", "required") == "none":
            check = False
        options |= {"ssl": True, "ssl_check_hostname": check, "ssl_min_version": ssl.TLSVersion.TLSv1_2, **given}
    if not endpoint.service:
        options["host"], options["port"] = endpoint.hosts[0]
    return options


def _sentinel_options(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "username": endpoint.sentinel_username,
        "password": endpoint.sentinel_password,
        "socket_timeout": CONNECT_TIMEOUT_S,
        "ssl": endpoint.tls,
        "protocol": 2,
    } | (dict(endpoint.tls_options) if endpoint.tls else {})


class _Sending:
    """How a connection of ours sends; mixed into the client's own class.

    Commands are put together by hiredis: the asyncio client would do it in Python, word by word (1 ms a commit).
    And it sends under ``asyncio.wait_for``, which before Python 3.12 swallows a cancellation that meets a finished
    send: a cancelled loop would then go on for ever. ``asyncio.timeout`` does not.
    """

    socket_timeout: float | None

    def pack_command(self, *words: Word) -> list[bytes]:
        packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]
        return [packed]

    async def send_packed_command(self, command: Reply, check_health: bool = True) -> None:
        timeout_s, self.socket_timeout = self.socket_timeout, None
        try:
            async with asyncio.timeout(timeout_s):
                await super().send_packed_command(command, check_health)  # type: ignore[misc]
        finally:
            self.socket_timeout = timeout_s


def _send_our_way(pool: redis.asyncio.ConnectionPool) -> None:
    plain = pool.connection_class
    pool.connection_class = type(f"Our{plain.__name__}", (_Sending, plain), {})


class Wire:
    """The event loop's connections (a pool) to one Redis."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        options = _options(endpoint, SOCKET_TIMEOUT_S)
        options["max_connections"] = _MAX_CONNECTIONS
        options["retry"] = AsyncRetry(ExponentialBackoff(cap=0.5, base=0.02), _RETRIES)
        self._client: redis.asyncio.Redis
        self._sentinels: list[redis.asyncio.Redis] = []
        if endpoint.service:
            sentinel = AsyncSentinel(list(endpoint.hosts), sentinel_kwargs=_sentinel_options(endpoint))  # type: ignore[no-untyped-call]
            self._client = sentinel.master_for(endpoint.service, **options)
            self._sentinels = sentinel.sentinels
        else:
            self._client = redis.asyncio.Redis(**options)
        # Replies stay as they came: turning 500 entries into dicts costs more than reading them.
        self._client.response_callbacks.clear()
        _send_our_way(self._client.connection_pool)

    async def call(self, *words: Word) -> Reply:
        """One command.

        Raises:
            StoreError: as ``failures`` translates it.
        """
        try:
            return await self._client.execute_command(*words)  # type: ignore[no-untyped-call]
        except (RedisError, OSError, TimeoutError) as error:
            raise translate(error, str(self.endpoint)) from error

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Word] = ()) -> Reply:
        """One script by its hash; by its text if Redis does not have it (a refusal for that changes nothing)."""
        execute = self._client.execute_command
        try:
            try:
                return await execute("EVALSHA", script.sha, len(keys), *keys, *args)  # type: ignore[no-untyped-call]
            except NoScriptError:
                return await execute("EVAL", script.text, len(keys), *keys, *args)  # type: ignore[no-untyped-call]
        except (RedisError, OSError, TimeoutError) as error:
            raise translate(error, str(self.endpoint)) from error

    async def pipeline(self, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        """Several commands in one round trip, not atomic; the first error is raised."""
        return await self._at_once(commands, transaction=False) if commands else []

    async def together(self, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        """Several commands with nothing of anybody else's between them.

        Raises:
            StoreError: as ``failures`` translates it.
        """
        return await self._at_once(commands, transaction=True)

    async def _at_once(self, commands: Sequence[Sequence[Word]], *, transaction: bool) -> list[Reply]:
        try:
            async with self._client.pipeline(transaction=transaction) as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                return await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise translate(error, str(self.endpoint)) from error

    async def close(self) -> None:
        """Close every connection."""
        for client in (self._client, *self._sentinels):
            await client.aclose()


class ThreadWire:
    """One thread's own connection, for what must not wait for the event loop (the lease)."""

    def __init__(self, endpoint: Endpoint, timeout_s: int) -> None:
        self.endpoint = endpoint
        options = _options(endpoint, timeout_s)
        options["retry"] = Retry(ExponentialBackoff(cap=0.1, base=0.02), 1)
        self._client: redis.Redis
        self._sentinels: list[redis.Redis] = []
        if endpoint.service:
            sentinel = Sentinel(list(endpoint.hosts), sentinel_kwargs=_sentinel_options(endpoint))  # type: ignore[no-untyped-call]
            self._client = sentinel.master_for(endpoint.service, **options)  # type: ignore[no-untyped-call]
            self._sentinels = sentinel.sentinels
        else:
            self._client = redis.Redis(**options)
        self._client.response_callbacks.clear()

    def call(self, *words: Word) -> Reply:
        """One command; raises StoreError."""
        try:
            return self._client.execute_command(*words)  # type: ignore[no-untyped-call]
        except (RedisError, OSError, TimeoutError) as error:
            raise translate(error, str(self.endpoint)) from error

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Word] = ()) -> Reply:
        """One script; raises StoreError."""
        execute = self._client.execute_command
        try:
            try:
                return execute("EVALSHA", script.sha, len(keys), *keys, *args)  # type: ignore[no-untyped-call]
            except NoScriptError:
                return execute("EVAL", script.text, len(keys), *keys, *args)  # type: ignore[no-untyped-call]
        except (RedisError, OSError, TimeoutError) as error:
            raise translate(error, str(self.endpoint)) from error

    def close(self) -> None:
        """Close the connection."""
        for client in (self._client, *self._sentinels):
            client.close()
