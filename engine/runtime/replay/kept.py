"""The store of a replay: the loop reads a recording from it, and what it commits is compared instead of written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Final

import orjson

from engine.model.journal import ZERO_ID, ChangeSet, CommitResult, Committed, RawEntry, StreamId, write_changes
from engine.runtime.replay import difference
from engine.runtime.replay.ahead import Ahead
from engine.runtime.replay.difference import Difference, DiffersError, Fields, row_fields
from engine.runtime.replay.done import left_at
from engine.runtime.replay.recording import STREAMS, Recording, ReplayError, Told
from engine.store.commits import rejected_fields
from engine.store.journal import JournalExtent
from engine.store.views import Row, outbox_command

#: Marks of the process that decided, which say nothing about what it decided.
_MARKS: Final = frozenset({"cursor", "commit", "epoch", "unclean", "poison", "recoveries", "semantics", "due"})
#: Two batches may be decided before the first of them is compared, and each has been told of occurrences it missed.
_AHEAD: Final = 2_000


class Kept:
    """Fulfils what the loop asks of a store.

    Attributes:
        told: entries that are read and not yet committed, by id.
        is_not_stored: the revision about to be asked for was not there when it was asked for first.
        entries: how many were committed.
        commands: how many were compared.
        decisions: how many were compared that had something to say.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._meta: dict[str, str] = {}
        self._facts: dict[bytes, bytes] = {}
        self._active: dict[bytes, bytes] = {}
        self._done: dict[bytes, bytes] = {}
        self._journal = recording.journal()
        self._passed_over: dict[tuple[str, int], int] = {}
        self._streams = {
            stream: Ahead(recording.decided(stream), _AHEAD, self._note_missed if stream == "audit" else _ignore)
            for stream in STREAMS
        }
        self.told: dict[StreamId, Told] = {}
        self.is_not_stored = False
        self.entries = self.commands = self.decisions = 0

    async def open(self) -> None:
        """Read the state at the start."""
        state = self._recording.state
        self._meta = {name.decode(): text.decode() async for name, text in state("start", "meta")}
        for mark in ("unclean", "poison", "recoveries"):
            self._meta.pop(mark, None)
        self._facts = {name: record async for name, record in state("start", "facts")}
        self._active = {name: record async for name, record in state("start", "active")}
        for stream in self._streams.values():
            await stream.fill()

    # -- what the journal does not say (Recalled) -----------------------------------
    def is_signed(self, entry: StreamId) -> bool:
        """As was found when it was read first."""
        return self.told[entry].is_signed

    def passed_over(self, schedule: str, at: int) -> int | None:
        """As was found when it was due first."""
        return self._passed_over.get((schedule, at))

    def _note_missed(self, row: Row) -> None:
        events = dict(row[1]).get(b"events", b"")
        if b'"missed"' in events:
            for event in orjson.loads(events):
                if event["event"] == "missed":
                    self._passed_over[event["schedule"], event["at"]] = event["through"]

    # -- reading (LoopStore) --------------------------------------------------------
    async def load_meta(self) -> dict[str, str]:
        """As committed so far."""
        return dict(self._meta)

    async def load_facts(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """As committed so far."""
        for pair in list(self._facts.items()):
            yield pair

    async def load_active(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """As committed so far."""
        for pair in list(self._active.items()):
            yield pair

    async def get_revision(self, revision: str) -> bytes | None:
        """The canonical form of a rule base; None only if it was not there when it was asked for.

        Raises:
            ReplayError: R103, it is not there any more.
        """
        if self.is_not_stored:
            return None
        blob = await self._recording.get_revision(revision)
        if blob is not None:
            return blob
        raise ReplayError("R103", f"revision {revision} is not stored any more", "push its packs again, unchanged")

    async def read_journal(self, after: StreamId, limit: int, block_ms: int = 0) -> list[RawEntry]:
        """Entries after ``after``: those that were read and must be decided again, then the next ones."""
        found = [told for told in self.told.values() if told.entry > after]
        while len(found) < limit and (told := await anext(self._journal, None)) is not None:
            self.told[told.entry] = told
            found.append(told)
        return [(str(told.entry).encode(), told.fields) for told in found[:limit]]

    async def listen_journal(self, after: StreamId, limit: int, block_ms: int) -> list[RawEntry]:
        """As ``read_journal``: nothing is to be waited for."""
        return await self.read_journal(after, limit)

    async def read_journal_at(self, after: StreamId, limit: int) -> tuple[int, list[RawEntry]]:
        """There is no clock here."""
        return 0, await self.read_journal(after, limit)

    async def journal_extent(self) -> JournalExtent:
        """Where the recording ends."""
        return JournalExtent(0, ZERO_ID, self._recording.head.end.entry)

    async def time_ms(self) -> int:
        """There is no clock here."""
        return 0

    # -- writing (LoopStore) ----------------------------------------------------------
    async def note(self, fields: Mapping[str, str | None], epoch: int) -> bool:
        """Nobody needs to know that decisions are made again."""
        return True

    async def trim_journal(self) -> int:
        """Nothing."""
        return 0

    async def commit(self, change: ChangeSet, epoch: int) -> CommitResult:
        """Compare what is decided now with what was decided, and go on from it.

        Raises:
            DiffersError: the first difference.
        """
        await self._compare(change)
        write_changes(self._meta, change.meta)
        write_changes(self._facts, change.facts)
        write_changes(self._active, change.active)
        self._done |= {name: record for name, record in change.done.items() if record is not None}
        self._meta["cursor"] = str(change.cursor)
        for entry in [entry for entry in self.told if entry <= change.cursor.entry]:
            del self.told[entry]
            self.entries += 1
        return Committed(change.cursor)

    async def _compare(self, change: ChangeSet) -> None:
        audit, outbox, rejected = self._streams["audit"], self._streams["outbox"], self._streams["rejected"]
        await audit.fill(len(change.audit) + _AHEAD)
        for said in change.audit:
            again: Fields = tuple((name.encode(), value) for name, value in said)
            _demand(difference.of_decisions(row_fields(audit.pop()), again))
            self.decisions += 1
        await rejected.fill(len(change.rejected))
        for rejection in change.rejected:
            refused = tuple((_bytes(name), _bytes(value)) for name, value in rejected_fields(rejection))
            _demand(difference.of_rejections(row_fields(rejected.pop()), refused))
        await outbox.fill(len(change.commands))
        for command in change.commands:
            row = outbox.pop()
            _demand(difference.of_commands(None if row is None else outbox_command(row), command))
            self.commands += 1

    # -- at the end -------------------------------------------------------------------
    async def compare_end(self) -> None:
        """Nothing more was decided than is decided now, and it has come to the same.

        Raises:
            DiffersError: the first difference.
        """
        for stream in self._streams.values():
            await stream.fill()
        _demand(difference.of_decisions(row_fields(self._streams["audit"].pop()), None))
        _demand(difference.of_rejections(row_fields(self._streams["rejected"].pop()), None))
        row = self._streams["outbox"].pop()
        _demand(difference.of_commands(None if row is None else outbox_command(row), None))
        meta = {name.encode(): text.encode() for name, text in self._meta.items()}
        for part, ours in (("meta", meta), ("facts", self._facts), ("active", self._active)):
            await self._compare_part(part, ours)
        await self._compare_done()

    async def _compare_part(self, part: str, ours: dict[bytes, bytes]) -> None:
        what = "fact" if part == "facts" else part
        left = dict(ours)
        first: tuple[bytes, bytes | None, bytes | None] | None = None
        async for name, record in self._recording.state("end", part):  # type: ignore[arg-type]
            mine = left.pop(name, None)
            if mine != record and (first is None or name < first[0]) and not _is_mark(part, name):
                first = (name, record, mine)
        for name, record in left.items():
            if (first is None or name < first[0]) and not _is_mark(part, name):
                first = (name, None, record)
        if first is not None:
            raise DiffersError(difference.of_records(what, *first))

    async def _compare_done(self) -> None:
        """Of what ended at the very start or end, it is not known on which side."""
        head = self._recording.head
        edges = (head.start.now_ms, head.end.now_ms)
        ours = dict(self._done)
        async for identity, record in self._recording.done():
            mine = ours.pop(identity, None)
            if mine != record and (mine is not None or left_at(record) not in edges):
                raise DiffersError(difference.of_records("done", identity, record, mine))
        for identity, record in ours.items():
            raise DiffersError(difference.of_records("done", identity, None, record))


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _ignore(_row: Row) -> None:
    pass


def _is_mark(part: str, name: bytes) -> bool:
    return part == "meta" and name.decode(errors="replace") in _MARKS


def _demand(found: Difference | None) -> None:
    if found is not None:
        raise DiffersError(found)
