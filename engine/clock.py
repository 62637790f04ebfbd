"""The only module that asks for the time. Everything else takes it as an argument."""

from __future__ import annotations

import time


def wall_ms() -> int:
    """Unix time of this machine in milliseconds; for logs and client-side stamps, never for decisions."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Milliseconds of a clock that never goes back; for lease renewal and back-off, never for decisions."""
    return time.monotonic_ns() // 1_000_000


def monotonic_ns() -> int:
    """Nanoseconds of a clock that never goes back; for measurements."""
    return time.monotonic_ns()
