"""Decides a recording again, with the daemon's own loop, and says whether it came out the same."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from engine import SEMANTICS_VERSION
from engine.matching.engine import Engine
from engine.matching.firing import RunawayError
from engine.model.journal import StreamId
from engine.runtime.careful import QUARANTINED, quarantine
from engine.runtime.entry_time import EntryTime
from engine.runtime.loop import Loop
from engine.runtime.recovery import Recovered
from engine.runtime.replay.difference import Difference, DiffersError
from engine.runtime.replay.kept import Kept
from engine.runtime.replay.recording import Head, Recording, ReplayError
from engine.settings import Settings

_SETTINGS: Final = Settings(time="journal")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it.

    Attributes:
        head: what was decided again.
        first_difference: None: all is equal, to the byte.
        entries: journal entries, up to the difference.
        decisions: decisions with something to say.
        commands: commands.
    """

    head: Head
    first_difference: Difference | None
    entries: int
    decisions: int
    commands: int

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return self.first_difference is None

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        found = self.first_difference
        return {
            "equal": self.is_equal,
            "first_difference": None if found is None else found.as_dict(),
            "entries": self.entries,
            "decisions": self.decisions,
            "commands": self.commands,
            "from": str(self.head.start),
            "to": str(self.head.end),
        }


async def replay(recording: Recording) -> Verdict:
    """Decide it again.

    Raises:
        ReplayError: it cannot be.
        StoreError: what it holds cannot be read.
    """
    head = recording.head
    if head.semantics != SEMANTICS_VERSION:
        raise ReplayError(
            "R101",
            f"it was decided by semantics {head.semantics}, and this engine has {SEMANTICS_VERSION}",
            "replay it with the version of the engine that decided it",
        )
    kept = Kept(recording)
    await kept.open()
    loop = _Loop(kept)
    found: Difference | None = None
    try:
        await loop.run_to(head)
        await kept.compare_end()
    except DiffersError as differs:
        found = differs.difference
    finally:
        loop.close()
    return Verdict(head, found, kept.entries, kept.decisions, kept.commands)


class _Nobody:
    """Leads under no epoch, and has no alarm clock."""

    epoch = 0

    def __init__(self) -> None:
        self.rang = asyncio.Event()

    def arm(self, at_wall_ms: int | None) -> None:
        """Nothing wakes a replay."""


class _Times(EntryTime):
    """The times entries were given."""

    def __init__(self, kept: Kept) -> None:
        super().__init__()
        self._kept = kept

    def of(self, engine: Engine, entry: StreamId, server_ms: int | None) -> int:
        """As recorded, whatever any clock says."""
        return self._kept.told[entry].now_ms


class _Loop(Loop):
    """The daemon's loop, told what it cannot know."""

    def __init__(self, kept: Kept) -> None:
        nobody = _Nobody()
        super().__init__(kept, _SETTINGS, nobody, b"", nobody, kept)
        self._kept = kept
        self.time = _Times(kept)

    async def run_to(self, head: Head) -> None:
        """Recover, decide every entry, and everything that was due.

        Raises:
            DiffersError: the first difference.
        """
        await self.recover()
        while True:
            try:
                while entries := await self._kept.read_journal(self.engine.position, _SETTINGS.batch):
                    await self.decide(entries, None, None)
                await self._finish(head)
                break
            except RunawayError as error:
                await self.start_over(error)
        await self.settled()
        if self.engine.cursor != head.end:
            raise DiffersError(Difference("cursor", str(head.end), str(head.end), str(self.engine.cursor)))

    async def _finish(self, head: Head) -> None:
        """What was due after the last entry; if it was decided in part, only that part."""
        if not head.due:
            await self.decide([], None, head.end.now_ms)
            return
        if (self.engine.cursor, self._commits.due) == (head.end, head.due):
            return  # it begins where it ends
        await self.decide([], None, head.end.now_ms)
        while self.engine.run_due_through(head.due, _SETTINGS.batch) == _SETTINGS.batch:
            await self.commit()
        await self.commit()

    async def take(self, identity: bytes, entry: StreamId, fields: list[bytes], now: int) -> None:
        """Apply one entry as it was applied."""
        refused = self._kept.told[entry].refused
        if refused == QUARANTINED:
            quarantine(self, entry, fields, now)
            return
        self._kept.is_not_stored = refused == "F315"
        await super().take(identity, entry, fields, now)
        self._kept.is_not_stored = False

    def close(self) -> None:
        """Let go of what the joins hold."""
        if self._engine is not None:
            self._engine.close()

    def _go_on_from(self, recovered: Recovered) -> None:
        """What stands must follow from the facts: else whoever decided this would have had an alarm at a start."""
        if recovered.alarms:
            raise DiffersError(Difference("recovery", str(recovered.cursor), None, recovered.alarms[0]))
        super()._go_on_from(recovered)
