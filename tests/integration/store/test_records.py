"""Audit, rule bases and snapshots."""

from __future__ import annotations

from engine.model.journal import ZERO_ID, ChangeSet, Cursor, StreamId
from engine.store.leases import Leading
from engine.store.redis_store import RedisStore
from tests.support.changes import cursor, step


async def test_audit_is_read_both_ways(store: RedisStore) -> None:
    await store.acquire_lease("a", 60_000)
    await store.commit(step(0, 1, audit=[[("n", b"%d" % i)] for i in range(10)]), 1)
    forward = await store.read_audit(limit=4)
    assert [entry.get("n") for entry in forward] == [b"0", b"1", b"2", b"3"]
    onward = await store.read_audit(after=forward[-1].entry, limit=2)
    assert [entry.get("n") for entry in onward] == [b"4", b"5"]
    back = await store.read_audit(before=onward[0].entry, limit=2, newest_first=True)
    assert [entry.get("n") for entry in back] == [b"3", b"2"]
    assert back[0].get("nothing") is None


async def test_audit_is_found_by_a_field_newest_first(store: RedisStore) -> None:
    await store.acquire_lease("a", 60_000)
    for part in range(3):
        rows = [[("command", b"c%d" % (i % 7)), ("part", b"%d" % part)] for i in range(500)]
        await store.commit(step(part, part + 1, audit=[list(row) for row in rows]), 1)
    found = [entry async for entry in store.find_audit("command", b"c3", limit=1_000)]
    assert len(found) == 3 * 71
    assert found == sorted(found, reverse=True)
    assert len([e async for e in store.find_audit("command", b"c3", limit=5)]) == 5
    assert [e async for e in store.find_audit("command", b"nobody")] == []
    assert len([e async for e in store.find_audit("command", b"c3", limit=1_000, look_at=500)]) == 71


async def test_rule_bases_are_kept_by_revision_with_their_history(store: RedisStore) -> None:
    assert await store.revision_history() == []
    await store.put_revision("r1", b"\x00one", {"by": "ann"})
    await store.put_revision("r2", b"two", {"by": "bob", "was": "r1"})
    await store.put_revision("r1", b"other text, same name", {"by": "ann", "why": "back"})
    assert await store.get_revision("r1") == b"\x00one"
    assert await store.get_revision("nope") is None
    history = await store.revision_history()
    assert [(note.n, note.revision, note.note["by"]) for note in history] == [
        (3, "r1", "ann"),
        (2, "r2", "bob"),
        (1, "r1", "ann"),
    ]
    assert history[0].at_ms >= history[1].at_ms
    assert len(await store.revision_history(limit=1)) == 1
    assert await store.forget_revision("r2")
    assert await store.get_revision("r2") is None


async def test_the_revision_in_force_is_the_committed_one(store: RedisStore) -> None:
    await store.acquire_lease("a", 60_000)
    assert await store.revision_in_force() is None
    await store.commit(step(0, 1, meta={"revision": "r9"}), 1)
    assert await store.revision_in_force() == "r9"


async def test_a_snapshot_is_the_state_at_its_cursor(store: RedisStore) -> None:
    await store.acquire_lease("a", 60_000)
    await store.commit(step(0, 1, facts={b"f": b"1"}, active={b"a": b"1"}, meta={"revision": "r"}), 1)
    assert await store.write_snapshot(1) == cursor(1)
    await store.commit(step(1, 2, facts={b"f": b"2"}, active={b"a": None}), 1)
    assert {k: v async for k, v in store.snapshot_facts(cursor(1))} == {b"f": b"1"}
    assert {k: v async for k, v in store.snapshot_active(cursor(1))} == {b"a": b"1"}
    meta = await store.snapshot_meta(cursor(1))
    assert (meta["cursor"], meta["revision"]) == (str(cursor(1)), "r")
    assert await store.write_snapshot(1) == cursor(2)
    assert [each.cursor for each in await store.list_snapshots()] == [cursor(1), cursor(2)]


async def test_a_stale_daemon_cannot_take_a_snapshot(store: RedisStore) -> None:
    await store.acquire_lease("a", 60_000)
    await store.release_lease("a")
    assert await store.acquire_lease("b", 60_000) == Leading(2)
    assert await store.write_snapshot(1) is None
    assert await store.list_snapshots() == []


async def test_old_snapshots_go_with_all_their_keys(store: RedisStore) -> None:
    await store.acquire_lease("a", 60_000)
    for n in range(6):
        await store.commit(step(n, n + 1, facts={b"f": b"%d" % n}, active={b"a": b"x"}), 1)
        await store.write_snapshot(1, keep=2)
        await store.write_snapshot(1, keep=2)
    assert [each.cursor for each in await store.list_snapshots()] == [cursor(5), cursor(6)]
    assert len(await store._wire.call("KEYS", "*:snapshot:*")) == 6


async def test_the_journal_is_trimmed_behind_the_oldest_snapshot_only(store: RedisStore) -> None:
    await store.acquire_lease("a", 60_000)
    ids = await store.append_many([{"n": str(i)} for i in range(30_000)])
    assert await store.trim_journal() == 0
    first, second = Cursor(ids[24_999], 1), Cursor(ids[-1], 2)
    clock = [(entry, 1) for entry in ids[:400]]
    await store.commit(ChangeSet(Cursor(), first, "one", clock=clock), 1)
    await store.write_snapshot(1)
    await store.commit(ChangeSet(first, second, "two"), 1)
    await store.write_snapshot(1)
    assert await store.trim_journal() >= 24_900
    left = await store.read_journal(ZERO_ID, 10_000)
    assert StreamId.parse(left[0][0]) <= ids[25_000]
    unread = await store.read_journal(first.entry, 10_000)
    assert [StreamId.parse(entry) for entry, _ in unread] == ids[25_000:]
    assert await store.clock_times() == {}
