"""One read that waits, kept across whatever else wakes the loop."""

from __future__ import annotations

import asyncio

from engine.model.journal import ZERO_ID, StreamId
from engine.runtime.reading import Reading
from engine.store.redis_store import RedisStore

FACT = {"op": "assert", "kind": "k", "source": "s", "data": "{}"}


async def _came(reading: Reading, after: StreamId) -> list[StreamId]:
    woken = asyncio.Event()
    reading.ask(after, woken.set)
    await woken.wait()
    return [StreamId.parse(identity) for identity, _ in await reading.take(after)]


async def test_a_waiting_read_brings_an_entry_as_soon_as_it_is_there(store: RedisStore) -> None:
    reading = Reading(store, 10, follows_server=True)
    waiting = asyncio.create_task(_came(reading, ZERO_ID))
    await asyncio.sleep(0)
    entry = await store.append(FACT)
    assert await waiting == [entry]


async def test_what_was_applied_while_the_read_waited_does_not_come_again(store: RedisStore) -> None:
    reading = Reading(store, 10, follows_server=True)
    woken = asyncio.Event()
    reading.ask(ZERO_ID, woken.set)
    first = await store.append(FACT)
    server_ms, entries = await reading.look(ZERO_ID)
    assert server_ms is not None
    assert server_ms >= first.ms
    assert [StreamId.parse(identity) for identity, _ in entries] == [first]
    second = await store.append(FACT)
    reading.ask(first, woken.set)
    await woken.wait()
    seen = [StreamId.parse(identity) for identity, _ in await reading.take(first)]
    assert first not in seen
    assert second in (seen or await _came(reading, first))


async def test_a_read_from_further_on_is_given_up_when_the_loop_goes_back(store: RedisStore) -> None:
    reading = Reading(store, 10, follows_server=True)
    first = await store.append(FACT)
    reading.ask(first, lambda: None)
    assert await _came(reading, ZERO_ID) == [first]
    reading.drop()
    assert not reading.is_asked


async def test_the_clock_is_asked_only_for_ids_that_lead_what_it_showed(store: RedisStore) -> None:
    reading = Reading(store, 10, follows_server=True)
    entry = await store.append(FACT)
    shown = await reading.server_ms(entry)
    assert shown is not None
    assert await reading.server_ms(StreamId(shown + 2_000, 0)) == shown
    again = await reading.server_ms(StreamId(shown + 2_001, 0))
    assert again is not None
    assert shown <= again < shown + 2_001, "the server's clock, not the id's"


async def test_nobody_is_asked_where_ids_are_the_clock(store: RedisStore) -> None:
    reading = Reading(store, 10, follows_server=False)
    entry = await store.append(FACT)
    assert await reading.server_ms(StreamId(entry.ms + 10**9, 0)) is None
    server_ms, entries = await reading.look(ZERO_ID)
    assert server_ms is None
    assert len(entries) == 1
