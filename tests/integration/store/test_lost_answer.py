"""The client repeats by itself what it got no answer to; nothing is done twice for that."""

from __future__ import annotations

from engine.model.journal import ZERO_ID, AlreadyMine, Committed
from engine.store.abc import Taken
from engine.store.leases import Leading
from engine.store.redis_store import RedisStore
from engine.store.url import Endpoint, parse
from tests.support.changes import command, cursor, step
from tests.support.proxy import Proxy


async def test_a_commit_whose_answer_was_lost_is_committed_once(store: RedisStore, redis_endpoint: Endpoint) -> None:
    assert await store.acquire_lease("a", 60_000) == Leading(1)
    assert redis_endpoint.path is not None
    async with Proxy(redis_endpoint.path) as proxy, RedisStore(parse(f"redis://127.0.0.1:{proxy.port}")) as far:
        assert isinstance(await far.commit(step(0, 1), 1), Committed)
        proxy.answers_to_lose = 1
        change = step(1, 2, facts={b"f": b"v"}, commands=[command("c1")], audit=[[("n", b"1")]])
        assert await far.commit(change, 1) == AlreadyMine(cursor(2))
        assert proxy.answers_lost == 1
    assert len(await store.read_outbox(ZERO_ID, 10)) == 1
    assert len(await store.read_audit()) == 1


async def test_dispatch_steps_whose_answers_were_lost_happen_once(store: RedisStore, redis_endpoint: Endpoint) -> None:
    await store.acquire_lease("a", 60_000)
    await store.commit(step(0, 1, commands=[command("c1"), command("c2")]), 1)
    assert redis_endpoint.path is not None
    async with Proxy(redis_endpoint.path) as proxy, RedisStore(parse(f"redis://127.0.0.1:{proxy.port}")) as far:
        for name in ("c1", "c2"):
            proxy.answers_to_lose = 1
            assert isinstance(await far.take(name, 1), Taken)
        proxy.answers_to_lose = 1
        assert await far.send_redis("c1", "executor", 1) == "sent"
        proxy.answers_to_lose = 1
        assert await far.mark_sent("c2", 1)
        proxy.answers_to_lose = 1
        assert await far.end_command("c2", 1, "done")
        assert proxy.answers_lost == 5
    report = await store._wire.call("XLEN", store.keys.commands("executor"))
    assert report == 1


async def test_a_signed_entry_whose_answer_was_lost_enters_the_journal_once(
    store: RedisStore, redis_endpoint: Endpoint
) -> None:
    assert redis_endpoint.path is not None
    async with Proxy(redis_endpoint.path) as proxy, RedisStore(parse(f"redis://127.0.0.1:{proxy.port}")) as far:
        await far.time_ms()
        proxy.answers_to_lose = 1
        entry = await far.append_signed({"op": "result"}, "dispatch", 1, "sig")
        assert proxy.answers_lost == 1
    extent = await store.journal_extent()
    assert (extent.length, extent.last_id) == (1, entry)


async def test_a_lease_whose_answer_was_lost_is_still_under_one_epoch(
    store: RedisStore, redis_endpoint: Endpoint
) -> None:
    assert redis_endpoint.path is not None
    async with Proxy(redis_endpoint.path) as proxy, RedisStore(parse(f"redis://127.0.0.1:{proxy.port}")) as far:
        await far.time_ms()
        proxy.answers_to_lose = 1
        assert await far.acquire_lease("a", 60_000) == Leading(1)
    assert await store.epoch() == 1
