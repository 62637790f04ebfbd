"""The store over Redis: all of its nouns on one pool of connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

from engine.clock import monotonic_ms
from engine.errors import Retry, StoreError
from engine.store.commits import Commits
from engine.store.dispatch_table import DispatchTable
from engine.store.keys import Keys
from engine.store.leases import Leases
from engine.store.notebooks import Notebooks
from engine.store.records import Records
from engine.store.rule_bases import RuleBases
from engine.store.server import Server
from engine.store.snapshots import Snapshots
from engine.store.url import Endpoint
from engine.store.views import Views
from engine.store.wire import Wire

_FIRST_WAIT_MS = 100
_LONGEST_WAIT_MS = 5_000

#: Told of each failed try: the error, which try it was (from 1), and how long the next waits, ms.
OnTry = Callable[[StoreError, int, int], None]


class RedisStore(Commits, DispatchTable, Records, RuleBases, Snapshots, Views, Leases, Notebooks, Server):
    """Durable state in Redis; fulfils ``engine.store.abc.Store``. Belongs to one event loop."""

    def __init__(self, endpoint: Endpoint, keys: Keys | None = None) -> None:
        super().__init__(Wire(endpoint), keys or Keys())

    @property
    def endpoint(self) -> Endpoint:
        """Where the server is."""
        return self._wire.endpoint

    @property
    def keys(self) -> Keys:
        """The keys of the partition."""
        return self._keys

    async def close(self) -> None:
        """Close all connections."""
        await self._wire.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


async def connect_with_backoff(
    endpoint: Endpoint, on_try: OnTry, keys: Keys | None = None, give_up_after_ms: int | None = None
) -> RedisStore:
    """A store whose server has answered.

    Waits 100 ms after the first failure, twice as long after each further one, at most 5 s, for as long as it takes.

    Args:
        endpoint: where Redis is.
        on_try: told of every failure.
        keys: the partition's keys, if not the only one's.
        give_up_after_ms: raise instead of trying on after that time; None: never.

    Raises:
        StoreError: at once if waiting cannot help (login, TLS, version); after ``give_up_after_ms`` otherwise.
    """
    store = RedisStore(endpoint, keys)
    began = monotonic_ms()
    wait_ms = _FIRST_WAIT_MS
    tries = 0
    while True:
        try:
            await store.ping()
        except StoreError as error:
            tries += 1
            late = give_up_after_ms is not None and monotonic_ms() - began >= give_up_after_ms
            if error.retry is Retry.NEVER or late:
                await store.close()
                raise
            on_try(error, tries, wait_ms)
            await asyncio.sleep(wait_ms / 1000)
            wait_ms = min(2 * wait_ms, _LONGEST_WAIT_MS)
        except BaseException:
            await store.close()
            raise
        else:
            return store
