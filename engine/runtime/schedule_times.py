"""When schedules occur, as pure functions of the instant asked about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from engine.model.cron import validate_cron
from engine.model.rules import Cron, Schedule
from engine.runtime.timers import EPOCH, LAST_MS, WallCron

_MS: Final = timedelta(milliseconds=1)
#: A change of offset within this span may have left local times out; the largest leap ever made was 24 h (Apia, 2011).
_LEAP_SPAN: Final = timedelta(hours=26)
_MINUTE_MS: Final = 60_000
#: A cron may be silent for eight years (29 February, around a century that is no leap year); nothing reaches further.
_LONGEST_SILENCE_MS: Final = 9 * 366 * 86_400_000
#: Openings and closings looked at before a window is taken never to change (open and close are the same cron).
_MAX_WINDOW_TRIES: Final = 64


class _Times(Protocol):
    """A set of instants."""

    def next_after(self, ms: int) -> int | None:
        """The first strictly after ``ms``."""
        ...

    def last_at_or_before(self, ms: int) -> int | None:
        """The last at or before ``ms``."""
        ...


class _IntervalTimes:
    """``start + k * every`` for k = 0, 1, 2 and so on."""

    def __init__(self, every_ms: int, start_ms: int) -> None:
        self._every = every_ms
        self._start = start_ms

    def next_after(self, ms: int) -> int | None:
        if ms < self._start:
            return self._start
        return ms + self._every - (ms - self._start) % self._every

    def last_at_or_before(self, ms: int) -> int | None:
        if ms < self._start:
            return None
        return ms - (ms - self._start) % self._every


class _CronTimes:
    """Instants of a cron expression in a zone.

    The trigger runs on the wall clock as if it knew no seasons (its zone is UTC); each local time is then placed in the
    real zone here. So a local time that occurs twice fires once, the first time, and one that does not exist fires
    once, shifted by the leap. Left to itself with the zone, the trigger fires a doubled time twice, and a shifted one
    twice when the time it is shifted to is due as well.
    """

    def __init__(self, cron: Cron) -> None:
        problem = validate_cron(cron.expression, cron.timezone)
        if problem:
            raise ValueError(problem)
        self._wall = WallCron(cron.expression)
        self._zone = ZoneInfo(cron.timezone)
        self._held: tuple[int, int] = (1, 0)  # next_after is the second for all from the first up to it

    def next_after(self, ms: int) -> int | None:
        start, found = self._held
        if start <= ms < found:
            return found
        if ms >= LAST_MS:
            return None
        computed = self._compute_next(max(ms, -1))
        if computed is not None:
            self._held = (ms, computed)
        return computed

    def _compute_next(self, ms: int) -> int | None:
        local = (EPOCH + ms * _MS).astimezone(self._zone)
        leap = self._offset(local) - self._offset(local.astimezone(UTC) - _LEAP_SPAN)
        wall = local.replace(tzinfo=UTC, fold=0)
        wall = wall.replace(microsecond=0) - max(leap, timedelta(0))
        best: int | None = None
        while True:
            next_wall = self._wall.next_after(wall)
            if next_wall is None:
                return best
            wall = next_wall
            placed, exists = self._place(wall)
            if placed > ms and (best is None or placed < best):
                best = placed
            if best is not None and exists and placed > ms:
                return best  # whatever comes later on the wall comes later in time

    def _offset(self, instant: datetime) -> timedelta:
        offset = instant.astimezone(self._zone).utcoffset()
        return offset if offset is not None else timedelta(0)

    def _place(self, wall: datetime) -> tuple[int, bool]:
        """The instant of a local time, the first if it occurs twice; and whether it exists at all."""
        instant = wall.replace(tzinfo=self._zone, fold=0).astimezone(UTC)
        exists = instant.astimezone(self._zone).replace(tzinfo=UTC, fold=0) == wall
        return (instant - EPOCH) // _MS, exists

    def last_at_or_before(self, ms: int) -> int | None:
        """By asking forwards from ever further back, then halving: the trigger cannot run backwards."""
        ms = min(ms, LAST_MS)
        span = _MINUTE_MS
        while True:
            low = max(ms - span, -1)
            found = self.next_after(low)
            if found is not None and found <= ms:
                break
            if low < 0 or span > _LONGEST_SILENCE_MS:
                return None
            span *= 4
        high = ms  # next_after(high) > ms
        while found < high:
            middle = (found + high) // 2
            later = self.next_after(middle)
            if later is not None and later <= ms:
                found = later
            else:
                high = middle
        return found


class _Window:
    """Open at T if the next close after T comes before the next open after T; so ``[open, close)``."""

    def __init__(self, opens: _Times, closes: _Times) -> None:
        self._opens = opens
        self._closes = closes

    def is_open(self, ms: int) -> bool:
        close = self._closes.next_after(ms)
        if close is None:
            return False
        opening = self._opens.next_after(ms)
        return opening is None or close < opening

    def next_change(self, ms: int) -> int | None:
        """When it opens or closes next, strictly after ``ms``. Of several closes in a row the last one closes."""
        if self.is_open(ms):
            opening = self._opens.next_after(ms)
            return None if opening is None else self._closes.last_at_or_before(opening - 1)
        at = ms
        for _ in range(_MAX_WINDOW_TRIES):
            close = self._closes.next_after(at)
            if close is None:
                return None
            opening = self._opens.last_at_or_before(close - 1)
            if opening is not None and opening > at:
                return opening
            if self.is_open(close):
                return close
            at = close
        return None

    def next_after(self, ms: int) -> int | None:
        """The next opening."""
        at = self.next_change(ms)
        if at is None or self.is_open(at):
            return at
        return self.next_change(at)

    def last_at_or_before(self, ms: int) -> int | None:
        """The last opening."""
        at: int | None = ms
        for _ in range(_MAX_WINDOW_TRIES):
            if at is None:
                return None
            opening = self._opens.last_at_or_before(at)
            if opening is None:
                return None
            if self.is_open(opening):
                return opening
            close = self._closes.last_at_or_before(opening)
            at = None if close is None else close - 1
        return None


def _times_of(schedule: Schedule) -> _Times:
    if schedule.every_ms is not None:
        return _IntervalTimes(schedule.every_ms, schedule.from_ms)
    if schedule.cron is not None:
        return _CronTimes(schedule.cron)
    if schedule.open is None or schedule.close is None:
        raise ValueError(f"schedule {schedule.name} names no times")
    return _Window(_CronTimes(schedule.open), _CronTimes(schedule.close))


class ScheduleTimes:
    """When a schedule occurs. Pure: the answer depends on the schedule and the instant alone.

    Answers are kept while they hold, so asking at every step costs a comparison.

    Args:
        schedule: exactly one of ``every_ms``, ``cron``, (``open``, ``close``) is given.

    Raises:
        ValueError: a cron expression or zone is not valid.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._times = _times_of(schedule)
        self._window = self._times if isinstance(self._times, _Window) else None
        # Each: (from, until, answer): the answer holds for from <= ms < until.
        self._next: tuple[int, int, int | None] = (1, 0, None)
        self._last: tuple[int, int, int | None] = (1, 0, None)
        self._open: tuple[int, int, bool] = (1, 0, False)

    def next_after(self, ms: int) -> int | None:
        """The first occurrence strictly after ``ms`` (a window occurs when it opens); None: never again."""
        start, until, answer = self._next
        if start <= ms < until:
            return answer
        answer = self._times.next_after(ms)
        self._next = (ms, LAST_MS if answer is None else answer, answer)
        return answer

    def last_at_or_before(self, ms: int) -> int | None:
        """The last occurrence at or before ``ms``; None: there was none since the epoch."""
        start, until, answer = self._last
        if start <= ms < until:
            return answer
        answer = self._times.last_at_or_before(ms)
        following = self.next_after(ms)
        self._last = (ms if answer is None else answer, LAST_MS if following is None else following, answer)
        return answer

    def is_open(self, ms: int) -> bool:
        """Whether the window is open at ``ms``.

        Raises:
            ValueError: the schedule is not a window.
        """
        start, until, answer = self._open
        return answer if start <= ms < until else self._look(ms)[2]

    def next_change(self, ms: int) -> int | None:
        """When the window opens or closes next, strictly after ``ms``; None: never again.

        Raises:
            ValueError: the schedule is not a window.
        """
        start, until, _ = self._open
        if not start <= ms < until:
            until = self._look(ms)[1]
        return until if until < LAST_MS else None

    def _look(self, ms: int) -> tuple[int, int, bool]:
        if self._window is None:
            raise ValueError(f"schedule {self.schedule.name} is not a window")
        change = self._window.next_change(ms)
        self._open = (ms, LAST_MS if change is None else change, self._window.is_open(ms))
        return self._open
