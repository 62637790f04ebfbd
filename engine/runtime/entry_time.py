"""The time of a journal entry: that of its id, unless the id cannot be believed."""

from __future__ import annotations

from engine import limits
from engine.matching.engine import Engine
from engine.model.journal import StreamId


class EntryTime:
    """Nobody can push time: an id that leads the server's clock does not carry.

    Attributes:
        lead_ms: by how much the last entry's id led the clock; 0: it carried.
    """

    def __init__(self) -> None:
        self.lead_ms = 0

    def of(self, engine: Engine, entry: StreamId, server_ms: int | None) -> int:
        """The time at which an entry is to be applied; never less than the time reached.

        Args:
            engine: that is to apply it.
            entry: its id.
            server_ms: the server's clock before the entry was read; None: ids are the clock.
        """
        if server_ms is None or entry.ms <= server_ms + limits.MAX_LEAD_MS:
            self.lead_ms = 0
            return max(engine.now, entry.ms)
        self.lead_ms = entry.ms - server_ms
        return max(engine.now, server_ms)

    @staticmethod
    def note(engine: Engine, entry: StreamId, now: int) -> None:
        """Have the commit that holds an entry say at which time it was applied, if that is not its id's.

        Only once everything due before it is done: a commit may come between, and must not speak of it yet.
        """
        if now != entry.ms:
            engine.changes.clock.append((entry, now))
