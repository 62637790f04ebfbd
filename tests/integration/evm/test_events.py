"""Contract events as facts: mapped by configuration alone, counted in depth, told once whenever the daemon dies."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.evm.node import Json, Node
from engine.errors import ConfigError
from tests.support.anvil import Anvil
from tests.support.believing import CutOffError
from tests.support.contracts import call, compiled
from tests.support.evm_watch import PAID, Watched, deposits

Watching = Callable[..., Watched]


def intent(name: str) -> str:
    """An intent's id as a contract carries it."""
    return "0x" + name.encode().hex().ljust(64, "0")


def deposit(anvil: Anvil, bridge: str, name: str, amount: int = 5) -> str:
    """Sends a deposit, which waits for the next block; its hash."""
    return anvil.transact(bridge, call("deposit(bytes32,uint256,uint256)", intent(name), amount, 9))


@pytest.fixture
def bridge(anvil: Anvil) -> str:
    return anvil.deploy(compiled("bridge").bytecode)


async def test_an_event_becomes_the_fact_that_the_configuration_says(
    anvil: Anvil, bridge: str, watching: Watching
) -> None:
    tx = deposit(anvil, bridge, "I1", 2**255 + 1)
    anvil.mine()
    watched = watching(events=[deposits(bridge)])
    await watched.look()
    block = anvil.block()
    assert watched.notebook.fact("transfer") == {
        "id": f"alpha:{tx}:0",
        "intent": "I1",
        "purpose": "bridge",
        "asset": "usdc",
        "amount": str(2**255 + 1),
        "state": "in_flight",
        "network": "alpha",
        "source": "alpha",
        "target": "chain-9",
        "depth": "1",
        "height": "2",
        "log_index": "0",
        "chain_time": str(int(block["timestamp"], 16) * 1_000),
        "block_hash": block["hash"],
        "tx": tx,
        "sender": anvil.accounts[0],
    }


async def test_depth_is_counted_as_blocks_come_and_then_left_alone(
    anvil: Anvil, bridge: str, watching: Watching
) -> None:
    watched = watching(events=[deposits(bridge, confirmations="3")])
    deposit(anvil, bridge, "I1")
    for _ in range(6):
        anvil.mine()
        await watched.look(2)
    assert [fact["depth"] for fact in watched.notebook.said("assert", "transfer")] == ["1", "2", "3"]


async def test_depth_may_be_told_in_steps(anvil: Anvil, bridge: str, watching: Watching) -> None:
    mapping = {**deposits(bridge), "confirmations": ["2", "5"]}
    watched = watching(events=[mapping])
    deposit(anvil, bridge, "I1")
    for _ in range(8):
        anvil.mine()
        await watched.look()
    assert [fact["depth"] for fact in watched.notebook.said("assert", "transfer")] == ["1", "2", "5"]


async def test_depth_goes_on_counting_after_a_restart(anvil: Anvil, bridge: str, watching: Watching) -> None:
    watched = watching(events=[deposits(bridge, confirmations="4")])
    deposit(anvil, bridge, "I1")
    anvil.mine(2)
    await watched.look()
    await watched.restart()
    anvil.mine(5)
    await watched.look()
    assert watched.notebook.fact("transfer")["depth"] == "4"


async def test_blocks_that_may_still_be_reorganised_are_asked_by_their_hash_also_after_a_restart(
    anvil: Anvil, bridge: str, watching: Watching
) -> None:
    class Asked(Node):
        async def call(self, method: str, *params: Json) -> Json:
            # Behind a load balancer a node that lacks a block would answer a range with nothing, and be believed.
            assert method != "eth_getLogs", params
            return await super().call(method, *params)

    watched = watching(events=[deposits(bridge, confirmations="6")])
    watched.make_node = Asked
    deposit(anvil, bridge, "I1")
    anvil.mine(3)
    await watched.look()
    await watched.restart()
    anvil.mine(2)
    await watched.look()
    assert watched.notebook.fact("transfer")["depth"] == "5"


async def test_blocks_that_came_while_nobody_looked_are_caught_up_with(
    anvil: Anvil, bridge: str, watching: Watching
) -> None:
    watched = watching(events=[deposits(bridge)], window="8", range="5")
    await watched.look()
    await watched.restart()
    for number in range(40):
        deposit(anvil, bridge, f"I{number}")
        anvil.mine()
    await watched.look()
    told = [fact["intent"] for fact in watched.notebook.said("assert", "transfer") if fact["depth"] == "1"]
    assert sorted({fact["intent"] for fact in watched.notebook.facts("transfer")}) == sorted(
        f"I{number}" for number in range(40)
    )
    assert told == ["I39"]
    assert len(watched.notebook.said("assert", "transfer")) == 40
    states = [fact["state"] for fact in watched.notebook.said("assert", "network")]
    assert set(states) == {"ok", "catching_up"}
    assert states[-1] == "ok"


async def test_logs_too_long_for_one_answer_are_asked_for_in_smaller_ranges(
    anvil: Anvil, bridge: str, watching: Watching
) -> None:
    asked: list[int] = []

    class Counted(Node):
        async def call(self, method: str, *params: Json) -> Json:
            if method == "eth_getLogs":
                asked.append(int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1)
            return await super().call(method, *params)

    watched = watching(events=[deposits(bridge)], window="8")
    watched.make_node = lambda url, timeout_ms, _: Counted(url, timeout_ms, 8_000)
    await watched.look()
    for number in range(40):
        deposit(anvil, bridge, f"I{number}")
        anvil.mine()
    await watched.look()
    assert len({fact["intent"] for fact in watched.notebook.facts("transfer")}) == 40
    assert asked[0] > 30 > max(asked[-3:])


async def test_a_start_at_the_latest_block_tells_nothing_older(anvil: Anvil, bridge: str, watching: Watching) -> None:
    deposit(anvil, bridge, "old")
    anvil.mine(3)
    watched = watching(events=[deposits(bridge)], start="latest")
    await watched.look()
    deposit(anvil, bridge, "new")
    anvil.mine()
    await watched.look()
    assert watched.notebook.fact("transfer")["intent"] == "new"


@pytest.mark.parametrize("many", [950, 3])
async def test_a_daemon_killed_at_any_write_tells_each_event_once(
    anvil: Anvil, bridge: str, watching: Watching, many: int
) -> None:
    for account in (0, 1):
        anvil.transact(bridge, call("depositMany(uint256)", many), account=account)
    anvil.mine(3)
    deposit(anvil, bridge, "last")
    anvil.mine(2)
    mapping = {**deposits(bridge), "confirmations": []}
    mapping["fields"] = {**mapping["fields"], "intent": "=event.intent", "depth": "1"}
    watched = watching(events=[mapping], range="4", window="8")
    for cut in range(100):
        watched.notebook.cut_at = cut
        try:
            await watched.look()
        except CutOffError:
            await watched.restart()
        else:
            break
    told = [(fact["block_hash"], fact["log_index"]) for fact in watched.notebook.said("assert", "transfer")]
    assert len(told) == len(set(told))
    assert len(told) == 2 * many + 1
    assert {fact["amount"] for fact in watched.notebook.facts("transfer")} == {str(n + 1) for n in range(many)} | {"5"}


async def test_an_event_is_taken_only_with_the_wanted_arguments(anvil: Anvil, bridge: str, watching: Watching) -> None:
    mapping = {**deposits(bridge), "where": {"intent": [intent("I1"), intent("I3")], "amount": "7"}}
    watched = watching(events=[mapping])
    for name, amount in (("I1", 7), ("I2", 7), ("I3", 8)):
        deposit(anvil, bridge, name, amount)
    anvil.mine()
    await watched.look()
    assert watched.notebook.fact("transfer")["intent"] == "I1"


async def test_an_older_event_never_overwrites_a_newer_one_of_its_key(
    anvil: Anvil, bridge: str, watching: Watching
) -> None:
    left = deposits(bridge, confirmations="6")
    left["fields"] = {**left["fields"], "id": "=text(event.intent)"}
    fields = {
        "id": "=text(event.intent)",
        "asset": "usdc",
        "amount": "=event.amount",
        "state": "arrived",
        "network": "=log.network",
        "depth": "=log.depth",
        "block_hash": "=log.block_hash",
    }
    arrived = {"event": PAID, "address": bridge, "kind": "transfer", "confirmations": "6", "fields": fields}
    watched = watching(events=[left, arrived])
    deposit(anvil, bridge, "I1")
    anvil.mine()
    await watched.look()
    anvil.transact(bridge, call("pay(bytes32,address,uint256)", intent("I1"), anvil.accounts[1], 5))
    for _ in range(3):
        anvil.mine()
        await watched.look()
    assert watched.notebook.fact("transfer")["state"] == "arrived"
    assert watched.notebook.fact("transfer")["depth"] == "3"


async def test_a_table_translates_what_a_contract_calls_by_number(
    anvil: Anvil, bridge: str, watching: Watching
) -> None:
    mapping = deposits(bridge)
    mapping["fields"] = {**mapping["fields"], "target": "=networks[event.target]"}
    mapping["lookup"] = {"networks": {"9": "beta", "*": "unknown"}}
    watched = watching(events=[mapping])
    deposit(anvil, bridge, "I1")
    anvil.mine()
    await watched.look()
    assert watched.notebook.fact("transfer")["target"] == "beta"


async def test_an_event_that_cannot_be_a_fact_holds_up_no_other(anvil: Anvil, bridge: str, watching: Watching) -> None:
    watched = watching(events=[deposits(bridge)])
    unreadable = "0x" + "ff" * 32
    anvil.transact(bridge, call("deposit(bytes32,uint256,uint256)", unreadable, 1, 9))
    deposit(anvil, bridge, "I2")
    anvil.mine()
    await watched.look()
    assert watched.notebook.fact("transfer")["intent"] == "I2"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"event": "Deposited(bytes32"}, "options.watch.events.0.event"),
        ({"fields": {"id": "=event.amonut"}}, "there it has intent, sender, amount, target"),
        ({"fields": {"id": "=log.hash"}}, "it has network, address, block_hash"),
        ({"fields": {"id": "=event.amount + 1"}}, "neither event.NAME"),
        ({"fields": {"id": "{event.amount"}}, "a brace stands alone"),
        ({"fields": {"id": "=upper(event.amount)"}}, "there is no function 'upper'"),
        ({"fields": {"id": "=names[event.amount]"}}, "there is no table 'names'"),
        ({"confirmations": []}, "nothing says how far"),
        ({"key": ["nonesuch"]}, "there is no field 'nonesuch'"),
        ({"key": ["depth"]}, "reads log.depth"),
        ({"key": []}, "its key is not known"),
        ({"where": {"amount": "1.5"}}, "is no whole number"),
        ({"where": {"nonesuch": "1"}}, "no plain argument 'nonesuch'"),
    ],
)
async def test_a_mapping_that_cannot_work_is_refused_with_its_place(
    anvil: Anvil, watching: Watching, change: dict[str, object], said: str
) -> None:
    watched = watching(events=[{**deposits("0x" + "11" * 20), **change}])
    with pytest.raises(ConfigError) as caught:
        await watched._begin()
    assert caught.value.code == "C132"
    assert said in str(caught.value)
    assert caught.value.hint
