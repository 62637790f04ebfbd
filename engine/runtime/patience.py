"""Waiting for a Redis that is away: whatever is asked is asked again until it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from engine.errors import Retry, StoreError
from engine.runtime.logging import logger

#: Waits between tries, doubled from the first to the second.
_RETRY_MS: Final = (50, 2_000)
_LOG = logger("loop")
T = TypeVar("T")


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat a call for as long as Redis is away; it must be one that may be made twice.

    Raises:
        StoreError: one that waiting does not help.
    """
    wait_ms, longest_ms = _RETRY_MS
    while True:
        try:
            return await call()
        except StoreError as error:
            if error.retry is Retry.NEVER:
                raise
            _LOG.warning("redis is away", code=error.code, reason=error.message, retry_in_ms=wait_ms)
            await asyncio.sleep(wait_ms / 1000)
            wait_ms = min(2 * wait_ms, longest_ms)
