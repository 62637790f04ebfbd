"""What generated guards call: time tests that note their flips, and wire forms of values."""

from __future__ import annotations

import json
from typing import Any

from engine import limits

_JSON_MAX = limits.MAX_JSON_INT


def t_lt(now: int, bound: int, flips: list[int]) -> bool:
    """``now < bound``; flips to false at ``bound``."""
    if now < bound:
        flips.append(bound)
        return True
    return False


def t_le(now: int, bound: int, flips: list[int]) -> bool:
    """``now <= bound``; flips to false one millisecond after ``bound``: a deadline is inclusive."""
    if now <= bound:
        flips.append(bound + 1)
        return True
    return False


def t_gt(now: int, bound: int, flips: list[int]) -> bool:
    """``now > bound``; flips to true one millisecond after ``bound``."""
    if now > bound:
        return True
    flips.append(bound + 1)
    return False


def t_ge(now: int, bound: int, flips: list[int]) -> bool:
    """``now >= bound``; flips to true at ``bound``."""
    if now >= bound:
        return True
    flips.append(bound)
    return False


def wire_int(value: int) -> int | str:
    """A JSON integer, or a decimal string where other languages would round it."""
    return value if -_JSON_MAX <= value <= _JSON_MAX else str(value)


def wire_number(value: int) -> str:
    """A decimal string."""
    return str(value)


def wire_json(value: str) -> Any:  # noqa: ANN401 - carried JSON may be anything
    """A carried ``json`` value, as it came."""
    return json.loads(value)
