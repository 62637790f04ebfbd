"""A program for the kill test: dispatch in a process of its own, to the streams of executors."""

from __future__ import annotations

import asyncio
import os
import sys

from engine.runtime.dispatch import Dispatch
from engine.runtime.results import ResultWriter
from engine.settings import Settings
from engine.store.leases import Leading
from engine.store.redis_store import RedisStore
from engine.store.url import parse
from tests.support.dispatching import SECRET


async def main() -> None:
    """Leads, and dispatches until it is killed."""
    async with RedisStore(parse(sys.argv[1])) as store:
        await store._wire.call("DEL", store.keys.lease)
        led = await store.acquire_lease(f"pid-{os.getpid()}", 60_000)
        assert isinstance(led, Leading)
        await Dispatch(store, Settings(), ResultWriter(store, led.epoch, SECRET), set, led.epoch).run()


asyncio.run(main())
