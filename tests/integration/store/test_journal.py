"""Reading and adding to the journal."""

from __future__ import annotations

import asyncio

import pytest

from engine.errors import Retry, StoreError
from engine.model.journal import ZERO_ID, StreamId
from engine.store.redis_store import RedisStore
from tests.support.changes import step


async def test_entries_come_in_order_as_they_were_sent(store: RedisStore) -> None:
    ids = [await store.append({"op": "assert", "data": bytes([i])}) for i in range(5)]
    entries = await store.read_journal(ZERO_ID, 3)
    assert [StreamId.parse(entry) for entry, _ in entries] == ids[:3]
    assert entries[1][1] == [b"op", b"assert", b"data", b"\x01"]
    assert [StreamId.parse(entry) for entry, _ in await store.read_journal(ids[2], 10)] == ids[3:]


async def test_a_read_waits_for_the_next_entry(store: RedisStore) -> None:
    waiting = asyncio.ensure_future(store.read_journal(ZERO_ID, 10, block_ms=10_000))
    given = await store.append({"op": "assert"})
    ((entry, fields),) = await waiting
    assert (StreamId.parse(entry), fields) == (given, [b"op", b"assert"])


async def test_a_read_gives_up_when_nothing_comes(store: RedisStore) -> None:
    assert await store.read_journal(ZERO_ID, 10, block_ms=5) == []


async def test_an_explicit_id_is_kept(store: RedisStore) -> None:
    assert await store.append({"op": "assert"}, "77-3") == StreamId(77, 3)


async def test_many_entries_go_in_one_trip(store: RedisStore) -> None:
    ids = await store.append_many([{"n": str(i)} for i in range(1_000)])
    assert ids == sorted(ids)
    extent = await store.journal_extent()
    assert (extent.length, extent.first_id, extent.last_id) == (1_000, ids[0], ids[-1])
    assert await store.journal_lag(ids[899]) == 100
    assert await store.journal_lag(ZERO_ID, bound=50) == 50


async def test_an_absent_journal_has_no_extent(store: RedisStore) -> None:
    extent = await store.journal_extent()
    assert (extent.length, extent.first_id, extent.last_id) == (0, ZERO_ID, ZERO_ID)
    assert await store.journal_lag(ZERO_ID) == 0


async def test_a_writers_numbers_rise(store: RedisStore) -> None:
    first = await store.append_signed({"op": "control", "n": "1"}, "cli", 1, "s1")
    assert await store.append_signed({"op": "control", "n": "1"}, "cli", 1, "s1") == first
    with pytest.raises(StoreError) as caught:
        await store.append_signed({"op": "control", "n": "1"}, "cli", 1, "other")
    assert (caught.value.code, caught.value.retry) == ("S140", Retry.LATER)
    await store.append_signed({"op": "control", "n": "5"}, "cli", 5, "s5")
    with pytest.raises(StoreError):
        await store.append_signed({"op": "control", "n": "4"}, "cli", 4, "s4")
    assert await store.last_n("cli") == 5
    assert await store.last_n("other") == 0
    assert (await store.journal_extent()).length == 2


async def test_the_clock_tells_the_times_that_ids_did_not_carry(store: RedisStore) -> None:
    await store.acquire_lease("a", 60_000)
    led = [(StreamId(9_000 + i, 1), 100 + i) for i in range(1_500)]
    await store.commit(step(0, 1, clock=led[:1_000]), 1)
    await store.commit(step(1, 2, clock=led[1_000:]), 1)
    assert await store.clock_times() == dict(led)
    assert await store.clock_times(after=led[-2][0]) == dict(led[-1:])
