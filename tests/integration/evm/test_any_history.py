"""Whatever a chain does and whenever the daemon dies: in the end what is believed is what stands on the chain."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from connectors.evm.abi import Event
from connectors.evm.node import Node
from tests.integration.evm.test_events import deposit
from tests.support.anvil import Anvil
from tests.support.believing import CutOffError
from tests.support.contracts import compiled
from tests.support.evm_watch import DEPOSITED, Watched, deposits
from tests.support.flaky_node import FlakyNode

Watching = Callable[..., Watched]
CONFIRMATIONS = 5


def on_chain(anvil: Anvil, bridge: str) -> dict[str, tuple[str, str, str]]:
    """Every deposit: id → block hash, amount, the depth that is told in the end."""
    head = anvil.height
    logs = anvil.rpc("eth_getLogs", {"address": bridge, "fromBlock": "0x0", "toBlock": "latest"})
    return {
        f"alpha:{log['transactionHash']}:{int(log['logIndex'], 16)}": (
            log["blockHash"],
            str(Event.of(DEPOSITED).decode(log["topics"], log["data"])["amount"]),
            str(min(head - int(log["blockNumber"], 16) + 1, CONFIRMATIONS)),
        )
        for log in logs
    }


def believed(watched: Watched) -> dict[str, tuple[str, str, str]]:
    return {
        fact["id"]: (fact["block_hash"], fact["amount"], fact["depth"]) for fact in watched.notebook.facts("transfer")
    }


async def look_and_perhaps_die(watched: Watched, chance: Random) -> None:
    """Looks; in one of three times the daemon is killed at one of the writes, and begun again."""
    if chance.random() < 0.33:
        watched.notebook.cut_at = watched.notebook.writes + chance.randrange(3)
    try:
        await watched.look()
    except CutOffError:
        await watched.restart()
    watched.notebook.cut_at = None
    if chance.random() < 0.1:
        await watched.restart()


def something_happens(anvil: Anvil, bridge: str, chance: Random, number: int) -> None:
    """Blocks come, with deposits or without; some go."""
    match chance.choices(["mine", "deposit", "reorg", "replace"], [3, 4, 2, 1])[0]:
        case "mine":
            anvil.mine(chance.randrange(1, 12))
        case "deposit":
            for _ in range(chance.randrange(1, 4)):
                deposit(anvil, bridge, f"I{number}", number)
            anvil.mine()
        case "reorg":
            anvil.reorg(chance.randrange(1, 11))
        case "replace":
            anvil.rollback(chance.randrange(1, 11))
            deposit(anvil, bridge, f"R{number}", number)
            anvil.mine(chance.randrange(1, 14))


@pytest.mark.parametrize("seed", range(4))
async def test_in_the_end_what_is_believed_is_what_stands_on_the_chain(
    anvil: Anvil, watching: Watching, seed: int
) -> None:
    chance = Random(seed)
    bridge = anvil.deploy(compiled("bridge").bytecode)
    anvil.mine(40)
    watched = watching(events=[deposits(bridge, str(CONFIRMATIONS))], window="40", range="7", gone_after="1h")
    for number in range(25):
        something_happens(anvil, bridge, chance, number)
        if chance.random() < 0.7:
            await look_and_perhaps_die(watched, chance)
    anvil.mine(12)
    await watched.look(2)
    assert believed(watched) == on_chain(anvil, bridge)
    assert watched.notebook.refused == []
    assert watched.notebook.facts("incident") == []


@pytest.mark.parametrize("seed", range(4))
async def test_a_node_that_often_answers_nonsense_delays_what_is_told_and_changes_none_of_it(
    anvil: Anvil, watching: Watching, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    chance = Random(seed)
    bridge = anvil.deploy(compiled("bridge").bytecode)
    anvil.mine(40)
    watched = watching(events=[deposits(bridge, str(CONFIRMATIONS))], window="40", range="7", gone_after="1h")
    watched.make_node = lambda url, timeout_ms, _: FlakyNode(url, timeout_ms, chance, one_in=4)
    for number in range(25):
        something_happens(anvil, bridge, chance, number)
        await look_and_perhaps_die(watched, chance)
    anvil.mine(12)
    watched.make_node = Node
    await watched.restart()
    await watched.look(2)
    assert believed(watched) == on_chain(anvil, bridge)
    assert watched.notebook.refused == []
    assert not any(incident["open"] for incident in watched.notebook.facts("incident"))
    assert "cannot be told" not in caplog.text
