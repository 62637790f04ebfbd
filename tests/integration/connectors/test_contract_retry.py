"""What every connector must stand: receivers that fail for now, and answers that are lost. See ``WORLDS``."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.base import OutgoingCommand
from engine.runtime.retry import RetryPolicy
from tests.support.worlds import WORLDS, Trouble
from tests.support.worlds.stage import Stage

BASE_MS = 40


def meeting(trouble: Trouble) -> pytest.MarkDecorator:
    """The connectors whose far sides can do that."""
    able = [name for name, world in WORLDS.items() if trouble not in world.cannot]
    return pytest.mark.parametrize("world", able, indirect=True)


def mend_at(stage: Stage, number: int) -> None:
    """All is well from that try on, of all commands together."""

    def before(command: OutgoingCommand) -> None:
        if len(stage.world.tries.made) == number:
            stage.world.mend()

    stage.world.tries.before = before


async def test_what_failed_for_now_is_tried_again_after_longer_and_longer_waits(stage: Stage) -> None:
    stage.world.meet(Trouble.FAILS, "c1")
    mend_at(stage, 3)
    async with stage.dispatching(retry={"tries": "3", "base": f"{BASE_MS}ms", "cap": "1h"}):
        await stage.bench.commit(stage.command(1))
        await stage.ended("c1")
    assert stage.told("c1") <= stage.world.success
    assert await stage.world.effects() == ["c1"]
    assert [(each.id, each.attempt) for each in stage.world.tries.made] == [("c1", 1), ("c1", 2), ("c1", 3)]
    policy = RetryPolicy(3, BASE_MS, 3_600_000)
    first, second, third = stage.world.tries.at_ms
    assert second - first >= (policy.wait_ms("c1", 1) or 0) >= BASE_MS // 2
    assert third - second >= (policy.wait_ms("c1", 2) or 0) >= BASE_MS


async def test_when_no_try_is_left_it_ends_by_name(stage: Stage) -> None:
    stage.world.meet(Trouble.FAILS, "c1")
    if not stage.world.used_up:
        mend_at(stage, 5)
    async with stage.dispatching(retry={"tries": "2", "base": "1ms", "cap": "2ms"}):
        await stage.bench.commit(stage.command(1))
        await stage.ended("c1")
    if stage.world.used_up:
        assert (stage.told("c1"), len(stage.world.tries.made)) == ({stage.world.used_up}, 2)
        assert await stage.world.effects() == []
    else:
        assert (frozenset(stage.told("c1")), len(stage.world.tries.made)) == (stage.world.success, 5)
        assert await stage.world.effects() == ["c1"]


@meeting(Trouble.REFUSES)
async def test_a_refusal_ends_it_at_once(stage: Stage) -> None:
    stage.world.meet(Trouble.REFUSES, "c1")
    async with stage.dispatching():
        await stage.bench.commit(stage.command(1))
        await stage.ended("c1")
    assert (stage.told("c1"), len(stage.world.tries.made)) == ({"refused"}, 1)
    assert await stage.world.effects() == []


async def test_a_far_side_that_keeps_failing_is_left_alone_until_one_probe_finds_it_well(stage: Stage) -> None:
    """Three tries open the breaker, the fourth is a probe that fails, the fifth one that does not."""
    stage.world.meet(Trouble.FAILS, "c1", "c2", "c3")
    mend_at(stage, 5)
    breaker = {"failures": "3", "cool_down": "200ms"}
    # One at a time: a try that is slow to fail would else still be under way when all is well again.
    one_by_one: dict[str, Any] = {"concurrency": "1", "breaker": breaker}
    async with stage.dispatching(retry={"tries": "9", "base": "1ms", "cap": "1ms"}, **one_by_one):
        await stage.bench.commit(*(stage.command(n) for n in (1, 2, 3)))
        await stage.ended("c1", "c2", "c3")
    assert await stage.world.effects() == ["c1", "c2", "c3"]
    assert len(stage.world.tries.made) == 7
    at_ms = stage.world.tries.at_ms
    assert at_ms[3] - at_ms[2] >= 200
    assert at_ms[4] - at_ms[3] >= 200


async def test_a_lost_answer_is_unknown_whatever_happens_to_the_command_afterwards(stage: Stage) -> None:
    stage.world.meet(Trouble.LOSES, "c1")
    async with stage.dispatching(retry={"tries": "1"}):
        await stage.bench.commit(stage.command(1, expires_ms=await stage.bench.store.time_ms() + 300))
        await stage.ended("c1")
        assert await stage.world.effects() == ["c1"]
        stage.world.mend()
        await stage.bench.commit(withdrawn=("c1",))
        # One that expires later has been told of: so there was time to tell of the first.
        await stage.bench.commit(stage.command(2, expires_ms=await stage.bench.store.time_ms() - 1))
        await stage.ended("c1", "c2")
    async with stage.dispatching():
        await stage.bench.commit(stage.command(3))
        await stage.ended("c3")
    assert stage.told("c1") <= {stage.world.lost, "sent"}
    assert stage.bench.statuses("c1")[0] == stage.world.lost
    assert (await stage.world.effects())[:1] == ["c1"]


async def test_later_failures_do_not_make_a_lost_answer_a_failure(stage: Stage) -> None:
    stage.world.meet(Trouble.LOSES, "c1")

    def before(command: OutgoingCommand) -> None:
        if command.attempt == 2:
            stage.world.mend()
            stage.world.meet(Trouble.FAILS, "c1")

    stage.world.tries.before = before
    async with stage.dispatching(retry={"tries": "3", "base": "1ms", "cap": "1ms"}):
        await stage.bench.commit(stage.command(1))
        await stage.ended("c1")
        stage.world.mend()
    assert stage.told("c1") == {stage.world.lost}
    assert await stage.world.effects() == ["c1"]


async def test_a_later_try_settles_a_lost_answer(stage: Stage) -> None:
    stage.world.meet(Trouble.LOSES, "c1")
    mend_at(stage, 2)
    async with stage.dispatching():
        await stage.bench.commit(stage.command(1))
        await stage.ended("c1")
    assert stage.told("c1") <= stage.world.success
    assert await stage.world.effects() == ["c1"]
