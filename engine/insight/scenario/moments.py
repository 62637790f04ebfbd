"""Instants of a test: written and shown as durations from its start."""

from __future__ import annotations

import re
from typing import Final

from engine.errors import Problem
from engine.model.kinds import Type
from engine.model.rules import Span
from engine.packs.expressions import duration, literal

_RELATIVE: Final = re.compile(r"(?P<sign>[+-]?)(?P<length>[0-9]+\s*[a-zA-Z]+)", re.ASCII)
_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000))
#: Beyond so many seconds, seconds alone are hard to read.
_LONG_MS: Final = 10_000_000


def moment(text: str, start_ms: int, span: Span, problems: list[Problem]) -> int | None:
    """An instant: ``1800s`` from the start (``-10s`` before it), else as any timestamp.

    Args:
        text: as written.
        start_ms: the test's 0s, unix ms.
        span: where it stands.
        problems: takes what is wrong.

    Returns:
        Unix ms, or None after a problem.
    """
    found = _RELATIVE.fullmatch(text.strip())
    if found is None:
        value = literal(text, Type("timestamp"), span, problems)
        return value if isinstance(value, int) else None
    length = duration(found["length"], span, problems)
    if length is None:
        return None
    return start_ms - length if found["sign"] == "-" else start_ms + length


def after(ms: int) -> str:
    """Milliseconds from the start as a test spells them: ``216s``, ``250ms``, ``3h``."""
    if ms < 0:
        return f"-{after(-ms)}"
    if ms % 1_000:
        return f"{ms}ms"
    for unit, size in _UNITS:
        if ms >= _LONG_MS and ms % size == 0:
            return f"{ms // size}{unit}"
    return f"{ms // 1_000}s"
