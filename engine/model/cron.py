"""Cron expressions of packs: what may be written, without the library that computes the times.

Five fields: minute, hour, day of month, month, weekday. Stricter than most crons: weekdays are names, because libraries
disagree on whether 0 and 1 mean Sunday or Monday; and a day of month together with a weekday is refused, because some
crons read it as "or" and others as "and".
"""

from __future__ import annotations

import re
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

#: Longest expression that is read.
MAX_CRON_CHARS: Final = 256

_FIELDS: Final = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12))
_PART: Final = re.compile(r"(?:\*|(?P<first>[0-9]{1,2})(?:-(?P<last>[0-9]{1,2}))?)(?:/(?P<step>[0-9]{1,2}))?")
_NAMES: Final = re.compile(r"(?P<first>[a-z]+)(?:-(?P<last>[a-z]+))?")
_LONGEST_MONTH: Final = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_SHAPE: Final = "minute hour day-of-month month weekday, e.g. 'cron 0 8 * * mon-fri'"


class CronError(ValueError):
    """What is wrong with an expression, in words for its author."""


def validate_cron(expression: str, timezone: str) -> str | None:
    """What is wrong with a cron expression and its zone, and what to write instead; None: nothing.

    Args:
        expression: five fields, without the leading word ``cron``.
        timezone: IANA name, e.g. ``Europe/Zurich``.
    """
    try:
        _check_expression(expression)
        _check_zone(timezone)
    except CronError as error:
        return str(error)
    return None


def _check_expression(expression: str) -> None:
    words = expression.lower().split()
    if len(expression) > MAX_CRON_CHARS or len(words) != 5:
        raise CronError(f"a cron expression has five fields, this has {len(words)}: {_SHAPE}")
    allowed = [_numbers(word, *field) for word, field in zip(words, _FIELDS, strict=False)]
    _check_weekdays(words[4])
    if words[2] != "*" and words[4] != "*":
        raise CronError(
            f"day of month '{words[2]}' together with weekday '{words[4]}' is read differently by different crons; "
            "write * for one of them, or two schedules"
        )
    if not any(day <= _LONGEST_MONTH.get(month, 31) for day in allowed[2] for month in allowed[3]):
        raise CronError(f"day '{words[2]}' never occurs in month '{words[3]}'")


def _numbers(word: str, name: str, low: int, high: int) -> set[int]:
    """The values a field allows."""
    allowed: set[int] = set()
    for part in word.split(","):
        if name == "month" and (named := _NAMES.fullmatch(part)):
            allowed |= _named_range(part, named, MONTHS, "month", 1)
            continue
        match = _PART.fullmatch(part)
        if not match:
            raise CronError(f"{name} '{part}' is not *, a number from {low} to {high}, a range a-b or a step */n")
        step = int(match["step"] or 1)
        first = int(match["first"] or low)
        last = int(match["last"] or (first if match["first"] and not match["step"] else high))
        if first < low or last > high:
            raise CronError(f"{name} '{part}' is not within {low} to {high}")
        if first > last:
            raise CronError(f"{name} '{part}' runs backwards; write '{first}-{high},{low}-{last}'")
        if match["step"] and not 1 <= step <= last - first:
            raise CronError(f"{name} '{part}' has a step that reaches nothing; leave the step out")
        allowed.update(range(first, last + 1, step))
    return allowed


def _named_range(part: str, match: re.Match[str], names: tuple[str, ...], what: str, base: int) -> set[int]:
    for word in (match["first"], match["last"]):
        if word is not None and word not in names:
            raise CronError(f"{what} '{word}' is not one of {', '.join(names)}")
    first, last = names.index(match["first"]), names.index(match["last"] or match["first"])
    if first > last:
        raise CronError(f"{what} '{part}' runs backwards; write '{names[first]}-{names[-1]},{names[0]}-{names[last]}'")
    return set(range(first + base, last + base + 1))


def _check_weekdays(word: str) -> None:
    if word == "*":
        return
    for part in word.split(","):
        if any(c.isdigit() for c in part):
            raise CronError(
                f"weekday '{part}' is a number, which libraries read differently; write names, e.g. mon-fri"
            )
        match = _NAMES.fullmatch(part)
        if not match:
            raise CronError(f"weekday '{part}' is not * or names such as mon-fri or sat,sun")
        _named_range(part, match, WEEKDAYS, "weekday", 0)


def _check_zone(timezone: str) -> None:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise CronError(f"no time zone '{timezone[:80]}'; write an IANA name, e.g. Europe/Zurich or UTC") from None
