"""The one loop: read, decide, commit. One writer, one atomic commit; what it needs of the world it is given."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from engine import limits
from engine.clock import monotonic_ns, wall_ms
from engine.errors import LeaseLostError, Retry, StoreError
from engine.matching.engine import Engine
from engine.matching.firing import RunawayError
from engine.model.journal import (
    AlreadyMine,
    ChangeSet,
    CommitResult,
    Committed,
    Conflict,
    Cursor,
    Fenced,
    RawEntry,
    StreamId,
)
from engine.runtime.careful import Careful
from engine.runtime.crashpoints import AFTER_COMMIT, BEFORE_COMMIT, crashpoint
from engine.runtime.logging import logger
from engine.runtime.recovery import Recovered, RecoveryStore, rebuild
from engine.runtime.reload import follow_order, read_order
from engine.settings import Settings

#: The longest the loop waits without looking at the time itself.
_SWEEP_MS: Final = 1_000
#: Waits between tries while Redis is away, doubled from the first to the second.
_RETRY_MS: Final = (50, 2_000)
#: Upkeep of the joins between batches.
_UPKEEP_NS: Final = 2_000_000
_OUT_OF_MEMORY: Final = "S107"
_LOG = logger("loop")
T = TypeVar("T")


class LoopStore(RecoveryStore, Protocol):
    """What the loop asks of the store."""

    async def time_ms(self) -> int:
        """The server's clock."""
        ...

    async def read_journal(self, after: StreamId, limit: int, block_ms: int = 0) -> list[RawEntry]:
        """Entries after ``after``."""
        ...

    async def commit(self, change: ChangeSet, epoch: int) -> CommitResult:
        """All or nothing."""
        ...

    async def trim_journal(self) -> int:
        """Let go of what snapshots made unnecessary."""
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


class DivergedError(StoreError):
    """The committed cursor is not the one this daemon left: someone else wrote."""


class Loop:
    """Reads the journal, decides, commits.

    Attributes:
        applied: entries applied since the start.
        caught_up: set once the journal was read to its end.
    """

    def __init__(self, store: LoopStore, settings: Settings, lease: Leading, secret: bytes, clock: Alarm) -> None:
        self._store = store
        self._batch = settings.batch
        self._follows_server = settings.time == "server"
        self._lease = lease
        self._secret = secret
        self._clock = clock
        self._is_stopping = False
        self._stop_asked = asyncio.Event()
        self._engine: Engine | None = None
        self._committed = Cursor()
        self._commits = 0
        self._committing: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[ChangeSet], None]] = []
        self._paused: set[str] = set()
        self._suspend_at: dict[str, tuple[str, ...]] = {}
        self._careful: Careful | None = None
        self._lead_ms = 0
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
        self._is_stopping = True
        self._stop_asked.set()

    def figures(self) -> dict[str, str | int]:
        """What only the running daemon knows."""
        engine = self._engine
        if engine is None:
            return {"state": "recovering"}
        suspended = " ".join(sorted(engine.firing.suspended))
        return {
            **engine.figures(),
            "suspended": suspended,
            "applied": self.applied,
            "commits": self._commits,
            "journal_leads_ms": self._lead_ms,
            "state": "running",
        }

    # -- the loop ------------------------------------------------------------------
    async def run(self) -> None:
        """Recover, then read, decide and commit until stopped.

        Raises:
            LeaseLostError: another daemon leads.
            StoreError: one that waiting does not help.
        """
        await self._patiently(self._recover)
        while not self._is_stopping:
            try:
                await self._turn()
            except RunawayError as error:
                await self._start_over(error)
        await self._settled()
        await self._patiently(lambda: self._store.note({"unclean": None, "poison": None}, self._lease.epoch))

    async def _turn(self) -> None:
        engine = self._running
        server_ms = await self._patiently(self._store.time_ms) if self._follows_server else None
        if self._careful is not None:
            await self._careful.run(self, engine)
            self._careful = None
            return
        after = engine.position
        entries = await self._patiently(lambda: self._store.read_journal(after, self._batch))
        is_cut = len(entries) >= self._batch
        await self._decide(entries, server_ms, None if is_cut else server_ms)
        self._upkeep()
        if not is_cut:
            await self._settled()
            self.caught_up.set()
            if not entries:
                await self._wait(server_ms)

    async def _decide(self, entries: list[RawEntry], server_ms: int | None, reached_ms: int | None) -> None:
        """Apply entries and what is due, and commit every ``batch`` decisions.

        Args:
            entries: in journal order.
            server_ms: the server's clock before they were read; None: ids are the clock.
            reached_ms: time that is surely reached once they are applied; None: the last entry's own.
        """
        number = 0
        while True:
            made = 0
            engine = self._running
            while made < self._batch and number < len(entries):
                identity, fields = entries[number]
                entry = StreamId.parse(identity)
                now = self.entry_time(engine, entry, server_ms)
                made += engine.run_due(now, self._batch - made)
                if made >= self._batch:
                    break
                if b"rulebase" in fields:
                    engine = await self._reload(engine, entry, fields, now)
                else:
                    engine.apply(entry, fields, now)
                made += 1
                number += 1
                self.applied += 1
            is_done = number == len(entries)
            if is_done and reached_ms is not None and made < self._batch:
                made += engine.run_due(reached_ms, self._batch - made)
            await self.commit(engine)
            if is_done and made < self._batch:
                return

    async def take_one(self, engine: Engine, entry: StreamId, fields: list[bytes], server_ms: int | None) -> Engine:
        """Apply one entry and make it durable before anything else happens; returns the engine that goes on."""
        now = self.entry_time(engine, entry, server_ms)
        while engine.run_due(now, self._batch) >= self._batch:
            await self.commit(engine)
        if b"rulebase" in fields:
            engine = await self._reload(engine, entry, fields, now)
        else:
            engine.apply(entry, fields, now)
        self.applied += 1
        await self.commit(engine)
        await self._settled()
        return engine

    def entry_time(self, engine: Engine, entry: StreamId, server_ms: int | None) -> int:
        """The time of an entry: that of its id, unless the id leads the server's clock too far to be believed."""
        if server_ms is None or entry.ms <= server_ms + limits.MAX_LEAD_MS:
            self._lead_ms = 0
            return max(engine.now, entry.ms)
        now = max(engine.now, server_ms)
        self._lead_ms = entry.ms - server_ms
        engine.changes.clock.append((entry, now))
        return now

    async def _reload(self, engine: Engine, entry: StreamId, fields: list[bytes], now: int) -> Engine:
        """A rule-base entry has its place in the order: what came before is committed under the old rules."""
        await self.commit(engine)
        await self._settled()
        clock = list(engine.changes.clock)
        order = read_order(engine, entry, fields, now)
        if order is not None:
            successor = await self._patiently(lambda: follow_order(engine, order, entry, fields, self._store))
            if successor is not engine:
                successor.changes.clock = clock
                engine.close()
                self._engine = engine = successor
                _LOG.info("rule base in force", revision=order.revision, replaces=order.replaces)
            else:
                _LOG.error("rule base refused", revision=order.revision, reason=engine.changes.rejected[-1].message)
        engine.finish_entry()
        return engine

    # -- committing ------------------------------------------------------------------
    async def commit(self, engine: Engine) -> None:
        """Send what has been decided; the next batch is decided while it becomes durable."""
        engine.bring_sources_up()
        cursor = engine.cursor
        if engine.changes.is_empty and cursor.entry == self._committed.entry:
            return
        await self._settled()
        self._commits += 1
        commit_id = f"{self._lease.epoch}.{self._commits}"
        change = engine.changes.change_set(self._committed, cursor, commit_id)
        for name, value in change.meta.items():
            scope, _, what = name.partition(":")
            if scope == "paused":
                (self._paused.discard if value is None else self._paused.add)(what)
        self._committed = cursor
        crashpoint(BEFORE_COMMIT)
        self._committing = asyncio.create_task(self._make_durable(change))
        await asyncio.sleep(0)  # let it be sent before the next batch takes the processor

    async def _make_durable(self, change: ChangeSet) -> None:
        result = await self._patiently(lambda: self._commit_once(change))
        match result:
            case Committed() | AlreadyMine():
                crashpoint(AFTER_COMMIT)
                for listener in self._listeners:
                    listener(change)
            case Fenced(by):
                raise LeaseLostError("S151", f"epoch {by} leads now; ours was {self._lease.epoch}", "this one stops")
            case Conflict(actual):
                raise DivergedError(
                    "S203", f"the committed cursor is {actual}, expected {change.expect}", "who else writes lockstep:*?"
                )

    async def _commit_once(self, change: ChangeSet) -> CommitResult:
        try:
            return await self._store.commit(change, self._lease.epoch)
        except StoreError as error:
            if error.code != _OUT_OF_MEMORY:
                raise
            _LOG.error("redis is out of memory; trimming the journal", code=error.code)
            await self._store.trim_journal()
            return await self._store.commit(change, self._lease.epoch)

    async def _settled(self) -> None:
        """Wait until what was sent is durable."""
        task, self._committing = self._committing, None
        if task is not None:
            await task

    # -- waiting -------------------------------------------------------------------
    async def _wait(self, server_ms: int | None) -> None:
        """Until there is an entry, something may be due, a second has passed, or it is time to stop."""
        engine = self._running
        due = engine.next_due() if server_ms is not None else None
        if due is not None and server_ms is not None:
            # Due at D runs once time is past D. The alarm goes by this machine's clock, the decision by the server's.
            self._clock.arm(wall_ms() + max(due + 1 - server_ms, 0))
        self._clock.rang.clear()
        position = engine.position
        waits = {
            asyncio.create_task(self._listen(position)),
            asyncio.create_task(self._clock.rang.wait()),
            asyncio.create_task(self._stop_asked.wait()),
        }
        if due is not None and server_ms is not None and due < server_ms:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
            return
        _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)

    async def _listen(self, position: StreamId) -> None:
        await self._patiently(lambda: self._store.read_journal(position, 1, _SWEEP_MS))

    def _upkeep(self) -> None:
        grounder = self._running.base.grounder
        if grounder is not None and grounder.joiner is not None:
            until = monotonic_ns() + _UPKEEP_NS
            grounder.joiner.maintain(lambda: monotonic_ns() < until)

    # -- recovering -----------------------------------------------------------------
    async def _recover(self) -> None:
        recovered = await rebuild(self._store, self._lease.epoch, self._secret, self._suspend_at)
        self._take(recovered)

    def _take(self, recovered: Recovered) -> None:
        self._engine = recovered.engine
        self._committed = recovered.cursor
        self._paused = set(recovered.paused)
        if recovered.was_unclean:
            _LOG.warning("the last daemon did not stop cleanly", cursor=str(recovered.cursor))
            self._careful = Careful(self._store, self._lease.epoch, recovered.poison, self._follows_server)
        for alarm in recovered.alarms:
            recovered.engine.effects.events.append({"event": "alarm", "message": alarm})
        if recovered.alarms:
            recovered.engine.settle_alarms()

    async def _start_over(self, error: RunawayError) -> None:
        """A chain does not end: decide that step again without the rules that run in circles."""
        _LOG.error("a chain of rules does not end; they are suspended", cause=error.cause, rules=list(error.rules))
        await self._settled()
        self._suspend_at[error.cause] = (*self._suspend_at.get(error.cause, ()), *error.rules)
        await self._patiently(self._recover)
        self._careful = None

    @property
    def _running(self) -> Engine:
        assert self._engine is not None  # noqa: S101 - set by recovery, which comes first
        return self._engine

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat a call for as long as Redis is away."""
        wait_ms, longest_ms = _RETRY_MS
        while True:
            try:
                return await call()
            except StoreError as error:
                if error.retry is Retry.NEVER:
                    raise
                _LOG.warning("redis is away", code=error.code, reason=error.message, retry_in_ms=wait_ms)
                await asyncio.sleep(wait_ms / 1000)
                wait_ms = min(2 * wait_ms, longest_ms)
