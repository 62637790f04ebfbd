"""A program for the kill test: dispatch in a process of its own, sending to a receiver that outlives it.

The receiver is a directory: it honours ids (one file an id, made exclusively), and notes every try beside it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from connectors.base import Connector, OutgoingCommand, SendResult, SendStatus
from connectors.registry import Registry
from engine.runtime.dispatch import Dispatch
from engine.runtime.results import ResultWriter
from engine.store.leases import Leading
from engine.store.redis_store import RedisStore
from engine.store.url import parse
from tests.support.dispatching import SECRET, told_settings

WORLD = Path(sys.argv[2])


def receive(command: OutgoingCommand) -> None:
    """As a service would: the effect once per id, and a note of the try."""
    with (WORLD / "tries").open("a") as tries:
        tries.write(f"{command.id} {command.attempt} {command.epoch}\n")
    try:
        os.close(os.open(WORLD / f"{command.id}.effect", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    with (WORLD / "applied").open("a") as applied:
        applied.write(f"{command.id}\n")


class Told(Connector):
    """Tells the test that the effect has happened, and then waits to be killed, if it is asked to."""

    async def send(self, command: OutgoingCommand) -> SendResult:
        """Takes effect; its answer may never come."""
        receive(command)
        if sys.argv[3] == "hang":
            print("in flight", flush=True)  # noqa: T201 - the test waits for this line
            await asyncio.Event().wait()
        return SendResult(SendStatus.DONE)


async def main() -> None:
    """Leads, and dispatches until it is killed."""
    async with RedisStore(parse(sys.argv[1])) as store:
        await store._wire.call("DEL", store.keys.lease)
        led = await store.acquire_lease(f"pid-{os.getpid()}", 60_000)
        assert isinstance(led, Leading)
        results = ResultWriter(store, led.epoch, SECRET)
        await Dispatch(store, told_settings(), results, set, led.epoch, Registry({"told": Told})).run()


asyncio.run(main())
