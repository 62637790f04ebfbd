"""The one write path: a change set becomes the arguments of ``commit.lua``, and its answer a result."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from itertools import chain
from typing import NamedTuple, TypeVar

from engine import limits
from engine.errors import StoreError
from engine.model.journal import (
    AlreadyMine,
    ChangeSet,
    CommitResult,
    Committed,
    Conflict,
    Cursor,
    Fenced,
    OutboxCommand,
    Rejection,
)
from engine.store import scripts
from engine.store.part import Part, pairs, texts
from engine.store.wire import Word

#: Fields of one audit or rejected entry; Lua unpacks each entry at once.
MAX_ENTRY_FIELDS = 1_000
#: Fields of a rejected entry that are kept; the sender chose how many there are.
MAX_REJECTED_FIELDS = 64
#: Fields of ``meta`` that only the scripts write.
OWN_META = frozenset({"cursor", "commit", "epoch"})

#: A busy daemon commits so often that a patient copy never comes out whole.
_PATIENT_TRIES = 2

_K = TypeVar("_K", str, bytes)


class CommittedState(NamedTuple):
    """What one commit left: ``meta``, and field and record of ``facts`` and ``active``."""

    meta: dict[str, str]
    facts: list[tuple[bytes, bytes]]
    active: list[tuple[bytes, bytes]]


class Commits(Part):
    """The committed state: written by commits, read at recovery."""

    async def commit(self, change: ChangeSet, epoch: int) -> CommitResult:
        """One atomic Lua call: epoch, commit id and cursor are checked, then everything is written, or nothing.

        The same commit sent again (its answer was lost) gives ``AlreadyMine``. Commit ids must differ between
        commits, also between those that leave the cursor where it is.
        """
        reply = await self._wire.run(scripts.COMMIT, self._commit_keys(), commit_args(change, epoch))
        verdict, value = reply
        if verdict == 0:
            return Committed(change.cursor)
        if verdict == 1:
            return AlreadyMine(change.cursor)
        if verdict == 2:
            return Fenced(int(value))
        return Conflict(Cursor.parse(value.decode()))

    def _commit_keys(self) -> tuple[str, ...]:
        k = self._keys
        return (k.meta, k.facts, k.active, k.dispatch, k.outbox, k.audit, k.rejected, k.clock, k.done)

    async def note(self, fields: Mapping[str, str | None], epoch: int) -> bool:
        """Set fields of ``meta`` (None: delete) without moving the cursor; False if another daemon leads."""
        _refuse_own(fields)
        changed: list[Word] = list(chain.from_iterable((k, v) for k, v in fields.items() if v is not None))
        dropped = [k for k, v in fields.items() if v is None]
        args = (epoch, len(changed), *changed, *dropped)
        return bool(await self._wire.run(scripts.NOTE, (self._keys.meta,), args))

    async def load_meta(self) -> dict[str, str]:
        """All of ``meta``."""
        return texts(await self._wire.call("HGETALL", self._keys.meta))

    async def committed_state(self) -> CommittedState:
        """All of the committed state, as of one commit.

        Read in small steps, as long as no commit comes between; else at once, which holds Redis for about 50 ms per
        100,000 facts.
        """
        for _ in range(_PATIENT_TRIES):
            before = await self.load_meta()
            facts = [pair async for pair in self.load_facts()]
            active = [pair async for pair in self.load_active()]
            after = await self.load_meta()
            if before.get("commit") == after.get("commit"):
                return CommittedState(after, facts, active)
        k = self._keys
        meta, all_facts, all_active = await self._wire.together(
            [("HGETALL", key) for key in (k.meta, k.facts, k.active)]
        )
        return CommittedState(texts(meta), list(pairs(all_facts)), list(pairs(all_active)))

    async def cursor(self) -> Cursor:
        """The committed cursor."""
        text = await self._wire.call("HGET", self._keys.meta, "cursor")
        return Cursor.parse(text.decode()) if text else Cursor()

    async def epoch(self) -> int:
        """The epoch of the last leader; 0 before the first."""
        return int(await self._wire.call("HGET", self._keys.meta, "epoch") or 0)

    def load_facts(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """All of ``facts``: field, record."""
        return self._scan_hash(self._keys.facts)

    def load_active(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """All of ``active``: field, record."""
        return self._scan_hash(self._keys.active)

    def load_done(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """All of ``done``: id of a coordination, record."""
        return self._scan_hash(self._keys.done)

    async def get_done(self, identity: str) -> bytes | None:
        """How one coordination ended, if it has left working memory and is remembered."""
        record: bytes | None = await self._wire.call("HGET", self._keys.done, identity)
        return record

    async def count_facts(self) -> int:
        """How many records ``facts`` holds."""
        return int(await self._wire.call("HLEN", self._keys.facts))


def commit_args(change: ChangeSet, epoch: int) -> list[Word]:
    """The arguments of ``commit.lua``: a head, the length of each section, the sections."""
    _refuse_own(change.meta)
    facts, lost_facts = _split(change.facts)
    active, lost_active = _split(change.active)
    meta, lost_meta = _split(change.meta)
    done, lost_done = _split(change.done)
    commands = [word for command in change.commands for word in _command_words(command)]
    audit = _entries(change.audit)
    rejected = _entries([rejected_fields(each) for each in change.rejected])
    clock: list[Word] = [word for entry, now_ms in change.clock for word in (str(entry), now_ms)]
    sections: tuple[list[Word], ...] = (
        facts,
        lost_facts,
        active,
        lost_active,
        meta,
        lost_meta,
        commands,
        list(change.withdrawn),
        list(change.ended),
        audit,
        rejected,
        clock,
        done,
        lost_done,
    )
    args: list[Word] = [
        epoch,
        str(change.expect),
        str(change.cursor),
        change.commit_id,
        limits.AUDIT_KEEP_MS,
        limits.MAX_REJECTED,
    ]
    args += map(len, sections)
    for section in sections:
        args += section
    return args


def _split(changes: Mapping[_K, _K | None]) -> tuple[list[Word], list[Word]]:
    """What is set, flat, and what is deleted. Mostly nothing is deleted: then no entry is looked at in Python."""
    if None not in changes.values():
        return list(chain.from_iterable(changes.items())), []  # type: ignore[arg-type]
    kept: list[Word] = []
    lost: list[Word] = []
    for field, record in changes.items():
        if record is None:
            lost.append(field)
        else:
            kept += (field, record)
    return kept, lost


def _command_words(command: OutboxCommand) -> tuple[Word, ...]:
    expires = "" if command.expires_ms is None else command.expires_ms
    return (
        command.command_id,
        command.connector,
        command.verb,
        command.args,
        command.rule,
        command.coordination,
        expires,
    )


def _entries(entries: Iterable[list[tuple[str | bytes, str | bytes]]] | list[list[tuple[str, bytes]]]) -> list[Word]:
    words: list[Word] = []
    for fields in entries:
        if not 0 < len(fields) <= MAX_ENTRY_FIELDS:
            raise StoreError("S141", f"an audit entry of {len(fields)} fields", f"1 to {MAX_ENTRY_FIELDS} fit")
        words.append(2 * len(fields))
        words += chain.from_iterable(fields)
    return words


def rejected_fields(rejection: Rejection) -> list[tuple[str | bytes, str | bytes]]:
    """The sender's fields, then the engine's: a reader that makes a dict of them sees the engine's."""
    kept: list[tuple[str | bytes, str | bytes]] = list(rejection.fields[:MAX_REJECTED_FIELDS])
    return [
        *kept,
        ("entry", str(rejection.entry)),
        ("code", rejection.code),
        ("message", rejection.message),
        ("hint", rejection.hint),
    ]


def _refuse_own(fields: Iterable[str]) -> None:
    taken = OWN_META.intersection(fields)
    if taken:
        raise StoreError("S142", f"meta fields {sorted(taken)} are the store's own", "use another name")
