"""When to leave a receiver alone: a circuit breaker. The time is an argument."""

from __future__ import annotations

from enum import Enum


class BreakerState(Enum):
    """CLOSED: sends pass. OPEN: none does. PROBING: exactly one is under way, and its outcome decides."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


class Breaker:
    """Opens after ``failures`` in a row, lets one probe through after ``cool_down_ms``, closes when that succeeds.

    Only what says that the receiver is unwell counts as a failure: a refusal is an answer from a healthy one.
    """

    def __init__(self, failures: int, cool_down_ms: int) -> None:
        self._limit = failures
        self._cool_down_ms = cool_down_ms
        self._in_a_row = 0
        self._retry_at_ms = 0
        self.state = BreakerState.CLOSED

    def wait_ms(self, now_ms: int) -> int | None:
        """How long until a send may pass; 0: now; None: when the probe under way has come back."""
        if self.state is BreakerState.CLOSED:
            return 0
        if self.state is BreakerState.PROBING:
            return None
        return max(0, self._retry_at_ms - now_ms)

    def begin(self) -> None:
        """A send begins; ``wait_ms`` was 0. When open, it is the probe."""
        if self.state is BreakerState.OPEN:
            self.state = BreakerState.PROBING

    def succeeded(self) -> None:
        """The receiver answered."""
        self._in_a_row = 0
        self.state = BreakerState.CLOSED

    def failed(self, now_ms: int) -> None:
        """The receiver did not answer, or said that it cannot now."""
        self._in_a_row += 1
        if self.state is BreakerState.PROBING or self._in_a_row >= self._limit:
            self.state = BreakerState.OPEN
            self._retry_at_ms = now_ms + self._cool_down_ms

    def gave_up(self) -> None:
        """The send came to nothing and says nothing about the receiver (withheld, cancelled)."""
        if self.state is BreakerState.PROBING:
            self.state = BreakerState.OPEN
