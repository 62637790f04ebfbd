"""One daemon leads; the next one takes over; a stalled one finds out."""

from __future__ import annotations

import asyncio
import threading

import pytest

from engine.errors import Exit, StoreError
from engine.model.journal import Fenced
from engine.runtime.lease import Lease, owner_name
from engine.store.embedded import EmbeddedServer
from engine.store.leases import Following, Leading
from engine.store.redis_store import RedisStore
from engine.store.url import Endpoint
from engine.store.wire import ThreadWire
from tests.support.changes import step


async def test_one_leads_and_the_other_follows(store: RedisStore) -> None:
    assert await store.acquire_lease("a", 60_000) == Leading(1)
    assert await store.acquire_lease("a", 60_000) == Leading(1)
    answer = await store.acquire_lease("b", 60_000)
    assert isinstance(answer, Following)
    assert answer.owner == "a"
    assert 0 < answer.left_ms <= 60_000
    assert await store.lease_owner() == "a"
    assert not await store.release_lease("b")


async def test_the_epoch_rises_with_every_leader(store: RedisStore) -> None:
    for epoch in range(1, 6):
        assert await store.acquire_lease(f"d{epoch % 2}", 60_000) == Leading(epoch)
        assert await store.release_lease(f"d{epoch % 2}")


async def test_a_lease_is_renewed_by_itself_well_beyond_its_life(store: RedisStore, redis_endpoint: Endpoint) -> None:
    lease = Lease(store, "a", ttl_ms=150)
    assert await lease.acquire() == 1
    assert await lease.try_acquire() == Leading(1)
    wire = ThreadWire(redis_endpoint, timeout_s=5)
    # The event loop does nothing here, as it would in a long computation: only the thread keeps the lease.
    deadline = (await store.time_ms()) + 600
    while _time_ms(wire) < deadline:
        assert wire.call("GET", store.keys.lease) == b"a"
    wire.close()
    assert lease.is_leader
    assert lease.is_certain
    await lease.release()
    assert await store.lease_owner() is None
    assert not lease.is_leader


def _time_ms(wire: ThreadWire) -> int:
    seconds, micros = wire.call("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


async def test_a_standby_takes_over_after_a_clean_stop(store: RedisStore) -> None:
    first, second = Lease(store, "a"), Lease(store, "b")
    await first.acquire()
    told: asyncio.Queue[str] = asyncio.Queue()
    waiting = asyncio.ensure_future(second.acquire(told.put_nowait))
    assert await told.get() == "a"
    await first.release()
    assert await waiting == 2
    await second.release()


async def test_a_standby_takes_over_from_a_dead_leader(store: RedisStore) -> None:
    assert await store.acquire_lease("dead", 100) == Leading(1)
    lease = Lease(store, "b", ttl_ms=1_000)
    assert await lease.acquire() == 2
    await lease.release()


async def test_a_leader_that_was_deposed_is_told_and_cannot_commit(store: RedisStore, redis_endpoint: Endpoint) -> None:
    heard: list[tuple[int, int, str]] = []
    lease = Lease(
        store, "a", ttl_ms=90, on_lost=lambda ours, now: heard.append((ours, now, threading.current_thread().name))
    )
    epoch = await lease.acquire()
    wire = ThreadWire(redis_endpoint, timeout_s=5)
    wire.call("DEL", store.keys.lease)  # as if it had stalled beyond its ttl
    wire.close()
    taken = await store.acquire_lease("b", 60_000)
    if isinstance(taken, Following):  # the renewal came first and took the free lease up again
        await store.release_lease("a")
        taken = await store.acquire_lease("b", 60_000)
    assert taken == Leading(2)
    error = await lease.wait_lost()
    assert (error.code, error.exit_code) == ("S150", Exit.LEASE_LOST)
    assert heard == [(1, 2, "lease")]
    assert not lease.is_leader
    assert await store.commit(step(0, 1), epoch) == Fenced(2)
    await lease.release()
    assert await store.lease_owner() == "b"


async def test_a_leader_leads_on_when_redis_comes_back(own_server: EmbeddedServer) -> None:
    async with RedisStore(own_server.endpoint) as store:
        lease = Lease(store, "a", ttl_ms=120)
        await lease.acquire()
        wire = ThreadWire(own_server.endpoint, timeout_s=10)
        wire.call("CLIENT", "PAUSE", 400)
        while lease.is_certain:
            assert lease.is_leader
        while not lease.is_certain:
            assert lease.is_leader
        assert lease.epoch == await store.epoch() == 1
        assert wire.call("GET", store.keys.lease) == b"a"
        wire.close()
        await lease.release()


async def test_stepping_down_without_redis_does_not_fail(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = EmbeddedServer(tmp_path_factory.mktemp("gone"))
    endpoint = await asyncio.to_thread(server.start)
    async with RedisStore(endpoint) as store:
        lease = Lease(store, "a", ttl_ms=3_000)
        await lease.acquire()
        await asyncio.to_thread(server.stop)
        await lease.release()
        with pytest.raises(StoreError):
            await lease.try_acquire()


def test_owners_are_told_apart() -> None:
    assert owner_name().count(":") == 2
