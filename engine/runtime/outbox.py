"""Reading the outbox: from the oldest command that has not gone out, once, and again for what found no room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.model.journal import ZERO_ID, OutboxCommand, StreamId
from engine.store.abc import DispatchRow, NotTaken, Taken
from engine.store.dispatch_table import OutboxEntry, SendOutcome

#: Outbox entries read at once.
READ_LIMIT = 500


class DispatchStore(Protocol):
    """What dispatch asks of the store. Calls that write are fenced by the epoch and may be repeated."""

    async def time_ms(self) -> int:
        """The server's clock, unix ms."""
        ...

    async def take(self, command_id: str, epoch: int) -> Taken | NotTaken:
        """Queued or sending → sending, or why not."""
        ...

    async def requeue(self, command_id: str, epoch: int) -> bool:
        """Sending → queued, for a try that certainly did not leave."""
        ...

    async def mark_sent(self, command_id: str, epoch: int) -> bool:
        """Sending → sent."""
        ...

    async def send_redis(self, command_id: str, connector: str, epoch: int) -> SendOutcome:
        """Appends a taken command to its connector's stream and marks it sent, atomically; ``sent``, or why not."""
        ...

    async def read_outbox(self, after: StreamId, limit: int) -> Sequence[OutboxEntry]:
        """Commands after ``after``, oldest first."""
        ...

    async def outbox_tail(self) -> StreamId:
        """The last command's place; ``0-0`` if there never was one."""
        ...

    async def dispatch_rows(self) -> list[DispatchRow]:
        """Every row of the dispatch table, oldest command first."""
        ...


@dataclass(frozen=True, slots=True)
class Read:
    """A command as read from the outbox.

    Attributes:
        outbox_id: its place.
        before: reading after this brings it again.
        was_sending: a try of it was cut off when the daemon that made it ended.
    """

    outbox_id: StreamId
    before: StreamId
    command: OutboxCommand
    was_sending: bool


class Outbox:
    """Reads forward. Up to where the outbox ended at the start, only what the dispatch table says is open."""

    def __init__(self, store: DispatchStore) -> None:
        self._store = store
        self._tail = ZERO_ID
        #: Open at the start: command id → whether it was being sent.
        self._open: dict[str, bool] = {}
        #: The last command read.
        self.position = ZERO_ID
        #: Whether the last read was as long as a read may be.
        self.was_cut = False

    async def locate(self) -> list[DispatchRow]:
        """Finds where to begin.

        Returns:
            Every row, oldest first: results of those sent or ended may be missing in the journal.
        """
        # The end first: what is queued after this is read as new, what was queued before is in the rows.
        self._tail = await self._store.outbox_tail()
        rows = await self._store.dispatch_rows()
        self._open = {row.command_id: row.state == "sending" for row in rows if row.state in ("queued", "sending")}
        self.position = min((before(row.outbox_id) for row in rows if row.command_id in self._open), default=self._tail)
        self.position = min(self.position, self._tail)
        return rows

    async def forward(self) -> list[Read] | None:
        """The next commands that are to be sent; None: all has been read."""
        reads, last = await self._after(self.position)
        if last == self.position:
            return None
        self.position = last
        return reads

    async def again(self, after: StreamId) -> tuple[list[Read], StreamId]:
        """The commands after ``after``, and how far this read came; never past where reading forward is."""
        reads, last = await self._after(after)
        return [read for read in reads if read.outbox_id <= self.position], min(last, self.position)

    async def at(self, outbox_id: StreamId) -> OutboxCommand | None:
        """The command at that place, unless it was trimmed."""
        found = await self._store.read_outbox(before(outbox_id), 1)
        return found[0].command if found and found[0].entry == outbox_id else None

    async def _after(self, after: StreamId) -> tuple[list[Read], StreamId]:
        reads, last = [], after
        entries = await self._store.read_outbox(after, READ_LIMIT)
        self.was_cut = len(entries) >= READ_LIMIT
        for outbox_id, command, _ in entries:
            if outbox_id > self._tail or command.command_id in self._open:
                reads.append(Read(outbox_id, last, command, self._open.get(command.command_id, False)))
            last = outbox_id
        return reads, last


def before(outbox_id: StreamId) -> StreamId:
    """The largest id below that one."""
    if outbox_id.seq:
        return StreamId(outbox_id.ms, outbox_id.seq - 1)
    return StreamId(max(0, outbox_id.ms - 1), 2**64 - 1) if outbox_id.ms else outbox_id
