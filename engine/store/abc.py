"""The store's whole contract. The Redis store is held to it by one suite; nothing above it spells a Redis key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from engine.model.journal import ChangeSet, CommitResult, Cursor, OutboxCommand, RawEntry, StreamId


@dataclass(frozen=True, slots=True)
class Taken:
    """``take`` succeeded: the command is ``sending`` under this epoch. ``tries`` counts takes, this one included."""

    command: OutboxCommand
    tries: int


@dataclass(frozen=True, slots=True)
class NotTaken:
    """``take`` refused. ``why``: fenced, withdrawn, expired, ended, unknown (no such command), sent."""

    why: str


@dataclass(frozen=True, slots=True)
class DispatchRow:
    """One row of the dispatch table: ``state`` is queued, sending, sent or ended (``status`` says how).

    A sent one has the status ``unknown`` when it expired or was withdrawn after a try of which nothing is known.
    """

    command_id: str
    state: str
    status: str
    epoch: int
    tries: int
    since_ms: int
    withdraw_asked: bool
    outbox_id: StreamId


class Store(Protocol):
    """Durable state. All methods may raise StoreError with ``retry=LATER`` when the server is away."""

    async def time_ms(self) -> int:
        """The server's clock, unix ms."""
        ...

    async def read_journal(self, after: StreamId, limit: int, block_ms: int = 0) -> list[RawEntry]:
        """Entries after ``after``, oldest first, at most ``limit``; waits up to ``block_ms`` if there are none."""
        ...

    async def append(self, fields: Mapping[str, str | bytes], entry_id: str = "*") -> StreamId:
        """XADD to the journal; returns the id given."""
        ...

    async def commit(self, change: ChangeSet, epoch: int) -> CommitResult:
        """One atomic Lua call: epoch and cursor are checked, then everything is written, or nothing."""
        ...

    async def load_meta(self) -> dict[str, str]:
        """All of ``meta``."""
        ...

    def load_facts(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """All of ``facts``: field, record."""
        ...

    def load_active(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """All of ``active``: field, record."""
        ...

    async def put_revision(self, revision: str, blob: bytes, note: Mapping[str, str]) -> None:
        """Store a rule base's canonical form under its revision and add it to the history."""
        ...

    async def get_revision(self, revision: str) -> bytes | None:
        """The canonical form stored under that revision."""
        ...

    async def take(self, command_id: str, epoch: int) -> Taken | NotTaken:
        """Queued or sending → sending, if the epoch is current and it is not withdrawn, expired or ended."""
        ...

    async def mark_sent(self, command_id: str, epoch: int) -> bool:
        """Sending → sent; False if fenced or not sending."""
        ...

    async def cursor(self) -> Cursor:
        """The committed cursor."""
        ...
