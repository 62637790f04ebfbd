"""Work beside the loop that is done once, and again each time somebody wakes it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

from engine.errors import StoreError


class Rounds(ABC):
    """One round at the start, and one more after each ``wake``; what wakes during a round has another one follow."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """It is time to look."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled. A Redis that is away is no reason to stop: it is looked again later."""
        while True:
            self._woken.clear()
            try:
                await self.look()
            except StoreError as error:
                self.put_off(error)
            await self._woken.wait()

    @abstractmethod
    async def look(self) -> None:
        """One round.

        Raises:
            StoreError: Redis is away.
        """

    @abstractmethod
    def put_off(self, error: StoreError) -> None:
        """Say that a round came to nothing because of that error."""
