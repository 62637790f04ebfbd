"""Schedules: when they occur, and whether a window is open. See *Schedules* in docs/language.md."""

from __future__ import annotations

from collections.abc import Callable

from engine.limits import MISSED_AFTER_MS
from engine.model.rules import Cron, Schedule

#: The first instant strictly after a given one at which a cron expression fires, or None.
NextFire = Callable[[Cron, int], int | None]


def no_cron(cron: Cron, after_ms: int) -> int | None:
    """Refuse: the run was given no way to tell."""
    raise AssertionError(f"no way to tell when {cron} fires after {after_ms}")


def next_occurrence(schedule: Schedule, after_ms: int, fire: NextFire) -> int | None:
    """The first occurrence strictly after an instant; a window occurs when it opens and when it closes."""
    if schedule.every_ms is not None:
        passed = (after_ms - schedule.from_ms) // schedule.every_ms
        return schedule.from_ms + max(passed + 1, 0) * schedule.every_ms
    if schedule.cron is not None:
        return fire(schedule.cron, after_ms)
    return window_at(schedule, after_ms, fire)[1]


def occurrences(schedule: Schedule, after_ms: int, to_ms: int, fire: NextFire) -> list[int]:
    """The occurrences that run when time passes from just after one instant to just before another in one step.

    Those that time passes by more than a minute are missed: the latest, all or none of them run. A window is a state,
    so none of its changes is missed.
    """
    all_of_them = []
    at = next_occurrence(schedule, after_ms, fire)
    while at is not None and at < to_ms:
        all_of_them.append(at)
        at = next_occurrence(schedule, at, fire)
    if schedule.open is not None:
        return all_of_them
    missed = [at for at in all_of_them if to_ms - at > MISSED_AFTER_MS]
    kept = {"all": missed, "latest": missed[-1:], "skip": []}[schedule.missed]
    return kept + all_of_them[len(missed) :]


def last_opening(schedule: Schedule, now: int, fire: NextFire) -> int:
    """When a window last opened, at ``now`` at the latest; 0 if it never did."""
    at, last, is_open = -1, 0, window_at(schedule, -1, fire)[0]
    while (change := window_at(schedule, at, fire)[1]) is not None and change <= now:
        at, is_open = change, not is_open
        last = at if is_open else last
    return last


def window_at(schedule: Schedule, now: int, fire: NextFire) -> tuple[bool, int | None]:
    """Whether a window is open, and when that changes: open while its next close comes before its next open."""
    assert schedule.open is not None
    assert schedule.close is not None
    opens, closes = fire(schedule.open, now), fire(schedule.close, now)
    is_open = closes is not None and (opens is None or closes < opens)
    return is_open, closes if is_open else opens
