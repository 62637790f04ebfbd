"""What every connector must stand: real daemons that are stopped and killed while sends are in flight. See ``WORLDS``.

All of them are in one daemon, so that it starts few times; and none may hold up another.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from engine.runtime.carrier import AFTER_RESULT, AFTER_SEND, AFTER_TAKE
from engine.store.redis_store import RedisStore
from tests.support.line import Line
from tests.support.worlds import WORLDS, Place
from tests.support.worlds.deployment import Deployment

ORDERS = 3
#: From being asked to stop until the process has ended: the drain, and what a stop takes beside.
STOP_S = 12


@pytest.fixture
async def deployment(
    request: pytest.FixtureRequest, tmp_path: Path, store: RedisStore, wire: Line
) -> AsyncIterator[Deployment]:
    """A daemon has put the rules in force, has committed the orders' commands, and was killed as it took the first."""
    async with AsyncExitStack() as opened:
        worlds = [kind(Place(tmp_path, store, wire, request.getfixturevalue)) for kind in WORLDS.values()]
        for world in worlds:
            await world.open()
            opened.push_async_callback(world.close)
        made = Deployment(tmp_path, f"redis://127.0.0.1:{wire.port}", store, worlds)
        opened.push_async_callback(made.end)
        life = await made.start(LOCKSTEP_CRASH_AT=f"{AFTER_TAKE}:1")
        await made.ready()
        await made.order(ORDERS)
        await life.wait()
        yield made


async def test_a_stop_in_flight_ends_in_time_and_the_next_start_sends_what_was_left(deployment: Deployment) -> None:
    hanging = await deployment.hang()
    life = await deployment.start()
    await deployment.until_in_flight(hanging, life)
    await deployment.stops(life, STOP_S)
    deployment.mend()
    life = await deployment.start()
    await deployment.until_over(life)
    await deployment.stops(life, STOP_S)
    await deployment.assert_each_has_one_effect()


async def test_kills_in_flight_and_between_any_two_steps_leave_one_effect_of_each_command(
    deployment: Deployment,
) -> None:
    hanging = await deployment.hang()
    for _ in range(2):
        life = await deployment.start()
        await deployment.until_in_flight(hanging, life)
        life.kill()
        await life.wait()
    deployment.mend()
    for place in (AFTER_SEND, AFTER_RESULT):
        await deployment.dies_at(f"{place}:4")
        await deployment.order(2)
    life = await deployment.start()
    await deployment.until_over(life)
    await deployment.stops(life, STOP_S)
    await deployment.assert_each_has_one_effect()
