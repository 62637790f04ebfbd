"""The virtual world: the engine with a journal, a store and a dispatch in memory, and a clock that is told.

Entries go the whole way of a fact (wire form, envelope, decoder). What a step changes is committed at once, into
dictionaries, so that the engine can be thrown away at any moment and recovered from them. Dispatch takes a command at
the end of its instant and needs no time for it: a signed ``sent`` of the same instant.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from engine import limits
from engine.coordination.driver import Driver
from engine.insight.scenario.case import Base
from engine.insight.scenario.history import STANDING, Committed, History, Noted
from engine.matching.compiled import CompiledRule
from engine.matching.engine import Engine
from engine.matching.firing import RunawayError
from engine.matching.joins import PythonJoiner
from engine.matching.occurrences import Times
from engine.matching.restore import Restoration
from engine.matching.state import State, read_state
from engine.matching.surroundings import Surroundings
from engine.model.journal import Cursor, OutboxCommand, StreamId, write_changes
from engine.model.plans import Plan
from engine.model.rules import RuleBase, Schedule
from engine.model.signing import signed_fields

_SECRET: Final = b"of a world that ends with its test"
_WRITER: Final = "dispatch"
_SOURCE: Final = "lockstep-dispatch"


class Reload(Protocol):
    """What the daemon's loop does with a ``rulebase`` entry."""

    def __call__(
        self, engine: Engine, entry: StreamId, fields: list[bytes], now: int, revisions: Mapping[str, bytes]
    ) -> Engine:
        """The engine that goes on: another one, or the same if the packs are refused."""
        ...


@dataclass(frozen=True, slots=True)
class Machinery:
    """Parts of the running daemon that a world needs.

    Attributes:
        times_of: the times of a schedule.
        reload: takes a ``rulebase`` entry.
    """

    times_of: Callable[[Schedule], Times]
    reload: Reload


@dataclass(slots=True)
class _Stored:
    """What is committed."""

    cursor: Cursor
    facts: dict[bytes, bytes] = field(default_factory=dict)
    active: dict[bytes, bytes] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    revisions: dict[str, bytes] = field(default_factory=dict)


class World:
    """One test's world.

    Attributes:
        engine: the one that decides now.
        at_ms: the instant that is being played.
        history: what happened.
        alarms: differences a recovery found.
    """

    def __init__(
        self,
        base: Base,
        machinery: Machinery,
        start_ms: int,
        on_engine: Callable[[Engine], None] | None = None,
    ) -> None:
        """Begins at that instant with no facts.

        Args:
            base: packs in force.
            machinery: of the daemon.
            start_ms: unix ms.
            on_engine: told of each engine that begins to decide.
        """
        self._machinery = machinery
        self._on_engine = on_engine
        self._suspend_at: dict[str, tuple[str, ...]] = {}
        self._old_plans: dict[tuple[str, str], Plan] = {}
        self._stored = _Stored(Cursor(now_ms=start_ms), revisions={base.rulebase.revision: base.blob})
        self._compiled: Mapping[str, CompiledRule] | None = base.compiled
        self._rulebase: RuleBase = base.rulebase
        self._last = StreamId(start_ms, -1)
        self._signed = 0
        self._queue: list[OutboxCommand] = []
        self._withdrawn: set[str] = set()
        #: Command id → when it becomes ``unknown`` if nobody reports on it; kept over a restart, as dispatch keeps it.
        self._unreported: dict[str, int] = {}
        self.at_ms = start_ms
        self.history = History()
        self.alarms: list[str] = []
        self.engine = self._new_engine()
        # As the first push does: schedules are followed from here, and what holds without any fact begins to.
        Restoration(self.engine, State(self._stored.cursor)).reload("start", {})
        self._commit()

    # -- the engine --------------------------------------------------------------------
    def _new_engine(self) -> Engine:
        surroundings = Surroundings(
            PythonJoiner,
            self._machinery.times_of,
            _SECRET,
            self._suspend_at,
            make_driver=Driver,
            old_plans=self._old_plans,
        )
        engine = Engine(self._rulebase, surroundings, self._compiled)
        if self._on_engine is not None:
            self._on_engine(engine)
        return engine

    def _recovered(self) -> Engine:
        engine, stored = self._new_engine(), self._stored
        # Redis gives them in no order that means anything; here it is another than that in which they came.
        facts, active = (sorted(each.items(), reverse=True) for each in (stored.facts, stored.active))
        state = read_state(stored.cursor, stored.meta, facts, active, self._rulebase.kinds)
        self.alarms += Restoration(engine, state).recover()
        return engine

    def standing(self) -> list[Noted]:
        """How each coordination that has not ended stands now."""
        driver = self.engine.driver
        return (
            [] if driver is None else [Noted(self.at_ms, "", said | {"event": STANDING}) for said in driver.standing()]
        )

    def restart(self) -> None:
        """Throw the engine away and recover from what is committed, as after ``kill -9``."""
        self._commit()
        self.engine.close()
        self.engine = self._recovered()

    def committed(self) -> Committed:
        """The state as it would be in Redis."""
        return Committed(self._stored.facts, self._stored.active)

    def close(self) -> None:
        """The end of this world."""
        self.engine.close()

    def _decide(self, act: Callable[[Engine], None]) -> None:
        """One step, committed. A chain that does not end is taken back and decided again without its rules."""
        while True:
            try:
                act(self.engine)
                break
            except RunawayError as error:
                self._suspend_at[error.cause] = (*self._suspend_at.get(error.cause, ()), *error.rules)
                self.engine.close()
                self.engine = self._recovered()
        self._commit()

    # -- time ----------------------------------------------------------------------------
    def next_due(self) -> int | None:
        """The next instant at which something may be due."""
        instants = [at for at in (self.engine.next_due(), self._next_silent()) if at is not None]
        return min(instants, default=None)

    def reach(self, at_ms: int) -> None:
        """Time comes to ``at_ms``; everything due before must have been done (``finish``)."""
        self.at_ms = at_ms
        self.engine.run_due(at_ms)

    def finish(self) -> None:
        """The end of the instant: what is due at it, then dispatch, until both are quiet."""
        while True:
            self._decide(lambda engine: _run_due(engine, self.at_ms + 1))
            if not self._give_up() and not self._dispatch():
                return

    def _give_up(self) -> bool:
        """What was sent and nobody reported on in time becomes ``unknown``; whether there was anything."""
        is_any = False
        while (at := self._next_silent()) is not None and at <= self.at_ms:
            command = next(iter(self._unreported))
            del self._unreported[command]
            self._sign("result", {"command": command, "status": "unknown"})
            is_any = True
        return is_any

    def _next_silent(self) -> int | None:
        """When the longest sent of those without a report becomes ``unknown``; they are in the order they were sent."""
        while self._unreported:
            command, at = next(iter(self._unreported.items()))
            if self.status(command) == "sent":
                return at
            del self._unreported[command]
        return None

    def status(self, command: str) -> str:
        """What is known of a command; ``gone`` once it is forgotten."""
        memory = self.engine.base.memories["command"]
        fact = memory.facts.get((command,))
        return "gone" if fact is None else str(fact.values[memory.kind.positions["status"]])

    def _dispatch(self) -> bool:
        """Take what is queued, by ``take.lua``'s rules; whether there was anything."""
        queue, self._queue = self._queue, []
        for command in queue:
            if command.command_id in self._withdrawn:
                status = "withdrawn"
            elif command.expires_ms is not None and self.at_ms > command.expires_ms:
                status = "expired"
            else:
                status = "sent"
            self._sign("result", {"command": command.command_id, "status": status})
            if status == "sent":
                self._unreported[command.command_id] = self.at_ms + limits.REPORT_WITHIN_MS
        return bool(queue)

    # -- the journal -----------------------------------------------------------------------
    def enter(self, fields: Mapping[str, str]) -> None:
        """One journal entry of this instant."""
        entry, raw = self._appended(fields)
        self._decide(lambda engine: engine.apply(entry, raw, self.at_ms))

    def _appended(self, fields: Mapping[str, str]) -> tuple[StreamId, list[bytes]]:
        self._last = StreamId(self.at_ms, self._last.seq + 1 if self._last.ms == self.at_ms else 0)
        return self._last, [word.encode() for pair in fields.items() for word in pair]

    def _signed_fields(self, op: str, body: Mapping[str, Any], writer: str) -> dict[str, str]:
        self._signed += 1
        return signed_fields(op, json.dumps(body), writer, self._signed, _SECRET, _SOURCE)

    def _sign(self, op: str, body: Mapping[str, Any]) -> None:
        self.enter(self._signed_fields(op, body, _WRITER))

    def push(self, base: Base) -> None:
        """Other packs come into force, or are refused."""
        self._commit()
        engine = self.engine
        self._stored.revisions[base.rulebase.revision] = base.blob
        in_use = {} if engine.driver is None else engine.driver.plans_in_use()
        order = {
            "revision": base.rulebase.revision,
            "replaces": engine.rulebase.revision,
            "accept": limits.PUSH_ACCEPT,
        }
        entry, raw = self._appended(self._signed_fields("rulebase", order, "cli"))
        successor = self._machinery.reload(engine, entry, raw, self.at_ms, self._stored.revisions)
        if successor is not engine:
            engine.close()
            self.engine = successor
            self._rulebase, self._compiled = successor.rulebase, base.compiled
            # A coordination finishes under the revision it began with, also after a restart.
            self._old_plans = in_use
            if self._on_engine is not None:
                self._on_engine(successor)
        self.engine.finish_entry()
        self._commit()

    # -- committing ------------------------------------------------------------------------
    def _commit(self) -> None:
        engine, stored = self.engine, self._stored
        engine.bring_sources_up()
        if engine.changes.is_empty:
            stored.cursor = engine.cursor
            return
        change = engine.changes.change_set(stored.cursor, engine.cursor, "")
        write_changes(stored.facts, change.facts)
        write_changes(stored.active, change.active)
        write_changes(stored.meta, change.meta)
        stored.cursor = change.cursor
        self._queue += change.commands
        self._withdrawn.update(change.withdrawn)
        self.history.record(change, self.at_ms)


def _run_due(engine: Engine, limit_ms: int) -> None:
    engine.run_due(limit_ms)
