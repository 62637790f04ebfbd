"""A commit writes everything or nothing, once, and only for the daemon that leads."""

from __future__ import annotations

import pytest

from engine import limits
from engine.errors import StoreError
from engine.model.journal import AlreadyMine, ChangeSet, Committed, Conflict, Cursor, Fenced, Rejection, StreamId
from engine.store.abc import Store
from engine.store.leases import Leading
from engine.store.redis_store import RedisStore
from engine.store.url import Endpoint
from engine.store.wire import ThreadWire
from tests.support.changes import command, cursor, step


async def lead(store: RedisStore, owner: str = "a") -> int:
    answer = await store.acquire_lease(owner, 60_000)
    assert isinstance(answer, Leading)
    return answer.epoch


async def everything(store: RedisStore) -> dict[str, object]:
    return {
        "meta": await store.load_meta(),
        "facts": {k: v async for k, v in store.load_facts()},
        "active": {k: v async for k, v in store.load_active()},
        "outbox": [entry.command for entry in await store.read_outbox(StreamId(0, 0), 10_000)],
        "rows": [row.command_id for row in await store.dispatch_rows()],
        "audit": [entry.fields for entry in await store.read_audit(limit=10_000)],
        "rejected": [entry.rejection for entry in await store.read_rejected(limit=10_000)],
        "clock": await store.clock_times(),
        "done": {k: v async for k, v in store.load_done()},
    }


def full(before: int, after: int) -> ChangeSet:
    return step(
        before,
        after,
        facts={b"f1": b"one", b"f2": b"two"},
        active={b"a1": b"x"},
        meta={"revision": "r1", "writer:cli": "7"},
        commands=[command("c1"), command("c2", expires_ms=123)],
        audit=[[("rule", b"p.r"), ("cause", b"1-0")], [("fact", b"\xff\x00")]],
        rejected=[Rejection(StreamId(3, 1), ((b"op", b"assert"), (b"code", b"spoof")), "F101", "bad", "fix it")],
        clock=[(StreamId(9, 1), 5), (StreamId(9, 2), 6)],
        done={b"co1": b"how it ended", b"co2": b"otherwise"},
    )


async def test_the_redis_store_fulfils_the_contract(store: RedisStore) -> None:
    contract: Store = store
    assert await contract.cursor() == Cursor()


async def test_a_commit_writes_every_part(store: RedisStore) -> None:
    change = full(0, 1)
    assert await store.commit(change, await lead(store)) == Committed(cursor(1))
    found = await everything(store)
    assert found["facts"] == change.facts
    assert found["active"] == change.active
    assert found["done"] == change.done
    assert await store.get_done("co1") == b"how it ended"
    assert found["outbox"] == change.commands
    assert found["rows"] == ["c1", "c2"]
    assert found["audit"] == [tuple(fields) for fields in change.audit]
    assert found["rejected"] == change.rejected
    assert found["clock"] == dict(change.clock)
    expected = {"revision": "r1", "writer:cli": "7", "epoch": "1", "cursor": str(cursor(1)), "commit": "commit-0-1"}
    assert found["meta"] == expected
    assert await store.cursor() == cursor(1)


async def test_what_is_none_is_deleted(store: RedisStore) -> None:
    epoch = await lead(store)
    await store.commit(full(0, 1), epoch)
    gone = step(
        1, 2, facts={b"f1": None, b"f3": b"3"}, active={b"a1": None}, meta={"revision": None}, done={b"co1": None}
    )
    assert isinstance(await store.commit(gone, epoch), Committed)
    found = await everything(store)
    assert found["facts"] == {b"f2": b"two", b"f3": b"3"}
    assert found["active"] == {}
    assert found["done"] == {b"co2": b"otherwise"}
    assert await store.get_done("co1") is None
    assert await store.revision_in_force() is None


@pytest.mark.parametrize("count", [1, 199, 200, 201, 400, 401, 5_000])
async def test_every_record_arrives_whatever_the_chunks(store: RedisStore, count: int) -> None:
    epoch = await lead(store)
    facts: dict[bytes, bytes | None] = {b"k%d" % i: b"v%d" % i for i in range(count)}
    await store.commit(step(0, 1, facts=facts), epoch)
    assert {k: v async for k, v in store.load_facts()} == facts
    await store.commit(step(1, 2, facts=dict.fromkeys(facts)), epoch)
    assert await store.count_facts() == 0


async def test_the_same_commit_again_is_known_as_ours_and_changes_nothing(store: RedisStore) -> None:
    epoch = await lead(store)
    await store.commit(full(0, 1), epoch)
    before = await everything(store)
    assert await store.commit(full(0, 1), epoch) == AlreadyMine(cursor(1))
    assert await everything(store) == before


async def test_a_commit_that_leaves_the_cursor_is_known_as_ours_too(store: RedisStore) -> None:
    epoch = await lead(store)
    change = step(0, 0, audit=[[("note", b"started")]])
    assert isinstance(await store.commit(change, epoch), Committed)
    assert isinstance(await store.commit(change, epoch), AlreadyMine)
    assert len(await store.read_audit()) == 1


async def test_an_unexpected_cursor_is_a_conflict_and_changes_nothing(store: RedisStore) -> None:
    epoch = await lead(store)
    await store.commit(step(0, 1), epoch)
    before = await everything(store)
    assert await store.commit(full(0, 2), epoch) == Conflict(cursor(1))
    assert await everything(store) == before


async def test_a_stale_daemon_cannot_commit(store: RedisStore) -> None:
    stale = await lead(store, "a")
    await store.release_lease("a")
    current = await lead(store, "b")
    before = await everything(store)
    assert await store.commit(full(0, 1), stale) == Fenced(current)
    assert await everything(store) == before


async def test_a_stale_daemon_cannot_note(store: RedisStore) -> None:
    stale = await lead(store, "a")
    assert await store.note({"unclean": "1", "gone": "1"}, stale)
    await store.release_lease("a")
    await lead(store, "b")
    assert not await store.note({"unclean": None}, stale)
    assert (await store.load_meta())["unclean"] == "1"


async def test_a_note_sets_and_deletes_without_moving_the_cursor(store: RedisStore) -> None:
    epoch = await lead(store)
    await store.note({"unclean": "1", "tries": "2"}, epoch)
    await store.note({"unclean": None}, epoch)
    assert await store.load_meta() == {"epoch": "1", "tries": "2"}


@pytest.mark.parametrize("part", ["facts", "active", "dispatch", "outbox", "audit", "rejected", "clock"])
async def test_a_key_of_another_type_stops_the_whole_commit(
    store: RedisStore, redis_endpoint: Endpoint, part: str
) -> None:
    epoch = await lead(store)
    wire = ThreadWire(redis_endpoint, timeout_s=5)
    wire.call("SET", getattr(store.keys, part), "hello")
    with pytest.raises(StoreError) as caught:
        await store.commit(full(0, 1), epoch)
    assert caught.value.code == "S106"
    assert await store.load_meta() == {"epoch": "1"}
    assert wire.call("DBSIZE") == 3  # meta, lease, and the intruder
    wire.close()


async def test_at_maxmemory_senders_are_refused_and_the_engine_goes_on(
    store: RedisStore, redis_endpoint: Endpoint
) -> None:
    epoch = await lead(store)
    for _ in range(20):
        await store.append_many([{"op": "assert", "data": "x" * 200}] * 100)
    end = (await store.journal_extent()).last_id
    wire = ThreadWire(redis_endpoint, timeout_s=5)
    try:
        wire.call("CONFIG", "SET", "maxmemory", 100_000)
        with pytest.raises(StoreError) as caught:
            await store.append({"op": "assert"})
        assert caught.value.code == "S107"
        change = ChangeSet(Cursor(), Cursor(end, 1), "c", facts={b"f": b"v"}, commands=[command("c1")])
        assert isinstance(await store.commit(change, epoch), Committed)
        assert await store.write_snapshot(epoch) == change.cursor
        assert await store.trim_journal() > 1_500
    finally:
        wire.call("CONFIG", "SET", "maxmemory", 0)
        wire.close()
    assert {k: v async for k, v in store.load_facts()} == {b"f": b"v"}


async def test_a_command_known_to_dispatch_is_not_queued_again(store: RedisStore) -> None:
    epoch = await lead(store)
    await store.commit(step(0, 1, commands=[command("c1")]), epoch)
    await store.take("c1", epoch)
    await store.commit(step(1, 2, commands=[command("c1")]), epoch)
    assert len(await store.read_outbox(StreamId(0, 0), 10)) == 1
    row = await store.dispatch_row("c1")
    assert row is not None
    assert row.state == "sending"


async def test_the_store_keeps_its_own_meta_fields(store: RedisStore) -> None:
    epoch = await lead(store)
    with pytest.raises(StoreError) as caught:
        await store.commit(step(0, 1, meta={"epoch": "99"}), epoch)
    assert caught.value.code == "S142"


async def test_old_audit_is_trimmed_by_time(store: RedisStore, redis_endpoint: Endpoint) -> None:
    epoch = await lead(store)
    wire = ThreadWire(redis_endpoint, timeout_s=5)
    old = await store.time_ms() - limits.AUDIT_KEEP_MS - 10_000
    for i in range(450):
        wire.call("XADD", store.keys.audit, f"{old}-{i + 1}", "rule", "p.r")
    wire.close()
    await store.commit(step(0, 1, audit=[[("rule", b"new")]]), epoch)
    left = await store.read_audit(limit=1_000)
    assert len(left) <= 101  # Redis trims whole nodes of a hundred entries
    assert left[-1].get("rule") == b"new"


async def test_a_rejected_entry_keeps_a_bounded_number_of_fields(store: RedisStore) -> None:
    epoch = await lead(store)
    fields = tuple((b"n%d" % i, b"v") for i in range(9_000))
    await store.commit(step(0, 1, rejected=[Rejection(StreamId(1, 1), fields, "F1", "m", "h")]), epoch)
    (entry,) = await store.read_rejected()
    assert entry.rejection == Rejection(StreamId(1, 1), fields[:64], "F1", "m", "h")
    assert await store.count_rejected() == 1


async def test_a_forgotten_script_is_sent_again(store: RedisStore, redis_endpoint: Endpoint) -> None:
    epoch = await lead(store)
    await store.commit(step(0, 1), epoch)
    wire = ThreadWire(redis_endpoint, timeout_s=5)
    wire.call("SCRIPT", "FLUSH")
    wire.close()
    assert await store.commit(step(1, 2), epoch) == Committed(cursor(2))
