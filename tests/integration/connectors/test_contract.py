"""What every connector must stand. A new one joins by an entry in ``CASES``."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Connector, ConnectorContext, OutgoingCommand, SendResult, SendStatus
from connectors.evm import EvmConnector
from connectors.evm.abi import keccak_hex
from connectors.http import HttpConnector
from connectors.log import LogConnector
from connectors.redis import RedisConnector
from engine.errors import ConfigError
from engine.runtime.notebooks import DurableNotebook
from engine.store.abc import Taken
from tests.support.anvil import Anvil
from tests.support.contracts import call, compiled
from tests.support.dispatching import Bench, outgoing
from tests.support.receiver import Receiver, receiving
from tests.support.sending import KEY, KEY_VARIABLE

README = Path(__file__).parents[3] / "connectors" / "README.md"


class World:
    """A connector under test, how a command comes to it, and what its receiver has got."""

    def __init__(self, connector: Connector, effects: Callable[[], Awaitable[list[str]]]) -> None:
        self.connector = connector
        self.effects = effects

    async def taken(self, n: int) -> OutgoingCommand:
        """A command as dispatch hands it over."""
        command = outgoing(n, self.connector.name)
        return OutgoingCommand(command.command_id, command.connector, command.verb, command.args, command.rule, epoch=1)


def example() -> type[Connector]:
    """The connector of the README, run as it stands there."""
    code = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[0]
    names: dict[str, Any] = {}
    exec(compile(code, str(README), "exec"), names)  # noqa: S102 - the example is ours
    made: type[Connector] = names["SpoolConnector"]
    return made


def of_spool(tmp_path: Path, bench: Bench, caplog: pytest.LogCaptureFixture) -> World:
    async def effects() -> list[str]:
        return await asyncio.to_thread(lambda: sorted(p.stem for p in tmp_path.glob("spool/*.json")))

    return World(example()(ConnectorContext("desk", {"directory": str(tmp_path / "spool")})), effects)


def of_log(tmp_path: Path, bench: Bench, caplog: pytest.LogCaptureFixture) -> World:
    caplog.set_level(logging.INFO, "lockstep.connector.log")

    async def effects() -> list[str]:
        return sorted({record.__dict__["command"] for record in caplog.records if "command" in record.__dict__})

    return World(LogConnector(ConnectorContext("log")), effects)


def of_redis(tmp_path: Path, bench: Bench, caplog: pytest.LogCaptureFixture | None) -> World:
    async def sink(command: OutgoingCommand) -> bool:
        return await bench.store.send_redis(command.id, command.connector, command.epoch) == "sent"

    async def effects() -> list[str]:
        rows = await bench.store._wire.call("XRANGE", bench.store.keys.commands("executor"), "-", "+")
        return sorted(fields[1].decode() for _, fields in rows)

    class Queued(World):
        async def taken(self, n: int) -> OutgoingCommand:
            if await bench.store.dispatch_row(f"c{n}") is None:
                await bench.commit(outgoing(n))
            assert isinstance(await bench.store.take(f"c{n}", bench.epoch), Taken)
            return await super().taken(n)

    return Queued(RedisConnector(ConnectorContext("executor", {}, sink)), effects)


def of_evm(anvil: Anvil, bench: Bench) -> World:
    """Its notebook is the real one; an effect is what the contract counts under a command's id, once a block comes."""
    purse = anvil.deploy(compiled("purse").creation())

    async def no_lag() -> int:
        return 0

    async def effects() -> list[str]:
        anvil.mine()
        found = []
        for name in (f"c{n}" for n in range(40)):
            asked = call("times(bytes32)", keccak_hex(name.encode()))
            times = int(await asyncio.to_thread(anvil.rpc, "eth_call", {"to": purse, "data": asked}, "latest"), 16)
            found += [name] * times
        return sorted(found)

    bridge = {
        "contract": purse,
        "function": "pay(bytes32 id, address to, uint256 amount)",
        "args": {"id": "@command", "to": "@sender", "amount": {"literal": "1"}},
    }
    send = {"key": {"env": KEY_VARIABLE}, "fees": {"max_fee": "100 gwei"}, "calls": {"bridge": bridge}}
    options = {"network": "eth", "chain_id": "31337", "node": {"url": anvil.url}, "send": send}
    notebook = DurableNotebook(bench.store, "eth", bench.epoch, no_lag)
    return World(EvmConnector(ConnectorContext("eth", options, notebook=notebook)), effects)


def of_http(receiver: Receiver) -> World:
    """An effect is what a receiver that honours ids does once for each."""

    async def effects() -> list[str]:
        return receiver.ids

    options = {"url": f"http://127.0.0.1:{receiver.port}/", "allow": ["127.0.0.1"]}
    return World(HttpConnector(ConnectorContext("desk", options)), effects)


CASES = {"log": of_log, "redis": of_redis, "the example of the README": of_spool}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@pytest.fixture(params=[*CASES, "evm", "http"])
async def world(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    bench: Bench,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    match request.param:
        case "evm":
            made = of_evm(request.getfixturevalue("anvil"), bench)
        case "http":
            made = of_http(receiver)
        case _:
            made = CASES[request.param](tmp_path, bench, caplog)
    await made.connector.start()
    return made


def is_an_answer(result: SendResult) -> bool:
    return result.status in SendStatus and json.loads(json.dumps(dict(result.detail))) == dict(result.detail)


async def test_a_send_takes_effect_and_is_answered_exactly(world: World) -> None:
    result = await world.connector.send(await world.taken(1))
    assert is_an_answer(result)
    assert result.status in (SendStatus.SENT, SendStatus.SUBMITTED, SendStatus.DONE)
    assert await world.effects() == ["c1"]
    await world.connector.stop()


async def test_the_same_id_again_has_no_second_effect(world: World) -> None:
    command = await world.taken(1)
    answers = [await world.connector.send(command) for _ in range(3)]
    assert all(map(is_an_answer, answers))
    assert await world.effects() == ["c1"]
    await world.connector.stop()


async def test_many_sends_at_once_do_not_mix(world: World) -> None:
    commands = [await world.taken(n) for n in range(10, 40)]
    answers = await asyncio.gather(*(world.connector.send(command) for command in commands))
    assert all(map(is_an_answer, answers))
    assert await world.effects() == sorted(command.id for command in commands)
    await world.connector.stop()


async def test_a_send_cut_off_at_any_moment_can_be_made_again(world: World) -> None:
    command = await world.taken(1)
    for turns in range(6):
        cut = asyncio.create_task(world.connector.send(command))
        for _ in range(turns):
            await asyncio.sleep(0)
        cut.cancel()
        await asyncio.gather(cut, return_exceptions=True)
    assert is_an_answer(await world.connector.send(command))
    assert await world.effects() == ["c1"]
    await world.connector.stop()


async def test_it_can_be_stopped_right_after_sends_were_cut_off(world: World) -> None:
    sends = [asyncio.create_task(world.connector.send(await world.taken(n))) for n in range(5)]
    for send in sends:
        send.cancel()
    await asyncio.gather(*sends, return_exceptions=True)
    await world.connector.stop()
    assert set(await world.effects()) <= {f"c{n}" for n in range(5)}


@pytest.mark.parametrize("kind", [LogConnector, RedisConnector, EvmConnector, HttpConnector, example()])
def test_an_option_it_does_not_know_is_refused_with_a_hint(kind: type[Connector]) -> None:
    with pytest.raises(ConfigError) as caught:
        kind(ConnectorContext("mine", {"directori": "x"}))
    assert "'mine'" in caught.value.message
    assert caught.value.hint


def test_the_example_is_short() -> None:
    blocks = re.findall(r"```(?:python|toml|yaml)\n(.*?)```", README.read_text(), re.DOTALL)
    assert sum(block.count("\n") for block in blocks) < 60


async def test_redis_sends_nothing_that_is_not_its_to_send(bench: Bench) -> None:
    world = of_redis(Path(), bench, None)
    withdrawn = await world.taken(1)
    await bench.commit(withdrawn=("c1",))
    fenced = await world.taken(2)
    await bench.lead()
    for command in (withdrawn, fenced):
        assert (await world.connector.send(command)).status is SendStatus.WITHHELD
    assert await world.effects() == []
