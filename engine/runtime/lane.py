"""One connector's waiting commands, and which of them may leave next. No I/O; the time is an argument."""

from __future__ import annotations

import heapq
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from engine.model.journal import StreamId
from engine.runtime.breaker import Breaker
from engine.runtime.limiter import TokenBucket
from engine.runtime.retry import RetryPolicy
from engine.settings import ConnectorSettings

#: Commands of one connector kept in memory; what is beyond is read from the outbox again when there is room.
MAX_WAITING = 10_000
#: Names of commands that have gone, beyond as many as wait, before they are cleared away.
SLACK = 64


@dataclass(slots=True)
class Waiting:
    """A command that waits for its turn, without its arguments: ``take`` brings those.

    Attributes:
        outbox_id: its place in the outbox; the oldest goes first.
        command_id: idempotency key.
        rule: for a pause by rule or plan.
        expires_ms: when it must be given up even if it is held.
        may_have_left: an earlier try's outcome is not known, so it can no longer be called expired or withdrawn.
    """

    outbox_id: StreamId
    command_id: str
    rule: str
    expires_ms: int | None = None
    may_have_left: bool = False


class Lane:
    """Holds what waits for one connector within its limits: order, rate, concurrency, breaker, pause, retries.

    A command is in exactly one place: waiting here, or with whoever got it from ``next`` until ``finished``. The heaps
    may name commands that have gone; ``_waiting`` is the truth.
    """

    def __init__(self, name: str, settings: ConnectorSettings, now_ms: int) -> None:
        self.name = name
        self.settings = settings
        self.breaker = Breaker(settings.breaker.failures, settings.breaker.cool_down_ms)
        self.retry = RetryPolicy(settings.retry.tries, settings.retry.base_ms, settings.retry.cap_ms)
        rate = settings.rate
        self._bucket = None if rate is None else TokenBucket(rate.count, rate.per_ms, rate.burst or rate.count, now_ms)
        self._waiting: dict[str, Waiting] = {}
        self._ready: list[tuple[StreamId, str]] = []
        self._delayed: list[tuple[int, StreamId, str]] = []
        self._held: list[Waiting] = []
        self._held_under: AbstractSet[str] = frozenset()
        self._expiring: list[tuple[int, str]] = []
        self.in_flight = 0
        #: The outbox is to be read again after this id for commands that found no room here.
        self.skipped_after: StreamId | None = None

    def __len__(self) -> int:
        """Commands that wait."""
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Half of it is free: worth reading the outbox again for what was skipped."""
        return len(self._waiting) * 2 <= MAX_WAITING

    def offer(self, item: Waiting, read_after: StreamId) -> bool:
        """Takes one more in, or remembers that the outbox must be read again after ``read_after``.

        Once something was skipped, everything behind it is too, so that order and completeness are kept.
        """
        if self.skipped_after is not None or len(self._waiting) >= MAX_WAITING:
            if self.skipped_after is None:
                self.skipped_after = read_after
            return False
        self._admit(item)
        heapq.heappush(self._ready, (item.outbox_id, item.command_id))
        return True

    def put_back(self, item: Waiting, due_ms: int) -> None:
        """Waits again, until ``due_ms`` at least. Never refused: it had a place."""
        self._admit(item)
        heapq.heappush(self._delayed, (due_ms, item.outbox_id, item.command_id))

    def withdraw(self, command_id: str) -> Waiting | None:
        """Takes it out, if it waits here."""
        return self._waiting.pop(command_id, None)

    def expired(self, server_ms: int) -> list[Waiting]:
        """Takes out what must not be sent any more at that time of the server, held or not."""
        gone = []
        while self._expiring and self._expiring[0][0] < server_ms:
            item = self._waiting.pop(heapq.heappop(self._expiring)[1], None)
            if item is not None:
                gone.append(item)
        return gone

    def next(self, now_ms: int, paused: AbstractSet[str]) -> Waiting | None:
        """The oldest command that may leave now; it counts as in flight until ``finished``."""
        if f"connector:{self.name}" in paused or self._limit_wait(now_ms) != 0:
            return None
        self._wake(now_ms, paused)
        while self._ready:
            item = self._waiting.pop(heapq.heappop(self._ready)[1], None)
            if item is None:
                continue
            if _is_held(item.rule, paused):
                self._waiting[item.command_id] = item
                self._held.append(item)
                continue
            self.in_flight += 1
            if self._bucket is not None:
                self._bucket.take(now_ms)
            self.breaker.begin()
            return item
        return None

    def finished(self) -> None:
        """One that ``next`` gave out has come to something."""
        self.in_flight -= 1

    def wait_ms(self, now_ms: int, paused: AbstractSet[str]) -> int | None:
        """How long until ``next`` may give something; None: until something else happens."""
        if f"connector:{self.name}" in paused or not (self._ready or self._delayed):
            return None
        limit = self._limit_wait(now_ms)
        if limit is None:
            return None
        due = 0 if self._ready else max(0, self._delayed[0][0] - now_ms)
        return max(limit, due)

    def _limit_wait(self, now_ms: int) -> int | None:
        if self.in_flight >= self.settings.concurrency:
            return None
        probe = self.breaker.wait_ms(now_ms)
        if probe is None:
            return None
        return max(probe, 0 if self._bucket is None else self._bucket.wait_ms(now_ms))

    def _admit(self, item: Waiting) -> None:
        self._waiting[item.command_id] = item
        if item.expires_ms is not None:
            heapq.heappush(self._expiring, (item.expires_ms, item.command_id))
        self._forget_what_has_gone()

    def _forget_what_has_gone(self) -> None:
        """Commands go long before they expire, and from the midst of what a pause holds; their names must not pile up.

        Each list is gone through only once it has doubled, so a command costs no more for it.
        """
        most = 2 * len(self._waiting) + SLACK
        if len(self._expiring) > most:
            waiting = self._waiting.values()
            self._expiring = [(item.expires_ms, item.command_id) for item in waiting if item.expires_ms is not None]
            heapq.heapify(self._expiring)
        if len(self._ready) > most:
            self._ready = [each for each in self._ready if each[1] in self._waiting]
            heapq.heapify(self._ready)
        if len(self._delayed) > most:
            self._delayed = [each for each in self._delayed if each[2] in self._waiting]
            heapq.heapify(self._delayed)
        if len(self._held) > most:
            self._held = [item for item in self._held if item.command_id in self._waiting]

    def _wake(self, now_ms: int, paused: AbstractSet[str]) -> None:
        """Moves to ready what has waited long enough, and what another pause held."""
        while self._delayed and self._delayed[0][0] <= now_ms:
            _, outbox_id, command_id = heapq.heappop(self._delayed)
            heapq.heappush(self._ready, (outbox_id, command_id))
        if self._held and paused != self._held_under:
            for item in self._held:
                heapq.heappush(self._ready, (item.outbox_id, item.command_id))
            self._held.clear()
        self._held_under = frozenset(paused)


def _is_held(rule: str, paused: AbstractSet[str]) -> bool:
    """Whether its rule, or the plan its rule was compiled from, is paused."""
    if not paused:
        return False
    parts = rule.split(".")
    names = [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
    return f"rule:{rule}" in paused or any(f"plan:{name}" in paused for name in names)
