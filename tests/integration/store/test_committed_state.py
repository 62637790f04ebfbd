"""Whoever looks at what is committed sees one commit, also while others are being made."""

from __future__ import annotations

import asyncio

from engine.store.leases import Leading
from engine.store.redis_store import RedisStore
from tests.support.changes import step


async def test_what_is_read_is_of_one_commit_however_many_come_between(store: RedisStore) -> None:
    answer = await store.acquire_lease("a", 60_000)
    assert isinstance(answer, Leading)
    is_over = asyncio.Event()

    async def commit() -> int:
        number = 1
        while not is_over.is_set():
            await commit_one(number)
            number += 1
        return number

    async def commit_one(number: int) -> None:
        word = str(number).encode()
        change = step(number, number + 1, facts={b"f": word}, active={b"a": word}, meta={"m": str(number)})
        await store.commit(change, answer.epoch)

    await commit_one(0)
    busy = asyncio.create_task(commit())
    for _ in range(20):
        state = await store.committed_state()
        word = state.meta["m"].encode()
        assert (state.facts, state.active) == ([(b"f", word)], [(b"a", word)])
    is_over.set()
    assert await busy > 20
