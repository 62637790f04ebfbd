"""How fast commands may leave: a token bucket in exact integers. The time is an argument."""

from __future__ import annotations


class TokenBucket:
    """``count`` tokens each ``per_ms``, at most ``burst`` saved up. Starts full.

    The level is kept in parts of a token, ``per_ms`` of them to one, so that every millisecond adds exactly ``count``
    parts and nothing is ever rounded.
    """

    def __init__(self, count: int, per_ms: int, burst: int, now_ms: int) -> None:
        self._count = count
        self._per_ms = per_ms
        self._full = burst * per_ms
        self._level = self._full
        self._at_ms = now_ms

    def wait_ms(self, now_ms: int) -> int:
        """How long until a token is there; 0: now."""
        self._fill(now_ms)
        missing = self._per_ms - self._level
        return 0 if missing <= 0 else -(-missing // self._count)

    def take(self, now_ms: int) -> None:
        """Uses one token.

        Raises:
            ValueError: there is none; ask ``wait_ms`` first.
        """
        self._fill(now_ms)
        if self._level < self._per_ms:
            raise ValueError("the bucket is empty")
        self._level -= self._per_ms

    def _fill(self, now_ms: int) -> None:
        passed = max(0, now_ms - self._at_ms)
        self._level = min(self._full, self._level + passed * self._count)
        self._at_ms = max(self._at_ms, now_ms)
