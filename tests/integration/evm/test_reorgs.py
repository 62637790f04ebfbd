"""Reorganisations: what stood on a removed block goes, what still stands stays, what came instead is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.clock import wall_ms
from tests.integration.evm.test_events import deposit, intent
from tests.support.anvil import Anvil
from tests.support.believing import CutOffError
from tests.support.contracts import call, compiled
from tests.support.evm_watch import PAID, Watched, deposits

Watching = Callable[..., Watched]


@pytest.fixture
def bridge(anvil: Anvil) -> str:
    return anvil.deploy(compiled("bridge").bytecode)


def intents(watched: Watched) -> set[str]:
    return {fact["intent"] for fact in watched.notebook.facts("transfer")}


@pytest.mark.parametrize("depth", [1, 2, 10])
async def test_exactly_what_stood_on_removed_blocks_is_retracted(
    anvil: Anvil, bridge: str, watching: Watching, depth: int
) -> None:
    watched = watching(events=[deposits(bridge, confirmations="12")])
    hashes = []
    for number in range(12):
        deposit(anvil, bridge, f"I{number}")
        anvil.mine()
        hashes.append(anvil.block()["hash"])
        await watched.look()
    anvil.reorg(depth)
    await watched.look()
    (reorg,) = watched.notebook.said("reorg")
    assert reorg["network"] == "alpha"
    assert reorg["removed"] == hashes[-depth:]
    assert reorg["added"] == [anvil.block(n)["hash"] for n in range(14 - depth, 14)]
    assert intents(watched) == {f"I{number}" for number in range(12 - depth)}
    assert watched.notebook.fact("network")["block_hash"] == anvil.block()["hash"]
    assert watched.notebook.refused == []
    for fact in watched.notebook.facts("transfer"):
        assert fact["depth"] == str(min(13 - int(fact["height"]) + 1, 12))


async def test_a_reorganisation_while_nobody_looked_is_found_after_the_restart(
    anvil: Anvil, bridge: str, watching: Watching
) -> None:
    watched = watching(events=[deposits(bridge)])
    deposit(anvil, bridge, "I1")
    anvil.mine(2)
    await watched.look()
    await watched.restart()
    anvil.reorg(2)
    deposit(anvil, bridge, "I2")
    anvil.mine(5)
    await watched.look()
    assert intents(watched) == {"I2"}


async def test_a_daemon_killed_at_any_write_of_a_reorganisation_ends_at_the_same_belief(
    anvil: Anvil, bridge: str, watching: Watching
) -> None:
    watched = watching(events=[deposits(bridge)])
    for number in range(4):
        deposit(anvil, bridge, f"I{number}")
        anvil.mine()
    await watched.look()
    anvil.reorg(2)
    deposit(anvil, bridge, "I9")
    anvil.mine(2)
    for extra in range(50):
        watched.notebook.cut_at = watched.notebook.writes + (extra % 2)
        try:
            await watched.look()
        except CutOffError:
            await watched.restart()
        else:
            break
    assert intents(watched) == {"I0", "I1", "I9"}
    assert len(watched.notebook.said("reorg")) == 1
    assert {fact["intent"]: fact["depth"] for fact in watched.notebook.facts("transfer")} == {
        "I0": "4",
        "I1": "4",
        "I9": "2",
    }


async def test_what_a_removed_event_had_replaced_is_told_again(anvil: Anvil, bridge: str, watching: Watching) -> None:
    left = deposits(bridge, confirmations="1")
    left["fields"] = {**left["fields"], "id": "=text(event.intent)", "depth": "1"}
    left["confirmations"] = []
    fields = {
        "id": "=text(event.intent)",
        "asset": "usdc",
        "amount": "=event.amount",
        "state": "arrived",
        "network": "=log.network",
        "block_hash": "=log.block_hash",
    }
    arrived = {"event": PAID, "address": bridge, "kind": "transfer", "fields": fields}
    watched = watching(events=[left, arrived])
    deposit(anvil, bridge, "I1")
    anvil.mine()
    anvil.transact(bridge, call("pay(bytes32,address,uint256)", intent("I1"), anvil.accounts[1], 5))
    anvil.mine()
    await watched.look()
    assert watched.notebook.fact("transfer")["state"] == "arrived"
    anvil.reorg(1)
    await watched.look()
    assert watched.notebook.fact("transfer")["state"] == "in_flight"
    assert "watch/owed" not in watched.notebook.notes


async def test_what_a_reorganisation_left_alone_is_not_told_again(
    anvil: Anvil, bridge: str, watching: Watching
) -> None:
    watched = watching(events=[deposits(bridge, confirmations="2")])
    deposit(anvil, bridge, "old")
    anvil.mine(6)
    deposit(anvil, bridge, "new")
    anvil.mine()
    await watched.look()
    told = [fact["intent"] for fact in watched.notebook.said("assert", "transfer")]
    anvil.reorg(1)
    await watched.look(2)
    assert intents(watched) == {"old"}
    assert [fact["intent"] for fact in watched.notebook.said("assert", "transfer")] == told == ["old", "new"]


async def test_a_block_that_comes_back_is_lifted_and_its_facts_with_it(
    anvil: Anvil, bridge: str, watching: Watching
) -> None:
    watched = watching(events=[deposits(bridge)], gone_after="1ms")
    anvil.mine()
    fork_at = str(anvil.height)
    deposit(anvil, bridge, "I1")
    anvil.mine()
    await watched.look()
    fork = Anvil(options=("--no-mining", "--fork-url", anvil.url, "--fork-block-number", fork_at)).start()
    try:
        await watched.move_to(fork)
        while not watched.notebook.said("reorg"):
            await watched.look()
        assert intents(watched) == set()
    finally:
        fork.stop()
    await watched.move_to(anvil)
    await watched.look()
    assert watched.notebook.said("reorg")[-1] == {"network": "alpha", "removed": [], "added": [anvil.block()["hash"]]}
    assert watched.notebook.refused == []
    assert intents(watched) == {"I1"}


async def test_a_shorter_chain_is_a_node_that_is_behind_until_it_has_stayed_so(
    anvil: Anvil, bridge: str, watching: Watching
) -> None:
    watched = watching(events=[deposits(bridge)], gone_after="1ms")
    patient = watching(events=[deposits(bridge)], gone_after="1h")
    deposit(anvil, bridge, "I1")
    anvil.mine()
    deposit(anvil, bridge, "I2")
    anvil.mine()
    await watched.look()
    await patient.look()
    told = patient.notebook.observed_at_ms("network")
    anvil.rollback(1)
    await patient.look(3)
    assert intents(patient) == {"I1", "I2"}
    assert patient.notebook.fact("network")["state"] == "behind"
    assert patient.notebook.observed_at_ms("network") == told
    while not watched.notebook.said("reorg"):
        await watched.look()
    assert intents(watched) == {"I1"}
    assert watched.notebook.fact("network")["state"] == "ok"
    anvil.mine(2)
    await patient.look()
    assert intents(patient) == {"I1"}
    assert patient.notebook.fact("network")["state"] == "ok"


async def test_the_old_head_of_a_node_that_synchronises_removes_nothing() -> None:
    now = wall_ms() // 1_000
    anvil = Anvil(options=("--no-mining", "--timestamp", str(now - 86_400))).start()
    bridge = anvil.deploy(compiled("bridge").bytecode)
    watched = Watched(anvil, gone_after="1ms", behind_after="1m", window="8", events=[deposits(bridge)])
    anvil.mine(3)
    early = Anvil(options=("--no-mining", "--fork-url", anvil.url, "--fork-block-number", "3")).start()
    try:
        anvil.rpc("evm_setNextBlockTimestamp", now - 30)
        deposit(anvil, bridge, "I1")
        anvil.mine(9)
        await watched.look()
        assert watched.notebook.fact("network")["state"] == "ok"
        await watched.move_to(early)
        await watched.look(5)
        assert watched.notebook.said("reorg") == []
        assert intents(watched) == {"I1"}
        assert watched.notebook.fact("network")["state"] == "behind"
    finally:
        await watched.close()
        early.stop()
        anvil.stop()


async def test_a_reorganisation_deeper_than_the_window_is_said_loudly_and_told_again(
    anvil: Anvil, bridge: str, watching: Watching
) -> None:
    watched = watching(events=[deposits(bridge)], window="8")
    for number in range(12):
        deposit(anvil, bridge, f"I{number}")
        anvil.mine()
        await watched.look()
    anvil.reorg(10)
    deposit(anvil, bridge, "I99")
    anvil.mine()
    await watched.look()
    incident = watched.notebook.fact("incident")
    assert incident["open"] is True
    assert incident["severity"] == "critical"
    assert incident["reason"].startswith("REORG_TOO_DEEP: ")
    assert len(watched.notebook.said("reorg")[0]["removed"]) == 8
    # Two blocks lay below the window: nobody can say that what stood on them is gone.
    assert intents(watched) == {"I0", "I1", "I2", "I3", "I99"}
    await watched.restart()
    anvil.mine()
    await watched.look()
    assert watched.notebook.fact("network")["state"] == "ok"


async def test_a_chain_that_began_anew_is_told_from_its_beginning(anvil: Anvil, watching: Watching) -> None:
    bridge = anvil.deploy(compiled("bridge").bytecode)
    watched = watching(events=[deposits(bridge)], gone_after="1ms", window="8")
    anvil.mine(20)
    await watched.look()
    anvil.stop()
    anvil.start()
    assert anvil.deploy(compiled("bridge").bytecode) == bridge
    deposit(anvil, bridge, "I1")
    anvil.mine()
    while not watched.notebook.said("reorg"):
        await watched.look()
    await watched.look()
    assert intents(watched) == {"I1"}
    assert watched.notebook.fact("network")["height"] == "2"
