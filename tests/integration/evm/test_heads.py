"""What is told of the network as a whole, with a node that is well and with one that is not."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.clock import wall_ms
from tests.support.anvil import Anvil
from tests.support.evm_watch import Watched

Watching = Callable[..., Watched]


@pytest.fixture
def lasting_anvil(tmp_path: Path) -> Iterator[Anvil]:
    """One that still knows its chain after it was stopped."""
    chain = Anvil(state=tmp_path / "chain.json").start()
    yield chain
    chain.stop()


async def test_a_head_is_told_with_fees_finality_and_times(watching: Watching) -> None:
    anvil_options = ("--no-mining", "--slots-in-an-epoch", "4")
    anvil = Anvil(options=anvil_options).start()
    watched = Watched(anvil)
    try:
        anvil.rpc("anvil_setBlockTimestampInterval", 3)
        anvil.mine(11)
        await watched.look()
        head = anvil.block()
        fact = watched.notebook.fact("network")
        assert fact["height"] == "11"
        assert fact["block_hash"] == head["hash"]
        assert fact["base_fee"] == str(int(head["baseFeePerGas"], 16))
        assert fact["chain_time"] == str(int(head["timestamp"], 16) * 1_000)
        assert (fact["safe_height"], fact["final_height"]) == ("7", "3")
        assert fact["block_time"] == "3000"
        assert int(fact["next_base_fee"]) < int(fact["base_fee"])
        assert fact["chain_id"] == "31337"
        assert fact["gas_used_ratio"] == "0"
    finally:
        await watched.close()
        anvil.stop()


async def test_the_base_fee_is_exact_at_a_spike(anvil: Anvil, watching: Watching) -> None:
    anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(500_000_000_001))
    anvil.mine()
    watched = watching()
    await watched.look()
    assert watched.notebook.fact("network")["base_fee"] == "500000000001"


async def test_what_stays_the_same_is_told_again_only_to_renew_it(anvil: Anvil, watching: Watching) -> None:
    anvil.mine()
    calm = watching(renew="10m")
    await calm.look(3)
    assert len(calm.notebook.said("assert", "network")) == 1
    eager = watching(renew="1ms")
    while len(eager.notebook.said("assert", "network")) < 3:  # a look may take less than a millisecond
        await eager.look()


async def test_a_node_that_is_gone_is_told_and_its_facts_are_left_to_age(lasting_anvil: Anvil) -> None:
    anvil, watched = lasting_anvil, Watched(lasting_anvil, renew="1ms")
    anvil.mine()
    await watched.look()
    before = watched.notebook.observed_at_ms("network")
    anvil.stop()
    await watched.look(3)
    assert watched.notebook.fact("network")["state"] == "down"
    assert watched.notebook.fact("network")["height"] == "1"
    assert watched.notebook.observed_at_ms("network") == before
    incident = watched.notebook.fact("incident")
    assert incident["open"] is True
    assert incident["reason"].startswith("NODE_DOWN: ")
    anvil.start()
    anvil.mine()
    await watched.look()
    assert watched.notebook.fact("network")["state"] == "ok"
    assert watched.notebook.fact("network")["height"] == "2"
    assert watched.notebook.fact("incident")["open"] is False
    assert watched.notebook.said("reorg") == []
    await watched.close()


async def test_an_incident_of_an_earlier_life_is_closed_by_the_next(lasting_anvil: Anvil) -> None:
    anvil, watched = lasting_anvil, Watched(lasting_anvil)
    await watched.look()
    anvil.stop()
    await watched.look(2)
    await watched.restart()
    anvil.start()
    await watched.look()
    assert watched.notebook.fact("incident")["open"] is False
    await watched.close()


async def test_one_failure_is_no_state(anvil: Anvil, watching: Watching) -> None:
    watched = watching()
    await watched.look()
    anvil.stop()
    await watched.look()
    assert watched.notebook.fact("network")["state"] == "ok"
    assert watched.notebook.facts("incident") == []


async def test_a_node_of_another_chain_is_not_believed(anvil: Anvil, watching: Watching) -> None:
    watched = watching()
    await watched.look()
    anvil.stop()
    other = Anvil(chain_id=5)
    other.port = anvil.port
    other.start()
    try:
        other.mine(7)
        await watched.look()
        fact = watched.notebook.fact("network")
        assert (fact["state"], fact["height"], fact["chain_id"]) == ("wrong_chain", "0", "31337")
        assert watched.notebook.fact("incident")["severity"] == "critical"
        assert "chain id 5" in watched.notebook.fact("incident")["reason"]
        assert watched.notebook.said("reorg") == []
    finally:
        other.stop()


async def test_a_node_that_does_not_answer_is_slow(anvil: Anvil, watching: Watching) -> None:
    watched = watching()
    await watched.look()
    assert watched._node is not None
    watched._node._timeout_ms = 50
    os.kill(anvil.pid, signal.SIGSTOP)
    try:
        await watched.look(2)
    finally:
        os.kill(anvil.pid, signal.SIGCONT)
    assert watched.notebook.fact("network")["state"] == "slow"


async def test_a_head_that_is_too_old_is_behind_and_its_facts_age(anvil: Anvil, watching: Watching) -> None:
    anvil.rpc("anvil_setTime", wall_ms() // 1_000 - 3_600)
    anvil.mine()
    watched = watching(behind_after="1m", renew="1ms")
    await watched.look(2)
    fact = watched.notebook.fact("network")
    assert fact["state"] == "behind"
    assert 3_500_000 < int(fact["lag"]) < 3_700_000
    assert watched.notebook.observed_at_ms("network") == int(fact["chain_time"]) + 60_000


async def test_a_chain_whose_time_jumps_ahead_is_told_and_nothing_stops(anvil: Anvil, watching: Watching) -> None:
    watched = watching()
    await watched.look()
    anvil.rpc("evm_increaseTime", 86_400)
    anvil.mine()
    await watched.look()
    fact = watched.notebook.fact("network")
    assert (fact["state"], fact["height"], fact["lag"]) == ("ahead", "1", "0")
    assert watched.notebook.observed_at_ms("network") <= wall_ms()
