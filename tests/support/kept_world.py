"""A history of packs with plans, and what it left committed, as the store gives it to whoever looks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from engine.coordination.driver import Driver
from engine.matching.engine import Engine
from engine.matching.joins import PythonJoiner
from engine.matching.surroundings import Surroundings
from engine.model.journal import ChangeSet, StreamId
from engine.packs.bundle import load_paths
from engine.runtime.schedule_times import ScheduleTimes
from engine.store.commits import CommittedState
from engine.store.records import AuditEntry
from tests.support.journal_engine import SECRET, JournalEngine, write_packs
from tests.support.world import START


class KeptWorld(JournalEngine):
    """The engine alone, with plans; everything it commits can be read as from the store."""

    def __init__(self, folder: Path, *packs: str) -> None:
        result = load_paths([write_packs(folder, packs)])
        assert result.rulebase is not None, "\n".join(map(str, result.problems))
        self.blob = result.blob
        self.done_hash: dict[bytes, bytes] = {}
        self.audited: list[AuditEntry] = []
        super().__init__(result.rulebase, PythonJoiner, restarts=False)
        self.meta["revision"] = self.rulebase.revision

    def _new(self) -> Engine:
        surroundings = Surroundings(
            self.make_joiner, ScheduleTimes, SECRET, suspend_at=self.suspend_at, make_driver=Driver
        )
        return Engine(self.rulebase, surroundings)

    def _commit(self, change: ChangeSet) -> None:
        super()._commit(change)
        self.meta["cursor"] = str(change.cursor)
        for identity, record in change.done.items():
            if record is None:
                del self.done_hash[identity]
            else:
                self.done_hash[identity] = record
        for fields in change.audit:
            self.audited.append(AuditEntry(StreamId(int(dict(fields)["at"]), len(self.audited)), tuple(fields)))

    # -- as the store ------------------------------------------------------------
    async def committed_state(self) -> CommittedState:
        """All of the committed state."""
        return CommittedState(dict(self.meta), list(self.facts_hash.items()), list(self.active_hash.items()))

    async def load_meta(self) -> dict[str, str]:
        """All of ``meta``."""
        return dict(self.meta)

    async def load_facts(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """All of ``facts``."""
        for pair in list(self.facts_hash.items()):
            yield pair

    async def load_active(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """All of ``active``."""
        for pair in list(self.active_hash.items()):
            yield pair

    async def load_done(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """All of ``done``."""
        for pair in list(self.done_hash.items()):
            yield pair

    async def get_revision(self, revision: str) -> bytes | None:
        """The canonical form of the packs."""
        return self.blob if revision == self.rulebase.revision else None

    async def time_ms(self) -> int:
        """The instant of the last entry."""
        return self.entries[-1][0] if self.entries else START

    async def read_audit(
        self,
        *,
        after: StreamId | None = None,
        before: StreamId | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[AuditEntry]:
        """Audit entries strictly between ``after`` and ``before``."""
        entries = [e for e in self.audited if after is None or e.entry > after]
        entries = [e for e in entries if before is None or e.entry < before]
        return (entries[::-1] if newest_first else entries)[:limit]
