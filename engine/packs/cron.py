"""Five-field cron texts, checked so that no library can read them otherwise than the author."""

from __future__ import annotations

import re
from typing import Final
from zoneinfo import ZoneInfo

from engine.errors import Problem
from engine.model.rules import Cron
from engine.packs.complaints import complain, did_you_mean, quoted
from engine.packs.nodes import ScalarNode

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
#: In the order in which ranges of them run.
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LAST_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
#: Field, lowest and highest number.
_FIELDS: Final = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12))
_PART = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?")


class _BadCronError(Exception):
    """What is wrong, and what to write instead."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


def read_cron(node: ScalarNode, timezone: str, problems: list[Problem]) -> Cron | None:
    """``cron 0 8 * * mon-fri``; the word ``cron`` may be left out."""
    words = node.text.lower().split()
    if words[:1] == ["cron"]:
        words = words[1:]
    try:
        _check(words)
    except _BadCronError as error:
        complain(problems, node.span, error.code, error.message, error.hint)
        return None
    return Cron(" ".join(words), timezone)


def read_timezone(node: ScalarNode, problems: list[Problem]) -> str | None:
    """An IANA zone that exists."""
    try:
        ZoneInfo(node.text)
    except (KeyError, ValueError, OSError):
        hint = "write an IANA name, as in 'Europe/Zurich' or 'UTC'"
        complain(problems, node.span, "E502", f"no timezone {quoted(node.text)}", hint)
        return None
    return node.text


def _check(words: list[str]) -> None:
    if len(words) != 5:
        hint = "write five fields: minute, hour, day of month, month, weekday, as in '0 8 * * mon-fri'"
        raise _BadCronError("E501", f"a cron text of {len(words)} field(s)", hint)
    chosen = [_numbers(word, *field) for word, field in zip(words, _FIELDS, strict=False)]
    _check_weekdays(words[4])
    if words[2] != "*" and words[4] != "*":
        hint = "cron programs disagree on whether both or one must fit; use two schedules, or only one of them"
        raise _BadCronError("E504", "a day of month together with a weekday", hint)
    if all(min(chosen[2]) > _LAST_DAYS[month - 1] for month in chosen[3]):
        raise _BadCronError("E505", "this day never comes", "no such month has that many days")


def _numbers(word: str, name: str, low: int, high: int) -> set[int]:
    """The numbers a field chooses."""
    chosen: set[int] = set()
    for part in word.split(","):
        found = _PART.fullmatch(_month_numbers(part) if name == "month" else part)
        if found is None:
            hint = f"write *, numbers from {low} to {high}, ranges (8-18), lists (0,30) and steps (*/5)"
            raise _BadCronError("E501", f"{quoted(part)} is no {name}", hint)
        first, last, step = (int(each) if each else None for each in found.groups())
        if step is not None and first is not None and last is None:
            raise _BadCronError(
                "E501", f"{quoted(part)}: a step from where to where?", f"write '{first}-{high}/{step}'"
            )
        start = low if first is None else first
        end = last if last is not None else high if first is None else first
        if not low <= start <= high or not low <= end <= high or start > end:
            raise _BadCronError("E501", f"{quoted(part)} is no {name}", f"from {low} to {high}, the lower first")
        if step is not None and not 1 <= step <= max(end - start, 1):
            raise _BadCronError("E501", f"{quoted(part)}: the step is out of range", f"from 1 to {end - start}")
        chosen.update(range(start, end + 1, step or 1))
    return chosen


def _month_numbers(part: str) -> str:
    return "-".join(str(_MONTHS.index(each) + 1) if each in _MONTHS else each for each in part.split("-"))


def _check_weekdays(word: str) -> None:
    if word == "*":
        return
    if any(letter.isdigit() for letter in word):
        hint = "some programs count from Sunday, others from Monday; write mon, tue, … as in 'mon-fri'"
        raise _BadCronError("E503", f"{quoted(word)}: weekdays in digits", hint)
    for part in word.split(","):
        ends = part.split("-")
        unknown = next((each for each in ends if each not in _WEEKDAYS), None)
        if unknown is not None or len(ends) > 2:
            hint = did_you_mean(unknown or part, _WEEKDAYS, "weekdays")
            raise _BadCronError("E501", f"{quoted(unknown or part)} is no weekday", hint)
        if len(ends) == 2 and _WEEKDAYS.index(ends[0]) > _WEEKDAYS.index(ends[1]):
            first, last = _WEEKDAYS.index(ends[0]), _WEEKDAYS.index(ends[1])
            days = ",".join(_WEEKDAYS[first:] + _WEEKDAYS[: last + 1])
            raise _BadCronError("E501", f"{quoted(part)} runs past Sunday", f"write '{days}'")
