"""The dispatch table: how far each command is, and the scripts that move it on."""

from __future__ import annotations

from typing import Literal, NamedTuple, cast

from engine.model.journal import ZERO_ID, OutboxCommand, StreamId
from engine.store import scripts
from engine.store.abc import DispatchRow, NotTaken, Taken
from engine.store.part import Part, texts

SendOutcome = Literal["sent", "withdrawn", "fenced", "unknown", "ended", "not_taken"]
_READ_AT_ONCE = 500


class OutboxEntry(NamedTuple):
    """A command in the outbox: its stream id, the command, and the epoch that decided it."""

    entry: StreamId
    command: OutboxCommand
    epoch: int


class DispatchTable(Part):
    """Outbox, dispatch rows and the connectors' streams."""

    async def read_outbox(self, after: StreamId, limit: int, block_ms: int = 0) -> list[OutboxEntry]:
        """Commands decided after ``after``, oldest first; waits up to ``block_ms`` if there are none."""
        return [_outbox_entry(*row) for row in await self._read_stream(self._keys.outbox, after, limit, block_ms)]

    async def outbox_tail(self) -> StreamId:
        """The id of the last command in the outbox; ``0-0`` while it is empty."""
        rows = await self._wire.call("XREVRANGE", self._keys.outbox, "+", "-", "COUNT", 1)
        return StreamId.parse(rows[0][0]) if rows else ZERO_ID

    async def dispatch_rows(self) -> list[DispatchRow]:
        """Every row, oldest command first; bounded by the commands whose end the journal has not heard of."""
        rows = [_row(id_, text) async for id_, text in self._scan_hash(self._keys.dispatch)]
        return sorted(rows, key=lambda row: row.outbox_id)

    async def dispatch_row(self, command_id: str) -> DispatchRow | None:
        """One command's row; None when unknown or forgotten."""
        text = await self._wire.call("HGET", self._keys.dispatch, command_id)
        return _row(command_id.encode(), text) if text else None

    async def withdraw_asked(self, command_id: str) -> bool:
        """Whether withdrawal of that command was committed."""
        row = await self.dispatch_row(command_id)
        return row is not None and row.withdraw_asked

    async def open_commands(self) -> list[tuple[DispatchRow, OutboxCommand]]:
        """Every row with its command, oldest first: queued, sending, sent, and ended but not yet reported."""
        rows = await self.dispatch_rows()
        found: list[tuple[DispatchRow, OutboxCommand]] = []
        for i in range(0, len(rows), _READ_AT_ONCE):
            part = rows[i : i + _READ_AT_ONCE]
            asked = [("XRANGE", self._keys.outbox, str(r.outbox_id), str(r.outbox_id)) for r in part]
            replies = await self._wire.pipeline(asked)
            found += [
                (row, _outbox_entry(*reply[0]).command) for row, reply in zip(part, replies, strict=True) if reply
            ]
        return found

    async def take(self, command_id: str, epoch: int) -> Taken | NotTaken:
        """Queued or sending → sending, if the epoch is current and it is not withdrawn, expired or ended.

        ``NotTaken.why`` and what the journal still needs to hear: ``withdrawn``, ``expired`` (the row has ended so:
        report it), ``sent`` (it was marked sent, or may have gone out under an earlier take: report ``sent``),
        ``ended`` (report the row's status), ``fenced``, ``unknown`` (nothing to report).
        """
        keys = (self._keys.meta, self._keys.dispatch, self._keys.outbox)
        reply = await self._wire.run(scripts.TAKE, keys, (command_id, epoch))
        if reply[0] != b"taken":
            return NotTaken(reply[0].decode())
        return Taken(command_of(texts(reply[2])), int(reply[1]))

    async def requeue(self, command_id: str, epoch: int) -> bool:
        """Sending → queued, for a send that certainly did not leave; False if fenced or not sending."""
        return await self._move(scripts.REQUEUE, command_id, epoch)

    async def mark_sent(self, command_id: str, epoch: int) -> bool:
        """Sending → sent; False if fenced or not sending. True again if this epoch has marked it already."""
        return await self._move(scripts.MARK_SENT, command_id, epoch)

    async def end_command(self, command_id: str, epoch: int, status: str) -> bool:
        """Any state → ended with that status; False if fenced, unknown, or ended otherwise."""
        if not status or not status.isidentifier():
            raise ValueError(f"not a status: {status!r}")
        return await self._move(scripts.END, command_id, epoch, status)

    async def send_redis(self, command_id: str, connector: str, epoch: int) -> SendOutcome:
        """A taken command enters ``commands:<connector>`` and is marked sent, both or neither."""
        k = self._keys
        keys = (k.meta, k.dispatch, k.outbox, k.commands(connector))
        reply: bytes = await self._wire.run(scripts.SEND_REDIS, keys, (command_id, epoch))
        return cast("SendOutcome", reply.decode())

    async def trim_outbox(self, keep_ms: int) -> int:
        """Drop outbox entries older than ``keep_ms`` whose commands are all forgotten by the dispatch table."""
        rows = await self.dispatch_rows()
        return await self._trim_older(self._keys.outbox, keep_ms, rows[0].outbox_id if rows else None)

    async def trim_commands(self, connector: str, keep_ms: int) -> int:
        """Drop what a connector's stream has held for longer than ``keep_ms``, read or not."""
        return await self._trim_older(self._keys.commands(connector), keep_ms, None)

    async def _trim_older(self, key: str, keep_ms: int, before: StreamId | None) -> int:
        seconds, _ = await self._wire.call("TIME")
        keep = StreamId(max(0, int(seconds) * 1000 - keep_ms), 0)
        if before is not None:
            keep = min(keep, before)
        return int(await self._wire.call("XTRIM", key, "MINID", "~", str(keep)))

    async def _move(self, script: scripts.Script, command_id: str, epoch: int, *more: str) -> bool:
        keys = (self._keys.meta, self._keys.dispatch)
        return bool(await self._wire.run(script, keys, (command_id, epoch, *more)))


def command_of(fields: dict[str, str]) -> OutboxCommand:
    """A command from the fields of its outbox entry."""
    return OutboxCommand(
        command_id=fields["command"],
        connector=fields["connector"],
        verb=fields["verb"],
        args=fields["args"],
        rule=fields["rule"],
        coordination=fields.get("coordination", ""),
        expires_ms=int(fields["expires"]) if fields.get("expires") else None,
    )


def _outbox_entry(entry: bytes, flat: list[bytes]) -> OutboxEntry:
    fields = texts(flat)
    return OutboxEntry(StreamId.parse(entry), command_of(fields), int(fields["epoch"]))


def _row(command_id: bytes, text: bytes) -> DispatchRow:
    state, status, epoch, tries, since, withdraw, _expires, outbox = text.decode().split()
    return DispatchRow(
        command_id=command_id.decode(),
        state=state,
        status="" if status == "-" else status,
        epoch=int(epoch),
        tries=int(tries),
        since_ms=int(since),
        withdraw_asked=withdraw == "1",
        outbox_id=StreamId.parse(outbox),
    )
