"""Keeps connectors watching: each in a task of its own, begun again after a while when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from connectors.base import Connector
from engine.clock import monotonic_ms
from engine.errors import LeaseLostError, LockstepError, Retry, StoreError, worst_of
from engine.runtime.logging import logger

FIRST_WAIT_MS: Final = 1_000
LONGEST_WAIT_MS: Final = 30_000
#: One that watched for so long before it failed is begun again soon.
STEADY_AFTER_MS: Final = 60_000
_LOG = logger("watching")


async def keep_watching(connectors: Iterable[Connector]) -> None:
    """Runs ``watch`` of all that have one, until cancelled.

    Raises:
        ExceptionGroup: of LeaseLostError, another daemon leads; of StoreError, one that waiting does not help.
    """
    async with asyncio.TaskGroup() as tasks:
        for connector in connectors:
            if type(connector).watch is not Connector.watch:
                tasks.create_task(_keep_one(connector), name=f"watch:{connector.name}")


async def _keep_one(connector: Connector) -> None:
    wait_ms = FIRST_WAIT_MS
    while True:
        began_ms = monotonic_ms()
        try:
            await connector.watch()
        except Exception as raised:
            # The supervisor of connectors: a bug in one must stop neither the others nor the daemon.
            _judge(connector, raised, wait_ms)
        else:
            return
        if monotonic_ms() - began_ms >= STEADY_AFTER_MS:
            wait_ms = FIRST_WAIT_MS
        await asyncio.sleep(wait_ms / 1000)
        wait_ms = min(2 * wait_ms, LONGEST_WAIT_MS)


def _judge(connector: Connector, raised: Exception, wait_ms: int) -> None:
    """Tells of what ended the watching, one error or those of several tasks; raises what waiting does not help."""
    error = worst_of(raised)
    match error:
        case LeaseLostError():
            raise error
        case StoreError():
            if error.retry is Retry.NEVER:
                raise error
            _LOG.warning("redis is away", connector=connector.name, code=error.code, reason=error.message)
        case LockstepError():
            reason = {"code": error.code, "reason": error.message, "hint": error.hint}
            _LOG.warning("watching failed", connector=connector.name, retry_in_ms=wait_ms, **reason)
        case _:
            _LOG.exception("watching failed", connector=connector.name, retry_in_ms=wait_ms)
