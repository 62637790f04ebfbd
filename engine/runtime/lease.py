"""Leadership: one daemon leads under a rising epoch, and a thread that waits for nobody keeps it leading."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable

from engine import limits
from engine.clock import monotonic_ms, wall_ms
from engine.errors import LeaseLostError, StoreError
from engine.store.leases import Following, Leading, LeaseRenewal
from engine.store.redis_store import RedisStore

#: Told when leading is over, from the renewing thread: the epoch held and the one that leads now.
OnLost = Callable[[int, int], None]
#: Told, while standing by, who leads.
OnWait = Callable[[str], None]

#: A standby asks at least so often, so that a clean hand-over takes no longer.
_LONGEST_WAIT_MS = 500


def owner_name() -> str:
    """Names this daemon among all that ever ran: host, process, start."""
    return f"{socket.gethostname()}:{os.getpid()}:{wall_ms()}"


class Lease:
    """One daemon's hold on leadership.

    What makes a stale daemon harmless is the epoch, which every commit and take carries. The lease only decides who
    tries: so while Redis is away nobody is deposed (``is_certain`` turns false), and a leader that comes back before
    anyone else took over leads on under the same epoch.
    """

    def __init__(
        self,
        store: RedisStore,
        owner: str,
        ttl_ms: int = limits.LEASE_MS,
        on_lost: OnLost | None = None,
    ) -> None:
        self._store = store
        self._owner = owner
        self._ttl_ms = ttl_ms
        self._on_lost = on_lost
        self._epoch = 0
        self._renewed_at_ms = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lost = asyncio.Event()
        self._lost_to: int | None = None

    @property
    def owner(self) -> str:
        """Who this is, in the lease."""
        return self._owner

    @property
    def epoch(self) -> int:
        """The epoch under which this daemon leads, or led; 0 before it did."""
        return self._epoch

    @property
    def is_leader(self) -> bool:
        """Leading, as far as known; true also while Redis is away."""
        return self._thread is not None and self._lost_to is None

    @property
    def is_certain(self) -> bool:
        """Renewed less than one ttl ago, so that nobody else can have taken over."""
        return self.is_leader and monotonic_ms() - self._renewed_at_ms < self._ttl_ms

    async def try_acquire(self) -> Leading | Following:
        """Lead if nobody does; renewal starts at once. While leading, nothing is asked."""
        if self.is_leader:
            return Leading(self._epoch)
        asked_at_ms = monotonic_ms()
        answer = await self._store.acquire_lease(self._owner, self._ttl_ms)
        if isinstance(answer, Leading):
            self._lead(answer.epoch, asked_at_ms)
        return answer

    async def acquire(self, on_wait: OnWait | None = None) -> int:
        """Stand by until leading; gives the epoch.

        Args:
            on_wait: told who leads, whenever that changes.

        Raises:
            StoreError: if Redis is away; ask again.
        """
        told = ""
        while True:
            answer = await self.try_acquire()
            if isinstance(answer, Leading):
                return answer.epoch
            if on_wait is not None and answer.owner != told:
                told = answer.owner
                on_wait(told)
            await asyncio.sleep(min(answer.left_ms + 1, _LONGEST_WAIT_MS) / 1000)

    async def wait_lost(self) -> LeaseLostError:
        """Returns, with the error to raise, once another daemon leads."""
        await self._lost.wait()
        return self.lost_error()

    def lost_error(self) -> LeaseLostError:
        """What to raise when leading is over."""
        return LeaseLostError(
            "S150", f"another daemon leads under epoch {self._lost_to}; ours was {self._epoch}", "this one stops"
        )

    async def release(self) -> None:
        """Stop renewing and step down. A Redis that is away is told nothing: the lease then runs out by itself."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stop.set()
        await asyncio.to_thread(thread.join)
        if self._lost_to is None:
            try:
                await self._store.release_lease(self._owner)
            except StoreError:
                return

    def _lead(self, epoch: int, asked_at_ms: int) -> None:
        self._epoch = epoch
        self._renewed_at_ms = asked_at_ms
        self._lost_to = None
        self._lost.clear()
        self._stop.clear()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._renew_until_stopped, name="lease", daemon=True)
        self._thread.start()

    def _renew_until_stopped(self) -> None:
        """Thread: renew every third of the ttl, over a connection of its own, however busy the event loop is."""
        renewal = LeaseRenewal(self._store.endpoint, self._store.keys, timeout_s=max(1, self._ttl_ms // 3_000))
        try:
            while not self._stop.wait(self._ttl_ms / 3_000):
                asked_at_ms = monotonic_ms()
                try:
                    leader = renewal.renew(self._owner, self._ttl_ms, self._epoch)
                except StoreError:
                    continue  # Redis is away: nobody else can lead either; is_certain says so
                if leader is not None:
                    self._lose(leader)
                    return
                self._renewed_at_ms = asked_at_ms
        finally:
            renewal.close()

    def _lose(self, leader: int) -> None:
        self._lost_to = leader
        if self._on_lost is not None:
            self._on_lost(self._epoch, leader)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._lost.set)
