"""The relayer's life: both directions, again and again, until it is told to end."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from engine.insight.chains.relayer.book import Book
from engine.insight.chains.relayer.peer import LOG, Peer
from engine.insight.chains.relayer.route import Route
from engine.insight.chains.relayer.settings import RelayerSettings

_LINE: Final = "%(asctime)s.%(msecs)03dZ %(message)s"


class Relayer:
    """Releases on each side what was deposited on the other."""

    def __init__(self, settings: RelayerSettings) -> None:
        """Opens its book.

        Raises:
            ChainError: X157, it is none.
        """
        self._pause_s = settings.poll_ms / 1_000
        self._book = Book.open(Path(settings.book))
        self._peers = [Peer(side, settings.timeout_ms) for side in settings.sides]
        one, other = self._peers
        self._routes = [Route(a, b, settings.depth, self._book) for a, b in ((one, other), (other, one))]
        owed = sum(entry.state != "final" for entry in self._book.entries.values())
        LOG.info("relays between %s and %s, %d blocks deep; %d open", one.network, other.network, settings.depth, owed)

    async def run(self) -> None:
        """For ever. It may be cancelled wherever it is: that does no more than a kill.

        Raises:
            ChainError: X157, a node is of another chain.
        """
        try:
            while True:
                await self.walk()
                await asyncio.sleep(self._pause_s)
        finally:
            await self.close()

    async def walk(self) -> None:
        """Looks once at both chains, and does what is to be done.

        Raises:
            ChainError: X157, a node is of another chain.
        """
        for route in self._routes:
            await route.walk()

    async def close(self) -> None:
        """Closes its connections."""
        for peer in self._peers:
            await peer.close()


async def live(settings: RelayerSettings) -> None:
    """A whole life, to the first SIGTERM or SIGINT; logs to stdout, in UTC."""
    out = logging.StreamHandler(sys.stdout)
    lines = logging.Formatter(_LINE, "%H:%M:%S")
    lines.converter = time.gmtime
    out.setFormatter(lines)
    LOG.addHandler(out)
    LOG.setLevel(logging.INFO)
    life = asyncio.create_task(Relayer(settings).run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, life.cancel)
    with suppress(asyncio.CancelledError):
        await life
    LOG.info("ends")
