"""Schedules: when they occur, and whether a window is open. See LANGUAGE on schedules."""

from __future__ import annotations

from collections.abc import Callable

from engine.limits import MISSED_AFTER_MS
from engine.model.rules import Cron, Schedule

#: The first instant strictly after a given one at which a cron expression fires, or None.
NextFire = Callable[[Cron, int], int | None]


def no_cron(cron: Cron, after_ms: int) -> int | None:
    """Refuse: the run was given no way to tell."""
    raise AssertionError(f"no way to tell when {cron} fires after {after_ms}")


def next_occurrence(schedule: Schedule, after_ms: int, fire: NextFire) -> tuple[int, bool] | None:
    """The first occurrence strictly after an instant, and whether it opens a window."""
    if schedule.every_ms is not None:
        passed = (after_ms - schedule.from_ms) // schedule.every_ms
        return schedule.from_ms + max(passed + 1, 0) * schedule.every_ms, False
    if schedule.cron is not None:
        at = fire(schedule.cron, after_ms)
        return None if at is None else (at, False)
    assert schedule.open is not None
    assert schedule.close is not None
    opens, closes = fire(schedule.open, after_ms), fire(schedule.close, after_ms)
    if opens is None and closes is None:
        return None
    if closes is None or (opens is not None and opens < closes):
        assert opens is not None
        return opens, True
    return closes, False


def occurrences(schedule: Schedule, reached: int, to_ms: int, fire: NextFire) -> list[tuple[int, bool]]:
    """The occurrences that run when time passes from ``reached`` to ``to_ms`` in one step.

    Those that time passes by more than a minute are missed: the latest, all or none of them run.
    """
    all_of_them = []
    found = next_occurrence(schedule, reached - 1, fire)
    while found is not None and found[0] < to_ms:
        all_of_them.append(found)
        found = next_occurrence(schedule, found[0], fire)
    missed = [o for o in all_of_them if to_ms - o[0] > MISSED_AFTER_MS]
    kept = {"all": missed, "latest": missed[-1:], "skip": []}[schedule.missed]
    return kept + all_of_them[len(missed) :]


def window_at(schedule: Schedule, now: int, fire: NextFire) -> tuple[bool, int | None]:
    """Whether a window is open, and when that changes: open while its next close comes before its next open."""
    assert schedule.open is not None
    assert schedule.close is not None
    opens, closes = fire(schedule.open, now), fire(schedule.close, now)
    is_open = closes is not None and (opens is None or closes < opens)
    return is_open, closes if is_open else opens
