"""What every connector must stand: sends that come again, that are cut off, that come too late. See ``WORLDS``."""

from __future__ import annotations

import asyncio
import json

import pytest

from connectors.base import Connector, ConnectorContext, OutgoingCommand, SendResult, SendStatus
from engine.errors import ConfigError
from engine.store.abc import Taken
from tests.support.worlds import WORLDS, Trouble, World
from tests.support.worlds.example import blocks
from tests.support.worlds.stage import Stage

IDS = [f"c{n}" for n in range(1, 6)]
#: A send that takes more turns of the event loop than that is cut off at these, not at each.
MANY_TURNS = 24
#: Sends that hang at once, more than any connector has connections; and how many are made again.
HANGING = 100
CHECKED = 10


def meeting(trouble: Trouble) -> pytest.MarkDecorator:
    """The connectors whose far sides can do that."""
    able = [name for name, world in WORLDS.items() if trouble not in world.cannot]
    return pytest.mark.parametrize("world", able, indirect=True)


def built(stage: Stage) -> Connector:
    """As the daemon builds it."""
    return stage.world.kind(stage.bench.surroundings(stage.world.name, stage.world.options()))


async def taken(stage: Stage, n: int) -> OutgoingCommand:
    """A command as dispatch hands it over."""
    if await stage.bench.store.dispatch_row(f"c{n}") is None:
        await stage.bench.commit(stage.command(n))
    answer = await stage.bench.store.take(f"c{n}", stage.bench.epoch)
    assert isinstance(answer, Taken)
    made = answer.command
    return OutgoingCommand(made.command_id, made.connector, made.verb, made.args, made.rule, "", None, 1, 1)


def is_an_answer(result: SendResult) -> bool:
    return result.status in SendStatus and json.loads(json.dumps(dict(result.detail))) == dict(result.detail)


async def test_a_send_takes_effect_and_is_answered_exactly(stage: Stage) -> None:
    connector = built(stage)
    await connector.start()
    result = await connector.send(await taken(stage, 1))
    assert is_an_answer(result)
    assert result.status.value in stage.world.success
    assert await stage.world.effects() == ["c1"]
    await connector.stop()


async def test_the_same_id_again_has_no_second_effect_not_even_in_the_next_life(stage: Stage) -> None:
    command = await taken(stage, 1)
    for _ in range(2):
        connector = built(stage)
        await connector.start()
        assert all(map(is_an_answer, [await connector.send(command) for _ in range(2)]))
        await connector.stop()
    assert await stage.world.effects() == ["c1"]


async def test_many_sends_at_once_do_not_mix(stage: Stage) -> None:
    connector = built(stage)
    await connector.start()
    commands = [await taken(stage, n) for n in range(10, 40)]
    answers = await asyncio.gather(*(connector.send(command) for command in commands))
    assert all(map(is_an_answer, answers))
    assert await stage.world.effects() == sorted(command.id for command in commands)
    await connector.stop()


async def test_a_send_cut_off_at_any_await_can_be_made_again(stage: Stage) -> None:
    connector = built(stage)
    await connector.start()
    ids: list[str] = []
    turns, was_done = 0, False
    while not was_done:
        turns += 1 if turns < MANY_TURNS else turns // 2
        command = await taken(stage, len(ids) + 1)
        ids.append(command.id)
        cut = asyncio.create_task(connector.send(command))
        for _ in range(turns):
            await asyncio.sleep(0)
        was_done = cut.done()
        cut.cancel()
        await asyncio.gather(cut, return_exceptions=True)
        assert is_an_answer(await connector.send(command))
    assert await stage.world.effects() == sorted(ids)
    await connector.stop()


async def test_it_can_be_stopped_right_after_sends_were_cut_off(stage: Stage) -> None:
    connector = built(stage)
    await connector.start()
    sends = [asyncio.create_task(connector.send(await taken(stage, n))) for n in range(5)]
    for send in sends:
        send.cancel()
    await asyncio.gather(*sends, return_exceptions=True)
    await connector.stop()
    assert set(await stage.world.effects()) <= {f"c{n}" for n in range(5)}


@meeting(Trouble.HANGS)
async def test_sends_that_hung_and_were_cut_off_over_and_over_leave_a_connector_that_can_send(stage: Stage) -> None:
    """More than it may have connections, files or threads."""
    connector = built(stage)
    await connector.start()
    commands = [await taken(stage, n) for n in range(1, HANGING + 1)]
    stage.world.meet(Trouble.HANGS, *(command.id for command in commands))
    for _ in range(2):
        hanging = [asyncio.create_task(connector.send(command)) for command in commands]
        await asyncio.wait(hanging, timeout=0.1)
        for each in hanging:
            each.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
    stage.world.mend()
    for command in commands[:CHECKED]:
        assert is_an_answer(await connector.send(command))
    assert set(await stage.world.effects()) >= {command.id for command in commands[:CHECKED]}
    await connector.stop()


@pytest.mark.parametrize("kind", [world.kind for world in WORLDS.values()])
def test_an_option_it_does_not_know_is_refused_with_a_hint(kind: type[Connector]) -> None:
    with pytest.raises(ConfigError) as caught:
        kind(ConnectorContext("mine", {"directori": "x"}))
    assert "'mine'" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("kind", WORLDS.values())
def test_of_each_trouble_it_is_said_why_a_connector_does_not_meet_it(kind: type[World]) -> None:
    assert all(kind.cannot.values())
    assert {Trouble.FAILS, Trouble.LOSES}.isdisjoint(kind.cannot), "these are never far"


def test_each_example_is_short() -> None:
    assert all(block.count("\n") < 60 for language in ("python", "toml", "yaml") for block in blocks(language))


# -- the same command again, behind dispatch ------------------------------------------------
async def test_commands_whose_answers_were_lost_have_one_effect_though_the_next_leader_sends_them_again(
    stage: Stage,
) -> None:
    stage.world.meet(Trouble.LOSES, *IDS)
    async with stage.dispatching(retry={"tries": "9", "base": "1h", "cap": "1h"}):
        await stage.bench.commit(*(stage.command(n) for n in range(1, 6)))
        while await stage.world.effects() != IDS:
            await stage.bench.store.time_ms()
    stage.world.mend()
    async with stage.dispatching():
        await stage.bench.until(lambda told: all(stage.told(name) & stage.world.success for name in IDS))
    assert await stage.world.effects() == IDS
    for name in IDS:
        assert stage.told(name) <= stage.world.success, "what may have left is not called failed"
        tries = stage.world.tries.of(name)
        assert [each.attempt for each in tries] == list(range(1, len(tries) + 1))
        assert [each.epoch for each in tries] == sorted(each.epoch for each in tries)


# -- expiry ---------------------------------------------------------------------------------
async def test_what_has_expired_in_the_queue_never_leaves_and_the_rest_is_told_when_it_expires(stage: Stage) -> None:
    now_ms = await stage.bench.store.time_ms()
    later_ms = now_ms + 3_600_000
    await stage.bench.commit(stage.command(1, expires_ms=now_ms - 1), stage.command(2, expires_ms=later_ms))
    async with stage.dispatching():
        await stage.ended("c1", "c2")
    assert stage.told("c1") == {"expired"}
    assert stage.world.tries.of("c1") == []
    assert await stage.world.effects() == ["c2"]
    (sent,) = stage.world.tries.of("c2")
    assert sent.expires_ms == later_ms
    assert await stage.world.expiry_at_receiver("c2") == later_ms


@pytest.mark.parametrize("how", ["expired", "withdrawn"])
async def test_what_lapses_between_two_tries_that_failed_ends_by_name_and_never_leaves(stage: Stage, how: str) -> None:
    stage.world.meet(Trouble.FAILS, "c1")
    expires_ms = await stage.bench.store.time_ms() + 400 if how == "expired" else None
    async with stage.dispatching(retry={"tries": "9", "base": "1h", "cap": "1h"}) as dispatch:
        await stage.bench.commit(stage.command(1, expires_ms=expires_ms))
        await stage.bench.eventually(lambda: bool(stage.world.tries.made) and dispatch.waiting[stage.world.name] == 1)
        if how == "withdrawn":
            await stage.bench.commit(withdrawn=("c1",))
        await stage.ended("c1")
        stage.world.mend()
    assert stage.told("c1") <= stage.world.lapsed & {how, "unknown"}
    assert len(stage.world.tries.made) == 1
    assert await stage.world.effects() == []


@pytest.mark.parametrize("how", ["expired", "withdrawn"])
async def test_what_lapses_after_its_answer_was_lost_is_never_said_not_to_have_left(stage: Stage, how: str) -> None:
    stage.world.meet(Trouble.LOSES, "c1")
    expires_ms = await stage.bench.store.time_ms() + 400 if how == "expired" else None
    async with stage.dispatching(retry={"tries": "9", "base": "1h", "cap": "1h"}):
        await stage.bench.commit(stage.command(1, expires_ms=expires_ms))
        while await stage.world.effects() != ["c1"]:
            await stage.bench.store.time_ms()
        await stage.bench.commit(withdrawn=("c1",) if how == "withdrawn" else ())
        await stage.ended("c1")
        stage.world.mend()
    assert stage.told("c1") == {stage.world.lost}
    assert await stage.world.effects() == ["c1"]
