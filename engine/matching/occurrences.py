"""Follows the schedules of a rule base: each occurrence is a due item that renews the ``schedule`` fact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from engine import limits
from engine.matching.changes import Changes
from engine.matching.context import Window
from engine.matching.timeline import OCCURRENCE, DueItem, Timeline
from engine.model.rules import Schedule

if TYPE_CHECKING:
    from engine.matching.effects import Effects
    from engine.matching.surroundings import Recalled


class Times(Window, Protocol):
    """When a schedule occurs; pure functions of the instant asked about. A window occurs when it opens."""

    def next_after(self, ms: int) -> int | None:
        """The first occurrence strictly after ``ms``."""
        ...

    def last_at_or_before(self, ms: int) -> int | None:
        """The last occurrence at or before ``ms``."""
        ...


class _Followed:
    """A schedule and the instant up to which it has been followed."""

    __slots__ = ("at", "schedule", "times")

    def __init__(self, schedule: Schedule, times: Times, at: int) -> None:
        self.schedule = schedule
        self.times = times
        self.at = at

    @property
    def is_window(self) -> bool:
        return self.schedule.open is not None


class Occurrences:
    """All schedules of the rule base in force."""

    def __init__(self, effects: Effects, timeline: Timeline, changes: Changes, recalled: Recalled | None) -> None:
        self.effects = effects
        self.timeline = timeline
        self.changes = changes
        self.recalled = recalled
        self.all: dict[str, _Followed] = {}

    def start(self, schedules: list[tuple[Schedule, Times]], followed: dict[str, int], now: int) -> None:
        """Follow each schedule from where it was left, or from now."""
        for schedule, times in schedules:
            is_new = schedule.name not in followed
            state = _Followed(schedule, times, followed.get(schedule.name, now))
            self.all[schedule.name] = state
            if state.is_window:
                self.effects.windows.add(schedule.local_name)
                if is_new:
                    self._show(state, times.last_at_or_before(now) or 0, now)
            if is_new:
                self.changes.schedule_changed(schedule.name, state.at)
            self._arm(state)

    def _next(self, state: _Followed, after: int) -> int | None:
        return state.times.next_change(after) if state.is_window else state.times.next_after(after)

    def _arm(self, state: _Followed) -> None:
        at = self._next(state, state.at)
        if at is not None:
            self.timeline.push(at, OCCURRENCE, state.schedule.name, "", state)

    def due(self, item: DueItem, limit: int) -> bool:
        """An occurrence; False if nobody follows it any more.

        Args:
            item: the due item.
            limit: the time that is being reached: what lies more than a minute behind it was missed.
        """
        state = item.payload
        assert isinstance(state, _Followed)  # noqa: S101 - only these are pushed under this rank
        if self.all.get(state.schedule.name) is not state:
            return False
        passed_over = self._passed_over(state, item.at, limit)
        state.at = item.at if passed_over is None else passed_over
        self.changes.schedule_changed(state.schedule.name, state.at)
        if passed_over is not None:
            # In how large a step time came here, the journal does not tell; so this does, also to who decides again.
            self.effects.events.append(
                {"event": "missed", "schedule": state.schedule.name, "at": item.at, "through": passed_over}
            )
        elif state.is_window:
            self._show(state, state.times.last_at_or_before(item.at) or 0, item.at)
        else:
            self._show(state, item.at, item.at)
        self._arm(state)
        return True

    def _passed_over(self, state: _Followed, at: int, limit: int) -> int | None:
        """Up to where occurrences are missed, from the one at ``at``; None: it is not missed."""
        if self.recalled is not None:
            return self.recalled.passed_over(state.schedule.name, at)
        if limit - at <= limits.MISSED_AFTER_MS or state.is_window or state.schedule.missed == "all":
            return None
        last_missed = state.times.last_at_or_before(limit - limits.MISSED_AFTER_MS - 1)
        if state.schedule.missed == "skip":
            return at if last_missed is None else last_missed
        return last_missed - 1 if last_missed is not None and last_missed > at else None

    def _show(self, state: _Followed, at: int, now: int) -> None:
        """Each occurrence is another match, so the fact is made anew; a closing window only changes it."""
        memory = self.effects.base.memories["schedule"]
        name = state.schedule.local_name
        fact = memory.facts.get((name,))
        is_open = state.times.is_open(now) if state.is_window else False
        if fact is not None and fact.values[memory.kind.positions["at"]] != at:
            self.effects.base.remove(fact)
        self.effects.put_engine_fact("schedule", {"name": name, "at": at, "open": is_open}, now)
