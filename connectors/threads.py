"""Calls that block, in threads that hold up nobody: no other connector, and not the end of the process.

The event loop's own threads (``asyncio.to_thread``) are few, everybody shares them, and the process does not end before
each has returned. One disk that hangs would hold up every connector with them, and every stop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

#: Calls of one connector under way at once, those that were given up included.
MOST: Final = 128

T = TypeVar("T")


class Threads:
    """One connector's. A call that was cancelled runs on, unheard; a process that ends does not wait for it."""

    def __init__(self, name: str, most: int = MOST) -> None:
        """Starts none.

        Args:
            name: what the threads are called.
            most: calls at once; further ones wait, which can be cancelled.
        """
        self._name = name
        self._room = asyncio.Semaphore(most)

    async def run(self, call: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - whatever the call takes
        """What the call returns, or raises."""
        await self._room.acquire()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def finish(result: T | None, error: BaseException | None) -> None:
            self._room.release()
            if done.cancelled():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(result)  # type: ignore[arg-type]

        def work() -> None:
            result, failure = None, None
            try:
                result = call(*args)
            except BaseException as error:
                failure = error
            with suppress(RuntimeError):  # the loop is closed: nobody hears it any more
                loop.call_soon_threadsafe(finish, result, failure)

        threading.Thread(target=work, name=self._name, daemon=True).start()
        return await done
