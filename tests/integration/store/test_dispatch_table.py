"""How a command moves from queued to its end, and who may move it."""

from __future__ import annotations

import pytest

from engine.model.journal import ZERO_ID
from engine.store.abc import DispatchRow, NotTaken, Taken
from engine.store.leases import Leading
from engine.store.redis_store import RedisStore
from tests.support.changes import command, step


async def lead(store: RedisStore, owner: str = "a") -> int:
    answer = await store.acquire_lease(owner, 60_000)
    assert isinstance(answer, Leading)
    return answer.epoch


async def row(store: RedisStore, name: str) -> DispatchRow:
    found = await store.dispatch_row(name)
    assert found is not None
    return found


async def test_a_command_is_taken_sent_and_forgotten(store: RedisStore) -> None:
    epoch = await lead(store)
    await store.commit(step(0, 1, commands=[command("c1")]), epoch)
    assert await store.take("c1", epoch) == Taken(command("c1"), 1)
    assert (await row(store, "c1")).state == "sending"
    assert await store.mark_sent("c1", epoch)
    assert (await row(store, "c1")).state == "sent"
    assert await store.take("c1", epoch) == NotTaken("sent")
    await store.commit(step(1, 2, ended={"c1": "done"}), epoch)
    assert await store.dispatch_row("c1") is None
    assert await store.take("c1", epoch) == NotTaken("unknown")


async def test_takes_are_counted_and_a_send_that_did_not_leave_is_queued_again(store: RedisStore) -> None:
    epoch = await lead(store)
    await store.commit(step(0, 1, commands=[command("c1")]), epoch)
    await store.take("c1", epoch)
    assert await store.requeue("c1", epoch)
    assert (await row(store, "c1")).state == "queued"
    assert not await store.mark_sent("c1", epoch)
    assert await store.take("c1", epoch) == Taken(command("c1"), 2)


async def test_a_withdrawn_command_is_refused_and_its_row_says_so(store: RedisStore) -> None:
    epoch = await lead(store)
    await store.commit(step(0, 1, commands=[command("c1")]), epoch)
    await store.commit(step(1, 2, withdrawn=["c1", "never-heard-of"]), epoch)
    assert await store.withdraw_asked("c1")
    assert await store.take("c1", epoch) == NotTaken("withdrawn")
    ended = await row(store, "c1")
    assert (ended.state, ended.status) == ("ended", "withdrawn")
    assert await store.take("c1", epoch) == NotTaken("withdrawn")


async def test_a_command_made_and_withdrawn_in_one_commit_never_goes_out(store: RedisStore) -> None:
    epoch = await lead(store)
    await store.commit(step(0, 1, commands=[command("c1")], withdrawn=["c1"]), epoch)
    assert await store.take("c1", epoch) == NotTaken("withdrawn")


async def test_what_may_have_gone_out_is_not_called_withdrawn(store: RedisStore) -> None:
    epoch = await lead(store)
    await store.commit(step(0, 1, commands=[command("c1")]), epoch)
    await store.take("c1", epoch)
    await store.commit(step(1, 2, withdrawn=["c1"]), epoch)
    assert await store.take("c1", epoch) == NotTaken("sent")
    assert (await row(store, "c1")).state == "sent"


async def test_an_expired_command_is_not_taken(store: RedisStore) -> None:
    epoch = await lead(store)
    now = await store.time_ms()
    late, in_time = command("late", expires_ms=now - 1), command("in-time", expires_ms=now + 60_000)
    await store.commit(step(0, 1, commands=[late, in_time]), epoch)
    assert await store.take("late", epoch) == NotTaken("expired")
    assert (await row(store, "late")).status == "expired"
    assert await store.take("in-time", epoch) == Taken(in_time, 1)


async def test_a_stale_daemon_cannot_take_send_or_end(store: RedisStore) -> None:
    stale = await lead(store, "a")
    await store.commit(step(0, 1, commands=[command("c1"), command("c2")]), stale)
    await store.take("c2", stale)
    await store.release_lease("a")
    current = await lead(store, "b")
    assert await store.take("c1", stale) == NotTaken("fenced")
    assert not await store.mark_sent("c2", stale)
    assert not await store.requeue("c2", stale)
    assert not await store.end_command("c2", stale, "failed")
    assert await store.send_redis("c2", "executor", stale) == "fenced"
    assert await store.take("c2", current) == Taken(command("c2"), 2)
    assert (await row(store, "c2")).epoch == current


async def test_a_redis_connector_writes_its_stream_and_marks_sent_together(store: RedisStore) -> None:
    first = await lead(store, "a")
    await store.commit(step(0, 1, commands=[command("c1", expires_ms=None)]), first)
    await store.release_lease("a")
    epoch = await lead(store, "b")
    assert await store.send_redis("c1", "executor", epoch) == "not_taken"
    await store.take("c1", epoch)
    assert await store.send_redis("c1", "executor", epoch) == "sent"
    assert await store.send_redis("c1", "executor", epoch) == "sent"
    ((_, fields),) = await store._wire.call("XRANGE", store.keys.commands("executor"), "-", "+")
    found = dict(zip(fields[::2], fields[1::2], strict=True))
    assert found == {
        b"command": b"c1",
        b"connector": b"executor",
        b"verb": b"bridge",
        b"args": b'{"amount":"1"}',
        b"rule": b"pack.rule",
        b"coordination": b"co-1",
        b"expires": b"",
        b"epoch": str(epoch).encode(),
    }


async def test_a_withdrawal_between_take_and_send_stops_the_redis_connector(store: RedisStore) -> None:
    epoch = await lead(store)
    await store.commit(step(0, 1, commands=[command("c1")]), epoch)
    await store.take("c1", epoch)
    await store.commit(step(1, 2, withdrawn=["c1"]), epoch)
    assert await store.send_redis("c1", "executor", epoch) == "withdrawn"
    assert (await row(store, "c1")).status == "withdrawn"
    assert await store._wire.call("EXISTS", store.keys.commands("executor")) == 0


async def test_the_first_end_stands(store: RedisStore) -> None:
    epoch = await lead(store)
    await store.commit(step(0, 1, commands=[command("c1")]), epoch)
    assert await store.end_command("c1", epoch, "failed")
    assert await store.end_command("c1", epoch, "failed")
    assert not await store.end_command("c1", epoch, "done")
    assert await store.take("c1", epoch) == NotTaken("ended")
    assert not await store.end_command("nobody", epoch, "done")


@pytest.mark.parametrize("status", ["", "two words", "a-b"])
async def test_a_status_is_one_word(store: RedisStore, status: str) -> None:
    with pytest.raises(ValueError, match="status"):
        await store.end_command("c1", 1, status)


async def test_open_commands_come_oldest_first_with_what_they_say(store: RedisStore) -> None:
    epoch = await lead(store)
    names = [f"c{i:04}" for i in range(1_200)]
    await store.commit(step(0, 1, commands=[command(name) for name in names]), epoch)
    await store.commit(step(1, 2, ended={names[0]: "done"}), epoch)
    found = await store.open_commands()
    assert [made.command_id for _, made in found] == names[1:]
    assert all(each.state == "queued" for each, _ in found)


async def test_the_outbox_is_read_onward_and_waits(store: RedisStore) -> None:
    epoch = await lead(store)
    assert await store.read_outbox(ZERO_ID, 10, block_ms=1) == []
    await store.commit(step(0, 1, commands=[command("c1"), command("c2")]), epoch)
    first, second = await store.read_outbox(ZERO_ID, 10)
    assert (first.command, first.epoch) == (command("c1"), epoch)
    assert await store.read_outbox(first.entry, 10) == [second]
    assert await store.outbox_tail() == second.entry


async def test_the_outbox_is_trimmed_only_behind_open_commands(store: RedisStore) -> None:
    epoch = await lead(store)
    names = [f"c{i:04}" for i in range(500)]
    await store.commit(step(0, 1, commands=[command(name) for name in names]), epoch)
    assert await store.trim_outbox(keep_ms=-60_000) == 0
    await store.commit(step(1, 2, ended=dict.fromkeys(names[:450], "done")), epoch)
    assert await store.trim_outbox(keep_ms=-60_000) >= 300
    assert [made.command_id for _, made in await store.open_commands()] == names[450:]
    assert await store.trim_outbox(keep_ms=60_000) == 0
