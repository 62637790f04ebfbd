"""After an unclean stop: what was in hand is taken so that one bad entry cannot kill the daemon for ever.

First in small groups, each noted before it is evaluated. If a group is the end of the process, its entries are taken
one at a time at the next start, each noted alone; the one that is found noted and marked so is the culprit. So a
daemon that was killed from outside is back at work after a few round trips, and nothing but a culprit is quarantined.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

from engine import limits
from engine.errors import FactRejectedError
from engine.model.journal import ZERO_ID, RawEntry, StreamId
from engine.runtime.crashpoints import AFTER_EVALUATION, crashpoint
from engine.runtime.logging import logger
from engine.runtime.marker import Marker
from engine.runtime.patience import patiently

if TYPE_CHECKING:
    from engine.runtime.loop import Loop, LoopStore

#: An entry that is found noted for the third time is quarantined: once in its group, and twice alone and marked. Were
#: it less, two kills from outside at two unlucky moments could make a culprit.
_TRIES: Final = 3
#: Two batches may be in hand at once: one being decided, one on its way to Redis.
_IN_HAND: Final = 2 * limits.MAX_BATCH
#: Entries read at once, and so taken as one group.
_GROUP: Final = 100
#: The code under which an entry is quarantined.
QUARANTINED: Final = "F311"
_LOG = logger("careful")


@dataclass(frozen=True, slots=True)
class Suspects:
    """A note: the process is about to evaluate ``first`` to ``last``, and has died of them ``deaths`` times if it dies.

    Kept in ``meta`` as ``first..last:deaths``.
    """

    first: StreamId = ZERO_ID
    last: StreamId = ZERO_ID
    deaths: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``first..last:deaths``; empty: nobody is suspected."""
        if not text:
            return cls()
        entries, _, deaths = text.partition(":")
        first, _, last = entries.partition("..")
        return cls(StreamId.parse(first), StreamId.parse(last), int(deaths))

    def __str__(self) -> str:
        return f"{self.first}..{self.last}:{self.deaths}" if self.deaths else ""

    @property
    def is_single(self) -> bool:
        """Whether one entry was noted alone."""
        return self.first == self.last and self.deaths > 0

    def deaths_of(self, entry: StreamId) -> int:
        """How often the process died of that entry, or of its group."""
        return self.deaths if self.first <= entry <= self.last else 0


class Careful:
    """Used by the loop until everything that may have been in hand is committed.

    A note of one entry is taken back as soon as its evaluation is over, and nothing else is under way meanwhile. So one
    that is found tells of a process that died in between: not before, when what was due ran or an earlier commit was
    on its way, and not after.
    """

    def __init__(self, store: LoopStore, epoch: int, poison: str, marker: Marker) -> None:
        """Makes it; does nothing yet.

        Args:
            store: where notes go.
            epoch: the leadership.
            poison: the note of the last process; empty: it left none.
            marker: says whether that process died within an evaluation.
        """
        self._store = store
        self._epoch = epoch
        self._marker = marker
        self._found = Suspects.parse(poison)
        if self._found.is_single and marker.found is not None and marker.found != str(self._found.first):
            self._found = replace(self._found, deaths=max(1, self._found.deaths - 1))
        self._noted = poison
        self._left = _IN_HAND

    async def run(self, loop: Loop) -> bool:
        """Apply some of the entries that may have been in hand; False once there are no more."""
        server_ms = await loop.server_ms()
        after = loop.engine.position
        entries = await patiently(lambda: self._store.read_journal(after, min(_GROUP, self._left)))
        if any(self._found.deaths_of(StreamId.parse(identity)) for identity, _ in entries):
            for identity, fields in entries:
                if loop.is_stopping:
                    return False
                await self._take_alone(loop, identity, fields, server_ms)
        elif entries:
            await self._take_together(loop, entries, server_ms)
        self._left -= len(entries)
        if entries and self._left > 0 and not loop.is_stopping:
            return True
        await self._note("")
        return False

    async def _take_together(self, loop: Loop, entries: list[RawEntry], server_ms: int | None) -> None:
        first, last = StreamId.parse(entries[0][0]), StreamId.parse(entries[-1][0])
        await self._note(str(Suspects(first, last, 1)))
        await loop.decide(entries, server_ms, None)
        await loop.settled()

    async def _take_alone(self, loop: Loop, identity: bytes, fields: list[bytes], server_ms: int | None) -> None:
        entry = StreamId.parse(identity)
        now = await loop.run_due_before(entry, server_ms)
        found = self._found.deaths_of(entry)
        is_culprit = self._found.is_single and found == _TRIES
        if is_culprit:
            _LOG.critical("an entry has killed the daemon again and again; it is quarantined", entry=str(entry))
            quarantine(loop, entry, fields, now)
        else:
            await self._note(str(Suspects(entry, entry, found + 1)))
            self._marker.set(str(entry))
            await loop.take(identity, entry, fields, now)
            self._marker.clear()
            crashpoint(AFTER_EVALUATION)
            await self._note(str(self._found))
        await loop.commit()

    async def _note(self, text: str) -> None:
        if text != self._noted:
            await patiently(lambda: self._store.note({"poison": text or None}, self._epoch))
            self._noted = text


def quarantine(loop: Loop, entry: StreamId, fields: list[bytes], now: int) -> None:
    """Refuse an entry without looking at it."""
    engine = loop.engine
    loop.time.note(engine, entry, now)
    engine.begin_entry(entry, now)
    error = FactRejectedError(QUARANTINED, "the daemon died each time it evaluated this entry", "please report it")
    engine.reject(entry, fields, error)
    engine.finish_entry()
