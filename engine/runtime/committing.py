"""Commits on their way: one is made durable while the next batch is decided, never more than one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from engine.errors import LeaseLostError, StoreError
from engine.matching.engine import Engine
from engine.model.journal import AlreadyMine, ChangeSet, CommitResult, Committed, Conflict, Cursor, Fenced
from engine.runtime.crashpoints import AFTER_COMMIT, BEFORE_COMMIT, crashpoint
from engine.runtime.logging import logger
from engine.runtime.patience import patiently

_OUT_OF_MEMORY: Final = "S107"
_LOG = logger("loop")


class CommitStore(Protocol):
    """Where commits go."""

    async def commit(self, change: ChangeSet, epoch: int) -> CommitResult:
        """All or nothing."""
        ...

    async def trim_journal(self) -> int:
        """Let go of what snapshots made unnecessary."""
        ...


class DivergedError(StoreError):
    """The committed cursor is not the one this daemon left: someone else wrote."""


class Commits:
    """Sends what an engine has decided, in order, under one epoch.

    Attributes:
        cursor: as of the last change set sent; durable once ``settled`` has returned.
        due: likewise: the due item decided last, if more of the cursor's instant may be due; else empty.
        count: change sets sent since the start.
    """

    def __init__(self, store: CommitStore, epoch: int, listeners: list[Callable[[ChangeSet], None]]) -> None:
        self._store = store
        self._epoch = epoch
        self._listeners = listeners
        self._under_way: asyncio.Task[None] | None = None
        self.cursor = Cursor()
        self.due = ""
        self.count = 0

    async def send(self, engine: Engine) -> None:
        """Send what has been decided, once what was sent before is durable.

        Time that passed without an entry or a change is not worth a commit: recovery finds it again.

        Raises:
            LeaseLostError: another daemon leads.
            DivergedError: someone else wrote.
            StoreError: one that waiting does not help.
        """
        engine.bring_sources_up()
        cursor = engine.cursor
        if engine.changes.is_empty and cursor.entry == self.cursor.entry:
            return
        await self.settled()
        self.count += 1
        if engine.stopped_at != self.due:
            self.due = engine.stopped_at
            engine.changes.meta["due"] = self.due or None
        # No other process has this epoch, so no other commit has this id.
        change = engine.changes.change_set(self.cursor, cursor, f"{self._epoch}.{self.count}")
        self.cursor = cursor
        crashpoint(BEFORE_COMMIT)
        self._under_way = asyncio.create_task(self._make_durable(change))
        await asyncio.sleep(0)  # let it be sent before the next batch takes the processor

    def on_landing(self, wake: Callable[[], None]) -> None:
        """Be woken when what is under way is durable or has failed."""
        if self._under_way is not None:
            self._under_way.add_done_callback(lambda _: wake())

    @property
    def is_under_way(self) -> bool:
        """Whether to send would be to wait."""
        return self._under_way is not None and not self._under_way.done()

    @property
    def has_landed(self) -> bool:
        """Whether what was sent last has ended, well or not; ``settled`` then does not wait."""
        return self._under_way is not None and self._under_way.done()

    async def settled(self) -> None:
        """Wait until what was sent is durable."""
        task, self._under_way = self._under_way, None
        if task is not None:
            await task

    async def _make_durable(self, change: ChangeSet) -> None:
        result = await patiently(lambda: self._commit_once(change))
        match result:
            case Committed() | AlreadyMine():
                crashpoint(AFTER_COMMIT)
                for listener in self._listeners:
                    listener(change)
            case Fenced(by):
                raise LeaseLostError("S151", f"epoch {by} leads now; ours was {self._epoch}", "this one stops")
            case Conflict(actual):
                raise DivergedError(
                    "S203",
                    f"the committed cursor is {actual}, expected {change.expect}",
                    "did Redis lose writes (appendfsync), or does someone else write lockstep:* keys?",
                )

    async def _commit_once(self, change: ChangeSet) -> CommitResult:
        try:
            return await self._store.commit(change, self._epoch)
        except StoreError as error:
            if error.code != _OUT_OF_MEMORY:
                raise
            _LOG.error("redis is out of memory; trimming the journal", code=error.code)
            await self._store.trim_journal()
            return await self._store.commit(change, self._epoch)
