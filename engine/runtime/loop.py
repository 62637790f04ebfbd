"""The one loop: read, decide, commit. One writer, one atomic commit; what it needs of the world it is given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from engine.clock import monotonic_ns, wall_ms
from engine.matching.engine import Engine
from engine.matching.firing import RunawayError
from engine.matching.surroundings import Recalled
from engine.model.journal import ChangeSet, RawEntry, StreamId
from engine.runtime import garbage
from engine.runtime.careful import Careful
from engine.runtime.committing import Commits, CommitStore
from engine.runtime.crashpoints import CRASH_ON_ENTRY, crash
from engine.runtime.entry_time import EntryTime
from engine.runtime.logging import logger
from engine.runtime.marker import Marker
from engine.runtime.patience import patiently
from engine.runtime.preparing import InForce, Ready
from engine.runtime.reading import Reading, ReadStore
from engine.runtime.recovery import Recovered, Recovery, RecoveryStore
from engine.runtime.reload import follow_order, in_force, read_order
from engine.settings import Settings
from engine.store.journal import JournalExtent

#: Upkeep of the joins between batches.
_UPKEEP_NS: Final = 2_000_000
_LOG = logger("loop")


class LoopStore(RecoveryStore, CommitStore, ReadStore, Protocol):
    """What the loop asks of the store."""

    async def read_journal(self, after: StreamId, limit: int, block_ms: int = 0) -> list[RawEntry]:
        """Entries after ``after``."""
        ...

    async def journal_extent(self) -> JournalExtent:
        """Where the journal begins and ends."""
        ...


class Leading(Protocol):
    """The lease, as the loop sees it."""

    @property
    def epoch(self) -> int:
        """Under which this daemon leads."""
        ...


class Alarm(Protocol):
    """Wakes the loop at an instant."""

    rang: asyncio.Event

    def arm(self, at_wall_ms: int | None) -> None:
        """Set it."""
        ...


class Loop:
    """Reads the journal, decides, commits.

    Attributes:
        applied: entries applied since the start.
        caught_up: set once everything the journal held at the start is applied and durable.
        time: the times of entries.
    """

    def __init__(
        self,
        store: LoopStore,
        settings: Settings,
        lease: Leading,
        secret: bytes,
        clock: Alarm,
        recalled: Recalled | None = None,
    ) -> None:
        self._store = store
        self._batch = settings.batch
        self._follows_server = settings.time == "server"
        self._epoch = lease.epoch
        self._data = settings.data
        self._clock = clock
        self._stop_asked = asyncio.Event()
        self._listeners: list[Callable[[ChangeSet], None]] = [self._note_pauses]
        self._reading = Reading(store, self._batch, follows_server=self._follows_server)
        self._commits = Commits(store, self._epoch, self._listeners)
        self._paused: set[str] = set()
        self._suspend_at: dict[str, tuple[str, ...]] = {}
        self._recovery = Recovery(store, self._epoch, secret, self._suspend_at, recalled)
        self._engine: Engine | None = None
        self._careful: Careful | None = None
        self._goal: StreamId | None = None
        #: A rule base that was read beforehand, for the order that may come.
        self.ready: Callable[[], Ready | None] = lambda: None
        self._is_garbage_left = False
        #: Decisions that are not sent yet.
        self._made = 0
        self.time = EntryTime()
        self.applied = 0
        self.caught_up = asyncio.Event()

    # -- from outside ------------------------------------------------------------
    def on_commit(self, listener: Callable[[ChangeSet], None]) -> None:
        """Have ``listener`` told of each change set once it is durable."""
        self._listeners.append(listener)

    def paused(self) -> set[str]:
        """What operators hold back: ``connector:NAME``, ``rule:PACK.RULE``."""
        return self._paused

    def stop(self) -> None:
        """Finish the batch in hand, then return from ``run``."""
        self._stop_asked.set()
        self._clock.rang.set()

    def in_force(self) -> InForce | None:
        """What decides now; None before recovery."""
        return None if self._engine is None else in_force(self._engine)

    def figures(self) -> dict[str, str | int]:
        """What only the running daemon knows."""
        engine = self._engine
        if engine is None:
            return {"state": "recovering"}
        return {
            **engine.figures(),
            "suspended": " ".join(sorted(engine.firing.suspended)),
            "applied": self.applied,
            "commits": self._commits.count,
            "journal_leads_ms": self.time.lead_ms,
            "state": "running" if self.caught_up.is_set() else "catching up",
        }

    # -- the loop ------------------------------------------------------------------
    async def run(self) -> None:
        """Recover, then read, decide and commit until stopped.

        Raises:
            LeaseLostError: another daemon leads.
            StoreError: one that waiting does not help.
        """
        await self.recover()
        try:
            while not self.is_stopping:
                try:
                    await self._turn()
                except RunawayError as error:
                    await self.start_over(error)
        finally:
            self._reading.drop()
        await self.settled()
        await patiently(lambda: self._store.note({"unclean": None, "poison": None}, self._epoch))

    async def _turn(self) -> None:
        if self._careful is not None:
            if not await self._careful.run(self):
                self._careful = None
            return
        entries = await self._next_entries()
        if self.is_stopping:
            return
        if entries:
            last = StreamId.parse(entries[-1][0])
            server_ms, reached_ms = await self._reading.server_ms(last), None
            self._reading.ask(last, self._clock.rang.set)
            await asyncio.sleep(0)  # let it be sent before these are decided
        else:
            # Nothing came, so it is time itself that may have something to do.
            server_ms, entries = await self._reading.look(self.engine.position)
            reached_ms = None if len(entries) >= self._batch else server_ms
        await self.decide(entries, server_ms, reached_ms)
        self._upkeep()
        await self._look_whether_caught_up(is_at_end=len(entries) < self._batch)

    async def decide(self, entries: list[RawEntry], server_ms: int | None, reached_ms: int | None) -> None:
        """Apply entries and what is due, and commit every ``batch`` decisions; a stop is heeded between commits.

        Args:
            entries: in journal order.
            server_ms: the server's clock before they were read; None: ids are the clock.
            reached_ms: time that is surely reached once they are applied; None: the last entry's own.
        """
        number = 0
        is_done = False
        while not is_done:
            while self._made < self._batch and number < len(entries):
                identity, fields = entries[number]
                entry = StreamId.parse(identity)
                now = self.time.of(self.engine, entry, server_ms)
                self._made += self.engine.run_due(now, self._batch - self._made)
                if self._made < self._batch:
                    await self.take(identity, entry, fields, now)
                    self._made += 1
                    number += 1
            if number == len(entries) and reached_ms is not None and self._made < self._batch:
                self._made += self.engine.run_due(reached_ms, self._batch - self._made)
            is_done = (number == len(entries) and self._made < self._batch) or self.is_stopping
            # What fits goes with what comes while the last commit is on its way, instead of waiting for it here.
            if not is_done or not self._commits.is_under_way:
                await self.commit()

    # -- parts of it, for taking entries one at a time too ----------------------------
    @property
    def engine(self) -> Engine:
        """The one that decides now; a reload puts another in its place."""
        assert self._engine is not None  # noqa: S101 - set by recovery, which comes first
        return self._engine

    @property
    def is_stopping(self) -> bool:
        """Whether to finish what is in hand and begin nothing else."""
        return self._stop_asked.is_set()

    async def server_ms(self) -> int | None:
        """The server's clock; None if ids are the clock."""
        return await patiently(self._store.time_ms) if self._follows_server else None

    async def run_due_before(self, entry: StreamId, server_ms: int | None) -> int:
        """Do everything due before an entry and make it durable; gives the entry's time."""
        now = self.time.of(self.engine, entry, server_ms)
        while self.engine.run_due(now, self._batch) >= self._batch:
            await self.commit()
        await self.commit()
        await self.settled()
        return now

    async def take(self, identity: bytes, entry: StreamId, fields: list[bytes], now: int) -> None:
        """Apply one entry at that time; everything due before must have run."""
        if identity == CRASH_ON_ENTRY:
            crash()
        if b"rulebase" in fields:
            before = self.engine.rulebase
            await self._reload(entry, fields, now)
            self._is_garbage_left = self.engine.rulebase is not before
        else:
            if now != entry.ms:
                self.time.note(self.engine, entry, now)
            self.engine.apply(entry, fields, now)
        self.applied += 1

    async def commit(self) -> None:
        """Send what has been decided; the next batch is decided while it becomes durable."""
        self._made = 0
        await self._commits.send(self.engine)

    async def settled(self) -> None:
        """Make all that was decided durable."""
        if self._made:
            await self.commit()
        await self._commits.settled()

    async def _reload(self, entry: StreamId, fields: list[bytes], now: int) -> None:
        """A rule-base entry has its place in the order: what came before is committed under the old rules."""
        await self.commit()
        await self.settled()
        engine = self.engine
        order = read_order(engine, entry, fields, now)
        if order is not None:
            ready = self.ready()
            successor = await patiently(lambda: follow_order(engine, order, entry, fields, self._store, ready))
            if successor is not engine:
                engine.close()
                self._engine = successor
                _LOG.info("rule base in force", revision=order.revision, replaces=order.replaces)
            else:
                _LOG.error("rule base refused", revision=order.revision, reason=engine.changes.rejected[-1].message)
        self.time.note(self.engine, entry, now)
        self.engine.finish_entry()

    def _note_pauses(self, change: ChangeSet) -> None:
        for name, value in change.meta.items():
            scope, _, what = name.partition(":")
            if scope == "paused":
                (self._paused.discard if value is None else self._paused.add)(what)

    # -- waiting -------------------------------------------------------------------
    async def _next_entries(self) -> list[RawEntry]:
        """The next ones; none at the start, if something may be due, a second has passed, or it is time to stop."""
        rang, reading, commits = self._clock.rang, self._reading, self._commits
        if not self.caught_up.is_set() and not reading.is_asked:
            return []
        reading.ask(self.engine.position, rang.set)
        commits.on_landing(rang.set)
        due = self.engine.next_due() if self._follows_server else None
        # Due at D runs once time is past D. The alarm goes by this machine's clock, the decision by the server's.
        due_ms = None if due is None else reading.wall_ms_of(due + 1)
        while True:
            rang.clear()
            if reading.has_come:
                return await reading.take(self.engine.position)
            if commits.has_landed:
                await commits.settled()
                await self.commit()
                commits.on_landing(rang.set)
            if self.is_stopping or (due_ms is not None and wall_ms() >= due_ms):
                return []
            self._clock.arm(due_ms)
            await rang.wait()

    async def _look_whether_caught_up(self, *, is_at_end: bool) -> None:
        """Under load the end may never be reached, so what was there at the start will do."""
        if self.caught_up.is_set():
            return
        if is_at_end or (self._goal is not None and self.engine.position >= self._goal):
            await self.settled()
            self.caught_up.set()

    def _upkeep(self) -> None:
        if self._is_garbage_left:
            # The engine that a reload has replaced goes once its last and the other's first decisions are sent.
            self._is_garbage_left = False
            garbage.set_apart()
        grounder = self.engine.base.grounder
        if grounder is not None and grounder.joiner is not None:
            until = monotonic_ns() + _UPKEEP_NS
            grounder.joiner.maintain(lambda: monotonic_ns() < until)

    # -- recovering -----------------------------------------------------------------
    async def recover(self) -> None:
        """Build the engine; if what it finds begins a chain without end, once more without those rules."""
        if self._goal is None:
            self._goal = (await patiently(self._store.journal_extent)).last_id
        while True:
            with garbage.put_off():
                recovered = await patiently(self._recovery.rebuild)
            try:
                self._go_on_from(recovered)
            except RunawayError as error:
                self._suspend(error)
            else:
                return

    def _go_on_from(self, recovered: Recovered) -> None:
        if self._engine is None and recovered.was_unclean:
            self._careful = Careful(self._store, self._epoch, recovered.poison, Marker(self._data))
        self._engine = engine = recovered.engine
        self._made = 0
        self._commits.cursor, self._commits.due = recovered.cursor, recovered.due
        self._paused = set(recovered.paused)
        for alarm in recovered.alarms:
            engine.effects.events.append({"event": "alarm", "message": alarm})
        if recovered.alarms:
            engine.settle_alarms()

    async def start_over(self, error: RunawayError) -> None:
        """A chain does not end: decide that step, and all that is not sent, again without the rules of the chain."""
        await self._commits.settled()
        self._suspend(error)
        self.engine.close()
        await self.recover()

    def _suspend(self, error: RunawayError) -> None:
        _LOG.error("a chain of rules does not end; they are suspended", cause=error.cause, rules=list(error.rules))
        self._suspend_at[error.cause] = (*self._suspend_at.get(error.cause, ()), *error.rules)
