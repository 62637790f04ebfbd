"""What every connector must stand: far sides that hang, and stops while sends are in flight. See ``WORLDS``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from engine.runtime import lane
from engine.runtime.dispatch import Dispatch
from tests.support import dispatching
from tests.support.dispatching import outgoing
from tests.support.worlds import Trouble
from tests.support.worlds.stage import BESIDE, Stage

AT_ONCE = 8
ROOM = 50
#: Commands for the connector beside; none of them waits for the one that hangs.
OTHERS = 100


def can_hang(stage: Stage) -> bool:
    """Where the far side cannot, an operator's pause is what holds commands back."""
    return Trouble.HANGS not in stage.world.cannot


@asynccontextmanager
async def held(stage: Stage, ids: list[str], **limits: Any) -> AsyncIterator[Dispatch]:  # noqa: ANN401 - as in the file
    """Dispatch runs inside, and no command comes back from the connector under test before ``let_go``."""
    if can_hang(stage):
        stage.world.meet(Trouble.HANGS, *ids)
    else:
        stage.bench.paused.add(f"connector:{stage.world.name}")
    async with stage.dispatching(concurrency=str(AT_ONCE), **limits) as dispatch:
        yield dispatch


def let_go(stage: Stage) -> None:
    stage.world.mend()
    stage.bench.paused.clear()
    if stage.bench.dispatch is not None:
        stage.bench.dispatch.wake()


async def press(stage: Stage, crowd: int) -> None:
    """So many commands while the far side hangs, others beside them; then it goes on."""
    ids = [f"c{n}" for n in range(1, crowd + 1)]
    beside = {f"c{n}" for n in range(100_001, 100_001 + OTHERS)}
    async with held(stage, ids, timeout="60s") as dispatch:
        for start in range(0, crowd, 500):
            await stage.bench.commit(*(stage.command(n) for n in range(start + 1, min(start + 500, crowd) + 1)))
        await stage.bench.commit(*(outgoing(n, BESIDE) for n in range(100_001, 100_001 + OTHERS)))
        await stage.ended(*beside)
        await stage.bench.eventually(lambda: not can_hang(stage) or stage.world.tries.at_once == AT_ONCE)
        assert not {result.command for result in stage.bench.results} & set(ids)
        assert dispatch.waiting[stage.world.name] <= lane.MAX_WAITING
        let_go(stage)
        await stage.ended(*ids)
    assert await stage.world.effects() == sorted(ids)
    assert stage.world.tries.most_at_once <= AT_ONCE
    assert len(stage.world.tries.made) <= crowd + (0 if stage.world.resumes else AT_ONCE)
    assert all(stage.told(name) <= stage.world.success for name in ids)


async def test_a_far_side_that_hangs_holds_up_its_own_commands_alone_and_loses_none(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "MAX_WAITING", ROOM)
    await press(stage, stage.world.crowd)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("world", ["http", "redis"], indirect=True)
async def test_ten_thousand_commands_for_a_far_side_that_hangs_are_all_carried_out_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "PATIENCE_S", 500)
    await press(stage, 10_500)


async def test_a_stop_waits_for_sends_in_flight_as_long_as_drain_says(stage: Stage) -> None:
    async with held(stage, ["c1", "c2"]) as dispatch:
        dispatch._settings = dispatch._settings.model_copy(
            update={"dispatch": type(dispatch._settings.dispatch).model_validate({"drain": "20s"})}
        )
        await stage.bench.commit(stage.command(1), stage.command(2))
        await stage.bench.eventually(lambda: not can_hang(stage) or stage.world.tries.at_once == 2)
        if not can_hang(stage):
            let_go(stage)
            await stage.ended("c1", "c2")
        dispatch.stop()
        let_go(stage)
    if not stage.world.resumes:
        async with stage.dispatching():
            await stage.ended("c1", "c2")
    await stage.ended("c1", "c2")
    assert len(stage.world.tries.made) <= (2 if stage.world.resumes else 4)
    assert await stage.world.effects() == ["c1", "c2"]


async def test_what_a_stop_cuts_off_is_sent_by_the_next_start_under_its_id(stage: Stage) -> None:
    ids = [f"c{n}" for n in range(1, AT_ONCE + 4)]
    async with held(stage, ids):
        await stage.bench.commit(*(stage.command(n) for n in range(1, len(ids) + 1)))
        await stage.bench.eventually(lambda: not can_hang(stage) or stage.world.tries.at_once == AT_ONCE)
    await stage.bench.read()
    assert stage.bench.results == []
    cut = {each.id for each in stage.world.tries.made}
    assert len(cut) == (AT_ONCE if can_hang(stage) else 0)
    let_go(stage)
    async with stage.dispatching():
        await stage.ended(*ids)
    assert await stage.world.effects() == sorted(ids)
    for name in ids:
        assert stage.told(name) <= stage.world.success
        tries = stage.world.tries.of(name)
        assert [each.attempt for each in tries] == list(range(1, len(tries) + 1))
