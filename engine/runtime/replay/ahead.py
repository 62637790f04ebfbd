"""The next rows of a stream, read before they are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable

from engine.store.views import Row


class Ahead:
    """Rows in order; so many of them are there without waiting."""

    def __init__(self, rows: AsyncIterator[Row], least: int, on_read: Callable[[Row], None] = lambda _: None) -> None:
        """Makes it; reads nothing yet.

        Args:
            rows: in order.
            least: how many ``fill`` has ready, if there are as many.
            on_read: told of each as soon as it is read.
        """
        self._rows = rows
        self._least = least
        self._on_read = on_read
        self._ready: deque[Row] = deque()
        self._has_ended = False

    async def fill(self, least: int = 0) -> None:
        """Read on, until at least the usual number, or ``least``, is ready."""
        wanted = max(self._least, least)
        while not self._has_ended and len(self._ready) < wanted:
            row = await anext(self._rows, None)
            if row is None:
                self._has_ended = True
            else:
                self._on_read(row)
                self._ready.append(row)

    def pop(self) -> Row | None:
        """The next one; None: there is none, or it has not been filled up."""
        return self._ready.popleft() if self._ready else None
