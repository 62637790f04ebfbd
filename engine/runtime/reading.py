"""Reading the journal: the next entries are on their way while the last ones are decided."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from engine import limits
from engine.clock import wall_ms
from engine.model.journal import RawEntry, StreamId
from engine.runtime.patience import patiently

#: The longest a read waits for an entry, and so the longest the loop goes without looking at the time itself.
_SWEEP_MS: Final = 1_000


class ReadStore(Protocol):
    """What reading asks of the store."""

    async def time_ms(self) -> int:
        """The server's clock."""
        ...

    async def listen_journal(self, after: StreamId, limit: int, block_ms: int) -> list[RawEntry]:
        """Entries after ``after``, as soon as there are any; none after ``block_ms``."""
        ...

    async def read_journal_at(self, after: StreamId, limit: int) -> tuple[int, list[RawEntry]]:
        """The server's clock, then the entries after ``after``."""
        ...


class Reading:
    """One read that waits for entries, kept across whatever else wakes the loop.

    Cancelling a read costs its connection, and each question to the server waits for the append that Redis is putting
    on disk. So an entry comes with the read that was waiting for it, and the clock is asked only when it matters.
    """

    def __init__(self, store: ReadStore, limit: int, *, follows_server: bool) -> None:
        """Makes it; reads nothing yet.

        Args:
            store: where the journal is.
            limit: entries of one read.
            follows_server: False: ids are the clock, and nobody is asked.
        """
        self._store = store
        self._limit = limit
        self._follows_server = follows_server
        self._read: asyncio.Task[list[RawEntry]] | None = None
        self._after = StreamId(0, 0)
        self._server_ms = 0
        self._ahead_ms = 0

    def ask(self, after: StreamId, wake: Callable[[], None]) -> None:
        """Have the entries after ``after`` on their way, and be woken when they are there."""
        if self._read is not None and self._after <= after:
            return
        self.drop()
        self._after = after
        self._read = asyncio.create_task(
            patiently(lambda: self._store.listen_journal(after, self._limit, _SWEEP_MS)), name="reading"
        )
        self._read.add_done_callback(lambda _: wake())

    @property
    def is_asked(self) -> bool:
        """Whether a read is on its way or has ended."""
        return self._read is not None

    @property
    def has_come(self) -> bool:
        """Whether the read has ended."""
        return self._read is not None and self._read.done()

    async def take(self, position: StreamId) -> list[RawEntry]:
        """What the read brought, once it has ended, less what was applied meanwhile; none: it waited in vain.

        Raises:
            StoreError: one that waiting does not help.
        """
        if self._read is None:
            return []
        read, self._read = self._read, None
        entries = await read
        if self._after < position:
            return [entry for entry in entries if StreamId.parse(entry[0]) > position]
        return entries

    async def look(self, position: StreamId) -> tuple[int | None, list[RawEntry]]:
        """The server's clock (None: ids are the clock) and then the entries after ``position``.

        So every entry that was there at that time is among them, unless there are as many as the limit.
        """
        asked_ms = wall_ms()
        self._server_ms, entries = await patiently(lambda: self._store.read_journal_at(position, self._limit))
        self._ahead_ms = asked_ms - self._server_ms
        return self._server_ms if self._follows_server else None, entries

    async def server_ms(self, last: StreamId) -> int | None:
        """The server's clock as far as it matters for entries up to ``last``; None: ids are the clock.

        A time it showed before vouches for ids that do not lead even that one.
        """
        if self._follows_server and last.ms > self._server_ms + limits.MAX_LEAD_MS:
            asked_ms = wall_ms()
            self._server_ms = await patiently(self._store.time_ms)
            self._ahead_ms = asked_ms - self._server_ms
        return self._server_ms if self._follows_server else None

    def wall_ms_of(self, server_ms: int) -> int:
        """When this machine's clock shows what the server's shows at ``server_ms``, as far as is known."""
        return server_ms + self._ahead_ms

    def drop(self) -> None:
        """Forget what is on its way."""
        if self._read is not None:
            self._read.cancel()
            self._read.add_done_callback(_seen)
            self._read = None


def _seen(read: asyncio.Task[list[RawEntry]]) -> None:
    """A read that nobody waits for any more may fail as it likes."""
    if not read.cancelled():
        read.exception()
