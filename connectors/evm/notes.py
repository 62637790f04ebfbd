"""What sending must not forget: each transaction under way, and how the last ones ended.

A transaction is noted, signed, before a node sees it. So whatever a daemon that died had sent, the next one knows the
command it was for, its nonce and its very bytes, and sends these bytes again or none.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from connectors.base import Notebook, Observation

#: Ended commands that are remembered, so that the same id, taken just before its report was read, sends nothing anew.
KEEP_ENDED: Final = 1_000
_OPEN: Final = "tx:"
_ENDED: Final = "ended:"
_NEXT: Final = "nonce:"


@dataclass(frozen=True, slots=True)
class Version:
    """One signed transaction at a command's nonce; the first, or a replacement.

    Attributes:
        hash: its identity.
        raw: signed, in hex.
        max_fee: most that it offers per gas, in wei.
        priority: of it as tip.
        cancels: it does nothing but take the nonce, so that the command is not carried out.
        at_ms: when it was signed, unix ms.
        block: the head then.
    """

    hash: str
    raw: str
    max_fee: int
    priority: int
    cancels: bool
    at_ms: int
    block: int


@dataclass(frozen=True, slots=True)
class Mined:
    """Where one of the versions was seen in a block."""

    hash: str
    block: int
    block_hash: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was told as final: ``done`` or ``failed``, and the detail."""

    status: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Note:
    """A command whose transaction is under way, or told and not yet final.

    Attributes:
        command: its id.
        verb: of the call, for its errors and events.
        chain_id: the chain it is signed for.
        sender: the account, with its checksum.
        nonce: of that account; every version has it.
        to: the called address.
        value: wei that go along.
        data: of the call, hex.
        gas: limit.
        expires_ms: unix ms after which it is not pushed any more; None: never.
        versions: in the order they were signed; at least one.
        seen: a node has had it.
        state: last told as a ``transaction`` fact; empty: nothing yet.
        mined: where it stands, if it does.
        waits_since_ms: since when its last version is in a node's pool, unix ms.
        missing_since_ms: since when no node has known it, unix ms.
        told: last status reported here; empty: none.
        outcome: once it was told as final.
    """

    command: str
    verb: str
    chain_id: int
    sender: str
    nonce: int
    to: str
    value: int
    data: str
    gas: int
    expires_ms: int | None
    versions: tuple[Version, ...]
    seen: bool = False
    state: str = ""
    mined: Mined | None = None
    waits_since_ms: int | None = None
    missing_since_ms: int | None = None
    told: str = ""
    outcome: Outcome | None = None

    @property
    def last(self) -> Version:
        """The version that counts, as long as none is mined."""
        return self.versions[-1]

    @property
    def hashes(self) -> tuple[str, ...]:
        """Of all versions, the last first."""
        return tuple(version.hash for version in reversed(self.versions))

    def version(self, tx: str) -> Version | None:
        """The version of that hash."""
        return next((v for v in self.versions if v.hash == tx), None)

    def encode(self) -> str:
        """As it stands in the notebook."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True)

    @classmethod
    def decode(cls, text: str) -> Note:
        """From the notebook."""
        row: dict[str, Any] = json.loads(text)
        row["versions"] = tuple(Version(**version) for version in row["versions"])
        row["mined"] = None if row["mined"] is None else Mined(**row["mined"])
        row["outcome"] = None if row["outcome"] is None else Outcome(**row["outcome"])
        return cls(**row)


@dataclass(slots=True)
class Book:
    """The notes of sending, in memory and in the notebook, which is written first.

    Sends add notes, following changes them; both from one event loop, and never the same note at once.
    """

    notebook: Notebook
    open: dict[str, Note] = field(default_factory=dict)
    ended: dict[str, Outcome] = field(default_factory=dict)
    _next: dict[str, int] = field(default_factory=dict)
    _order: int = 0
    _is_read: bool = False
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self) -> None:
        """Takes up what was noted; once, later calls do nothing."""
        async with self._reading:
            if not self._is_read:
                await self._read()
                self._is_read = True

    async def _read(self) -> None:
        ended: list[tuple[int, str, Outcome]] = []
        for name, text in (await self.notebook.read()).items():
            if name.startswith(_OPEN):
                note = Note.decode(text)
                self.open[note.command] = note
            elif name.startswith(_ENDED):
                row = json.loads(text)
                ended.append((row["n"], name.removeprefix(_ENDED), Outcome(row["status"], row["detail"])))
            elif name.startswith(_NEXT):
                self._next[name.removeprefix(_NEXT)] = int(text)
        for place, command, outcome in sorted(ended, key=lambda each: each[0]):
            self.ended[command] = outcome
            self._order = place + 1

    def next_nonce(self, chain_id: int, sender: str) -> int:
        """The lowest nonce of that account that was never given out here."""
        return self._next.get(_account(chain_id, sender), 0)

    async def add(self, note: Note) -> None:
        """A command gets its nonce and its signed transaction, durably."""
        account = _account(note.chain_id, note.sender)
        await self.notebook.write({_OPEN + note.command: note.encode(), _NEXT + account: str(note.nonce + 1)})
        self.open[note.command] = note
        self._next[account] = note.nonce + 1

    async def change(self, note: Note, observations: Sequence[Observation] = ()) -> None:
        """A note becomes this, and the journal learns of it, together."""
        await self.notebook.write({_OPEN + note.command: note.encode()}, observations)
        self.open[note.command] = note

    async def close(self, note: Note, outcome: Outcome, observations: Sequence[Observation] = ()) -> None:
        """Nothing more can come of it: only how it ended is kept, of the last thousand."""
        row = {"n": self._order, "status": outcome.status, "detail": dict(outcome.detail)}
        notes: dict[str, str | None] = {_OPEN + note.command: None}
        notes[_ENDED + note.command] = json.dumps(row, separators=(",", ":"), sort_keys=True)
        old = next(iter(self.ended)) if len(self.ended) >= KEEP_ENDED else None
        if old is not None:
            notes[_ENDED + old] = None
        await self.notebook.write(notes, observations)
        self.open.pop(note.command, None)
        if old is not None:
            del self.ended[old]
        self.ended[note.command] = outcome
        self._order += 1


def _account(chain_id: int, sender: str) -> str:
    return f"{chain_id}:{sender}"
