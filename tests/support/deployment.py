"""A deployment in one process: the daemon's loop over a store in dictionaries, killed and started at will.

What it has decided can be replayed, as from Redis.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine import SEMANTICS_VERSION
from engine.matching.firing import RunawayError
from engine.model.journal import (
    ZERO_ID,
    ChangeSet,
    CommitResult,
    Committed,
    Conflict,
    Cursor,
    RawEntry,
    StreamId,
    write_changes,
)
from engine.model.signing import signed_fields, verify
from engine.runtime.careful import QUARANTINED
from engine.runtime.loop import Loop
from engine.runtime.replay.done import left_at
from engine.runtime.replay.recording import Head, Part, Side, Told
from engine.settings import Settings
from engine.store.commits import rejected_fields
from engine.store.journal import JournalExtent
from engine.store.views import Decided, Row

SECRET: Final = b"a secret of the tests"


@dataclass
class State:
    """What is committed."""

    meta: dict[str, str] = field(default_factory=dict)
    facts: dict[bytes, bytes] = field(default_factory=dict)
    active: dict[bytes, bytes] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)

    @property
    def cursor(self) -> Cursor:
        """How far it is."""
        return Cursor.parse(self.meta.get("cursor", "0-0@0"))

    def copy(self) -> State:
        """As it is now."""
        return State(dict(self.meta), dict(self.facts), dict(self.active), dict(self.lengths))


class Deployment:
    """Fulfils what the loop asks of a store.

    Attributes:
        state: what is committed.
        journal: entry by entry.
        streams: what was decided.
    """

    epoch = 0

    def __init__(self, batch: int) -> None:
        self.settings = Settings(batch=batch, data=Path("nowhere"))
        self.rang = asyncio.Event()
        self.state = State(lengths={"audit": 0, "outbox": 0, "rejected": 0})
        self.start = self.state.copy()
        self.journal: list[RawEntry] = []
        self.clock: dict[StreamId, int] = {}
        self.done: dict[bytes, bytes] = {}
        self.streams: dict[str, list[Row]] = {"audit": [], "outbox": [], "rejected": []}
        self.revisions: dict[str, bytes] = {}
        self.signed: dict[str, int] = {}
        self.loop: Loop | None = None

    # -- what happens to it ----------------------------------------------------------
    def snapshot(self) -> None:
        """A replay begins here."""
        self.start = self.state.copy()

    async def started(self) -> Loop:
        """Somebody leads."""
        if self.loop is None:
            self.epoch += 1
            self.loop = Loop(self, self.settings, self, SECRET, self)
            await self.loop.recover()
        return self.loop

    async def kill(self) -> None:
        """What is on its way lands; what is only decided is lost."""
        if self.loop is not None:
            loop, self.loop = self.loop, None
            await loop._commits.settled()
            loop.engine.close()

    async def decide(self, server_ms: int, cut: int) -> None:
        """Read everything, ``cut`` entries at a time, and reach that time."""
        loop = await self.started()
        while True:
            entries = await self.read_journal(loop.engine.position, cut)
            try:
                await loop.decide(entries, server_ms, server_ms if len(entries) < cut else None)
            except RunawayError as error:
                await loop.start_over(error)
                continue
            if len(entries) < cut:
                return

    def append(self, entry: StreamId, fields: Mapping[str, str]) -> None:
        """XADD under an explicit id."""
        self.journal.append((str(entry).encode(), [word.encode() for pair in fields.items() for word in pair]))

    def sign(self, op: str, data: Mapping[str, Any], writer: str) -> dict[str, str]:
        """The fields of a signed entry."""
        self.signed[writer] = self.signed.get(writer, 0) + 1
        return signed_fields(op, json.dumps(data), writer, self.signed[writer], SECRET)

    def commands(self) -> list[str]:
        """Ids of all commands so far."""
        return [dict(fields)[b"command"].decode() for _, fields in self.streams["outbox"]]

    def arm(self, at_wall_ms: int | None) -> None:
        """Nothing wakes it but the test."""

    # -- LoopStore --------------------------------------------------------------------
    async def load_meta(self) -> dict[str, str]:
        return dict(self.state.meta)

    async def load_facts(self) -> AsyncIterator[tuple[bytes, bytes]]:
        for pair in _stirred(self.state.facts):
            yield pair

    async def load_active(self) -> AsyncIterator[tuple[bytes, bytes]]:
        for pair in _stirred(self.state.active):
            yield pair

    async def get_revision(self, revision: str) -> bytes | None:
        return self.revisions.get(revision)

    async def note(self, fields: Mapping[str, str | None], epoch: int) -> bool:
        write_changes(self.state.meta, fields)
        return True

    async def read_journal(self, after: StreamId, limit: int, block_ms: int = 0) -> list[RawEntry]:
        return [each for each in self.journal if StreamId.parse(each[0]) > after][:limit]

    async def listen_journal(self, after: StreamId, limit: int, block_ms: int) -> list[RawEntry]:
        return await self.read_journal(after, limit)

    async def read_journal_at(self, after: StreamId, limit: int) -> tuple[int, list[RawEntry]]:
        return 0, await self.read_journal(after, limit)

    async def journal_extent(self) -> JournalExtent:
        return JournalExtent(0, ZERO_ID, ZERO_ID)

    async def time_ms(self) -> int:
        return 0

    async def trim_journal(self) -> int:
        return 0

    async def commit(self, change: ChangeSet, epoch: int) -> CommitResult:
        """As ``commit.lua`` does."""
        state = self.state
        if state.cursor != change.expect:
            return Conflict(state.cursor)
        write_changes(state.meta, change.meta)
        write_changes(state.facts, change.facts)
        write_changes(state.active, change.active)
        write_changes(self.done, change.done)
        state.meta["cursor"] = str(change.cursor)
        self.clock |= dict(change.clock)
        for audit in change.audit:
            self._put("audit", audit)
        for rejection in change.rejected:
            self._put("rejected", rejected_fields(rejection))
        known = set(self.commands())
        for command in change.commands:
            assert command.command_id not in known, "a command is made once"
            expires = "" if command.expires_ms is None else str(command.expires_ms)
            row = {"command": command.command_id, "connector": command.connector, "verb": command.verb}
            row |= {"args": command.args, "rule": command.rule, "coordination": command.coordination}
            self._put("outbox", [*row.items(), ("expires", expires)])
        state.lengths = {name: len(rows) for name, rows in self.streams.items()}
        return Committed(change.cursor)

    def _put(self, stream: str, fields: Sequence[tuple[str | bytes, str | bytes]]) -> None:
        rows = self.streams[stream]
        rows.append((StreamId(len(rows) + 1, 0), tuple((_bytes(name), _bytes(value)) for name, value in fields)))


class DeploymentRecording:
    """From its last snapshot to now."""

    def __init__(self, of: Deployment) -> None:
        self._of = of
        end = of.state
        self.head = Head(SEMANTICS_VERSION, of.start.cursor, end.cursor, end.meta.get("due", ""))

    async def state(self, side: Side, part: Part) -> AsyncIterator[tuple[bytes, bytes]]:
        state = self._of.start if side == "start" else self._of.state
        if part == "meta":
            for name, text in state.meta.items():
                yield name.encode(), text.encode()
        else:
            for pair in _stirred(state.facts if part == "facts" else state.active):
                yield pair

    async def get_revision(self, revision: str) -> bytes | None:
        return self._of.revisions.get(revision)

    async def done(self) -> AsyncIterator[tuple[bytes, bytes]]:
        for name, record in self._of.done.items():
            if self.head.start.now_ms <= left_at(record) <= self.head.end.now_ms:
                yield name, record

    async def journal(self) -> AsyncIterator[Told]:
        refused = {dict(f)[b"entry"]: dict(f)[b"code"].decode() for _, f in self._of.streams["rejected"]}
        for identity, fields in self._of.journal:
            entry = StreamId.parse(identity)
            if self.head.start.entry < entry <= self.head.end.entry:
                said = {name.decode(): value for name, value in zip(fields[::2], fields[1::2], strict=True)}
                code = refused.get(identity, "")
                why = code if code in (QUARANTINED, "F315") else ""
                yield Told(entry, fields, self._of.clock.get(entry, entry.ms), verify(said, SECRET), why)

    async def decided(self, stream: Decided) -> AsyncIterator[Row]:
        lengths = self._of.start.lengths[stream], self._of.state.lengths[stream]
        for row in self._of.streams[stream][slice(*lengths)]:
            yield row


def _stirred(records: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """In no order that means anything."""
    return sorted(records.items(), key=lambda pair: pair[0][::-1])


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
