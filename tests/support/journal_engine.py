"""Packs and raw journal entries against the engine alone: no process, no Redis, the same face as the real program.

Every history is told twice: once as it comes, and once more by ``check_replay`` with a recovery before every entry and
the other joiner. Whatever the two did must be the same, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

from engine.errors import Problem
from engine.matching.durable_joiner import DurableJoiner
from engine.matching.engine import Engine
from engine.matching.firing import RunawayError
from engine.matching.joins import Joiner, JoinShape, PythonJoiner
from engine.matching.restore import Restoration
from engine.matching.state import State, read_state
from engine.matching.surroundings import Surroundings
from engine.model.journal import ChangeSet, Cursor, OutboxCommand, Rejection, StreamId, write_changes
from engine.model.records import TOMBSTONE, decode_claim, parse_fact_field
from engine.model.rules import RuleBase
from engine.packs.bundle import load_paths
from engine.runtime.schedule_times import ScheduleTimes
from tests.support.world import MARK, START, Refused, World, decision_of

SECRET = b"a secret of the tests"


def write_packs(folder: Path, packs: Sequence[str]) -> Path:
    """Each text as a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(packs):
        (folder / f"pack{number}.yaml").write_text(dedent(text), encoding="utf-8")
    return folder


def checked(folder: Path, *packs: str) -> tuple[RuleBase | None, list[Problem]]:
    """What a check of these packs says."""
    result = load_paths([write_packs(folder, packs)])
    return result.rulebase, result.problems


class JournalEngine(World):
    """The engine alone; what it commits is kept in dictionaries."""

    def __init__(
        self, rulebase: RuleBase, make_joiner: Callable[[list[JoinShape]], Joiner] = DurableJoiner, *, restarts: bool
    ) -> None:
        super().__init__()
        self.rulebase = rulebase
        self.restarts = restarts
        self.make_joiner = make_joiner
        self.entries: list[tuple[int, int, list[bytes]]] = []
        self.facts_hash: dict[bytes, bytes] = {}
        self.active_hash: dict[bytes, bytes] = {}
        self.meta: dict[str, str] = {}
        self.cursor = Cursor(now_ms=START)
        self.suspend_at: dict[str, tuple[str, ...]] = {}
        self.sent: list[OutboxCommand] = []
        self.decisions: list[dict[str, bytes]] = []
        self.rejections: list[Rejection] = []
        self.engine = self._new()
        Restoration(self.engine, self._state()).reload("push", {})
        self._commit(self.engine.changes.change_set(self.cursor, self.engine.cursor, "c"))

    @classmethod
    def of(cls, folder: Path, *packs: str) -> JournalEngine:
        """Under packs that must have no errors."""
        rulebase, problems = checked(folder, *packs)
        assert rulebase is not None, "\n".join(map(str, problems))
        return cls(rulebase, restarts=False)

    def _new(self) -> Engine:
        return Engine(self.rulebase, Surroundings(self.make_joiner, ScheduleTimes, SECRET, suspend_at=self.suspend_at))

    def _state(self) -> State:
        facts, active = self.facts_hash.items(), self.active_hash.items()
        return read_state(self.cursor, self.meta, facts, active, self.rulebase.kinds)

    def _recovered(self) -> Engine:
        engine = self._new()
        alarms = Restoration(engine, self._state()).recover()
        assert not alarms, alarms
        return engine

    def restart(self) -> None:
        """Recover from what is committed, as after ``kill -9``."""
        self.engine.close()
        self.engine = self._recovered()

    def send(self, ms: int, number: int, fields: list[bytes]) -> None:
        """One entry; an entry of an earlier instant than the last would have no place in a stream."""
        if self.entries:
            assert (ms, number) > self.entries[-1][:2], "ids of a stream rise"
        self.entries.append((ms, number, fields))
        if self.restarts:
            self.restart()
        while True:
            try:
                self.engine.run_due(ms)
                self.engine.apply(StreamId(ms, number), fields, max(self.engine.now, ms))
            except RunawayError as error:
                self.suspend_at[error.cause] = (*self.suspend_at.get(error.cause, ()), *error.rules)
                self.restart()
                continue
            break
        self.engine.bring_sources_up()
        self._commit(self.engine.changes.change_set(self.cursor, self.engine.cursor, "c"))

    def _commit(self, change: ChangeSet) -> None:
        write_changes(self.facts_hash, change.facts)
        write_changes(self.active_hash, change.active)
        write_changes(self.meta, change.meta)
        self.cursor = change.cursor
        self.sent += change.commands
        self.decisions += [dict(fields) for fields in change.audit]
        self.rejections += change.rejected

    # -- looking -----------------------------------------------------------------
    def outbox(self) -> list[dict[str, str]]:
        """What the outbox stream would hold."""
        return [
            {
                "command": c.command_id,
                "connector": c.connector,
                "verb": c.verb,
                "args": c.args,
                "rule": c.rule,
                "coordination": c.coordination,
                "expires": "" if c.expires_ms is None else str(c.expires_ms),
            }
            for c in self.sent
        ]

    def audit(self) -> list[dict[str, Any]]:
        """What the audit stream would hold."""
        return [decision_of(fields) for fields in self.decisions]

    def refused(self) -> list[Refused]:
        """What the rejected stream would hold, but for marks."""
        return [
            Refused(r.entry.ms - START, r.code, r.message, r.hint, dict(r.fields))
            for r in self.rejections
            if (b"op", MARK.encode()) not in r.fields
        ]

    def facts(self, kind: str) -> list[dict[str, Any]]:
        """From the committed records, as everybody else would read them."""
        found = []
        for name in sorted(self.facts_hash):
            claim = decode_claim(self.facts_hash[name])
            if parse_fact_field(name)[0] == kind and claim.role != TOMBSTONE:
                found.append(json.loads(claim.data))
        return found

    # -- once more ---------------------------------------------------------------
    def check_replay(self) -> None:
        """Tell the history again, recovering before every entry: everything must come out the same."""
        again = JournalEngine(self.rulebase, PythonJoiner, restarts=True)
        for ms, number, fields in self.entries:
            again.send(ms, number, fields)
        assert again.sent == self.sent
        assert again.audit() == self.audit()
        assert again.rejections == self.rejections
        assert again.facts_hash == self.facts_hash
        assert again.meta == self.meta
        again.engine.close()
        self.engine.close()
