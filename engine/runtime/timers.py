"""The only importer of APScheduler: its cron on a wall clock, and the alarm clock that wakes the loop.

The cron trigger is given the previous time and now, so it never looks at a clock; the scheduler holds wake-up calls in
memory and nothing else: what is due is derived from committed state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)
#: Instants that a date of four digits can hold, less the largest offset either way: none is computed beyond.
LAST_MS: Final = (datetime(9998, 12, 31, tzinfo=UTC) - EPOCH) // _MS
#: No regular call comes more often: each wakes the event loop.
_SHORTEST_PACE_MS: Final = 50


class WallCron:
    """A cron expression on a wall clock that knows no seasons; its times carry UTC, whatever the place."""

    def __init__(self, expression: str) -> None:
        """Takes it.

        Args:
            expression: five fields, weekdays by name; checked before.
        """
        self._trigger = CronTrigger.from_crontab(expression.lower(), timezone=UTC)

    def next_after(self, wall: datetime) -> datetime | None:
        """The first time strictly after ``wall``; None: none before the year 10000."""
        try:
            found: datetime | None = self._trigger.get_next_fire_time(wall, wall + _MICROSECOND)
        except (OverflowError, ValueError):  # ran past the year 9999
            return None
        return found


class _Calls(AsyncIOExecutor):  # type: ignore[misc]  # the library has no types
    """Runs the calls. Each is over in a moment; one that a stop cuts off would be logged as an error of its own."""

    def shutdown(self, wait: bool = True) -> None:
        """What has begun comes to its end."""


class AlarmClock:
    """Wakes the loop: one alarm that is re-armed to the head of the deadlines, and calls at fixed intervals.

    Nothing is kept here: a lost or late call loses nothing, for the loop derives what is due from its own state and is
    woken every second anyway. Methods are called on the event loop's thread.

    Attributes:
        rang: set when the alarm went off; the loop clears it.
    """

    _ALARM: Final = "alarm"

    def __init__(self) -> None:
        self.rang = asyncio.Event()
        self._armed_ms: int | None = None
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            jobstores={"default": MemoryJobStore()},
            executors={"default": _Calls()},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def start(self) -> None:
        """Begin to run; needs a running event loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """Forget all alarms and calls."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        self._armed_ms = None

    @property
    def armed_ms(self) -> int | None:
        """For when the alarm is set, unix ms of this machine's clock; None: it is not."""
        return self._armed_ms

    def arm(self, at_wall_ms: int | None) -> None:
        """Set the alarm to one instant instead of the one before; in the past: at once; None: not at all.

        Args:
            at_wall_ms: unix ms by this machine's clock.
        """
        if at_wall_ms == self._armed_ms:
            return
        self._armed_ms = at_wall_ms
        if at_wall_ms is not None:
            trigger = DateTrigger(EPOCH + min(at_wall_ms, LAST_MS) * _MS, timezone=UTC)
            self._scheduler.add_job(self._ring, trigger, [at_wall_ms], id=self._ALARM, replace_existing=True)
        elif self._scheduler.get_job(self._ALARM) is not None:
            self._scheduler.remove_job(self._ALARM)

    def every(self, name: str, every_ms: int, wake: Callable[[], None]) -> None:
        """Call ``wake`` on the event loop each ``every_ms``, from now on.

        Args:
            name: one call per name; the same name again replaces it.
            every_ms: at least 50.
            wake: sets an event and does nothing else.

        Raises:
            ValueError: more often than that.
        """
        if every_ms < _SHORTEST_PACE_MS:
            raise ValueError(f"each {every_ms} ms; at least {_SHORTEST_PACE_MS}")

        async def call() -> None:  # a coroutine, for the scheduler runs plain functions on other threads
            wake()

        trigger = IntervalTrigger(seconds=every_ms / 1000, timezone=UTC)
        self._scheduler.add_job(call, trigger, id=f"every:{name}", replace_existing=True)

    async def _ring(self, armed_ms: int) -> None:
        if self._armed_ms == armed_ms:  # else it was set anew while this was on its way
            self._armed_ms = None
        self.rang.set()
