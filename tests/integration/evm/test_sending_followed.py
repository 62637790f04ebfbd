"""What becomes of a transaction after it was sent: pools lose it, blocks leave the chain, others take its nonce."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from connectors.base import ConnectorContext, SendStatus
from connectors.evm import EvmConnector
from connectors.evm.node import Call, Json, NodeAwayError
from engine.clock import wall_ms
from engine.errors import ConfigError
from tests.support.sending import ACCOUNT, BANK, KEY, Desk, as_if_noted_long_ago, mined, payment, stuck


# -- reorganisations ------------------------------------------------------------------------------
@pytest.mark.parametrize("depth", [1, 10])
async def test_a_reorganisation_makes_it_unconfirmed_and_then_it_is_mined_again(desk: Desk, depth: int) -> None:
    desk = await desk.again(confirmations="12")
    await mined(desk, "c1", "c2")
    desk.mine(depth - 1)
    desk.anvil.rpc("anvil_reorg", depth, [])
    await desk.round()
    assert desk.states("c1") == ["mined", "unconfirmed"]
    await desk.round()
    desk.mine(12)
    await desk.round()
    for command in ("c1", "c2"):
        assert desk.states(command) == ["mined", "unconfirmed", "done"]
        assert desk.statuses(command)[-1] == "done"
    assert desk.count() == desk.used() == 2


async def test_a_reorganisation_below_what_was_told_is_said_and_healed(desk: Desk) -> None:
    await mined(desk, "c1")
    assert desk.statuses("c1") == ["done"]
    desk.anvil.rpc("anvil_reorg", 1, [])
    desk = await desk.again()
    await desk.round()
    assert desk.states("c1")[-1] == "unconfirmed"
    desk.mine()
    await desk.round()
    assert desk.states("c1")[-1] == "done"
    first, second = desk.reports("c1")
    assert first[0] == second[0] == "done"
    assert first[1]["block_hash"] != second[1]["block_hash"]
    assert desk.count() == 1


async def test_a_chain_rolled_back_by_ten_blocks_gets_everything_again_in_order(desk: Desk) -> None:
    for n in range(5):
        await mined(desk, f"c{n}")
        desk.mine()
    desk.anvil.rpc("anvil_rollback", 10)
    desk = await desk.again(gone_after="1ms")
    await desk.round()
    while desk.states("c0")[-1] == "done":
        await desk.round()
    desk.mine()
    await desk.round()
    assert [desk.states(f"c{n}")[-1] for n in range(5)] == ["done"] * 5
    assert desk.count() == desk.used() == 5


async def test_a_node_that_is_merely_behind_takes_nothing_back(desk: Desk) -> None:
    """Behind one address there often are several nodes, and not all have the latest block."""
    desk = await desk.again(confirmations="3")
    await mined(desk, "c1")
    desk.mine()
    await desk.round()
    desk.anvil.rpc("anvil_rollback", 2)
    await desk.round()
    await (await desk.again()).round()
    assert desk.states("c1") == ["mined"]


@pytest.mark.parametrize("max_priority", ["10 gwei", "1 gwei"])
async def test_a_failure_whose_block_left_the_chain_is_not_run_again(desk: Desk, max_priority: str) -> None:
    """Its nonce is used for nothing; also when its offer was at the cap, where no pool has it to be outbid."""
    desk = await desk.again(fees={"max_fee": "100 gwei", "max_priority": max_priority})
    await desk.send(payment("c1", 900))
    desk.owner_sets_limit(800)
    desk.mine()
    await desk.round()
    assert desk.statuses("c1") == ["failed"]
    desk.anvil.rpc("anvil_reorg", 1, [])
    await desk.round()
    desk.mine()
    await desk.round()
    assert set(desk.statuses("c1")) == {"failed"}
    assert desk.reports("c1")[-1][1]["reason"] == "above the limit; its nonce was used for nothing"
    assert desk.states("c1")[-1] == "failed"
    assert desk.count() == 0
    assert desk.used() == 1


async def test_while_no_block_comes_nothing_that_is_mined_is_asked_for(desk: Desk) -> None:
    await mined(desk, "c1")
    desk.wire.asked.clear()
    await desk.round()
    assert desk.wire.asked == ["eth_getBlockByNumber"]


# -- lost from the pool ------------------------------------------------------------------------------
async def test_what_a_pool_dropped_is_handed_over_again_byte_for_byte(desk: Desk) -> None:
    sent = await desk.send(payment("c1", 1))
    await desk.send(payment("c2", 1))
    await desk.round()
    desk.anvil.rpc("anvil_dropTransaction", sent.detail["tx"])
    desk.sending._following._pool_due_ms = 0
    await desk.round()
    desk.mine()
    await desk.round()
    assert desk.reports("c1")[-1][1]["tx"] == sent.detail["tx"]
    assert desk.count() == 2, "and what waited behind it"


async def test_a_node_that_does_not_show_its_pool_is_believed_that_it_has_it(desk: Desk) -> None:
    await desk.send(payment("c1"))
    desk.wire.forgets = "eth_getTransactionByHash"
    await desk.round()
    assert desk.states("c1") == ["pending"]
    assert desk.note("c1").waits_since_ms is not None


async def test_what_no_node_takes_is_told_as_unknown_and_may_still_be_done(desk: Desk) -> None:
    desk.anvil.rpc("anvil_setBalance", ACCOUNT, hex(10**18))
    await desk.send(payment("c1", 1))
    desk.anvil.rpc("anvil_dropAllTransactions")
    desk.anvil.rpc("anvil_setBalance", ACCOUNT, "0x1")
    await desk.round()
    assert desk.states("c1") == ["missing"]
    assert desk.statuses("c1") == []
    as_if_noted_long_ago(desk, "c1")
    desk = await desk.again()
    await desk.round()
    await desk.round()
    ((status, detail),) = desk.reports("c1")
    assert status == "unknown"
    assert "funds" in detail["reason"].lower()
    desk.anvil.rpc("anvil_setBalance", ACCOUNT, hex(10**18))
    await desk.round()
    desk.mine()
    await desk.round()
    assert desk.statuses("c1") == ["unknown", "done"]
    assert desk.count() == 1


# -- stuck ---------------------------------------------------------------------------------------------
async def outbid(desk: Desk, base_fee: int) -> None:
    """A block has come that costs more than what waits offers, and so will the next; the node lets go of it."""
    for _ in range(2):
        desk.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
        desk.mine()
    desk.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee))


async def test_a_stuck_transaction_is_replaced_at_its_nonce_by_a_higher_offer(desk: Desk) -> None:
    desk = await stuck(desk, "c1", "c2")
    assert desk.used() == 0
    first = desk.note("c1")
    await desk.round()
    second = desk.note("c1")
    assert second.nonce == first.nonce
    assert len(second.versions) == 2
    assert second.last.max_fee * 8 >= first.last.max_fee * 9
    assert second.last.priority * 8 >= first.last.priority * 9
    assert len(desk.note("c2").versions) == 1, "what waits behind it is not replaced for that"
    desk.mine()
    await desk.round()
    assert desk.reports("c1")[-1][1]["tx"] == second.last.hash
    assert desk.count() == desk.used() == 2


async def test_a_death_after_a_replacement_was_noted_leaves_one_effect(desk: Desk) -> None:
    desk = await stuck(desk, "c1")

    def away(method: str, params: Sequence[Any]) -> None:
        if method == "eth_sendRawTransaction":
            raise NodeAwayError("down")

    desk.wire.before = away
    with pytest.raises(NodeAwayError):
        await desk.round()
    desk = await desk.again()
    assert len(desk.note("c1").versions) == 2
    await desk.round()
    desk.mine()
    await desk.round()
    assert desk.statuses("c1")[-1] == "done"
    assert desk.count() == desk.used() == 1


async def test_at_the_cap_nothing_is_replaced_and_it_is_said(desk: Desk) -> None:
    desk = await desk.again(fees={"max_fee": "3 gwei", "max_priority": "1 gwei"})
    await desk.send(payment("c1", 1))
    await desk.round()
    await outbid(desk, 20 * 10**9)
    await desk.round()
    await desk.round()
    assert len(desk.note("c1").versions) == 1
    assert desk.states("c1") == ["pending", "stuck"]
    assert "cap" in desk.notebook.observations[-1].data["reason"]
    desk.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    desk.mine()
    await desk.round()
    desk.mine()
    await desk.round()
    assert desk.states("c1") == ["pending", "stuck", "done"]


async def test_what_a_pool_lets_go_because_it_offers_too_little_is_replaced(desk: Desk) -> None:
    await desk.send(payment("c1", 1))
    await desk.round()
    await outbid(desk, 20 * 10**9)
    await desk.round()
    assert len(desk.note("c1").versions) == 2
    assert desk.note("c1").last.max_fee > 40 * 10**9
    desk.mine()
    await desk.round()
    assert desk.statuses("c1") == ["done"]
    assert desk.count() == desk.used() == 1


async def test_what_is_stuck_when_it_has_expired_is_cancelled_at_its_nonce(desk: Desk) -> None:
    desk = await stuck(desk, "c1")
    as_if_noted_long_ago(desk, "c1", expires_ms=wall_ms() - 1)
    desk = await desk.again()
    await desk.round()
    desk.mine()
    await desk.round()
    ((status, detail),) = desk.reports("c1")
    assert status == "failed"
    assert "expired" in detail["reason"]
    assert desk.count() == 0
    assert desk.used() == 1


async def test_what_has_expired_and_was_lost_from_the_pool_is_cancelled_at_its_nonce(desk: Desk) -> None:
    await desk.send(payment("c1"))
    await desk.round()
    desk.anvil.rpc("anvil_dropAllTransactions")
    as_if_noted_long_ago(desk, "c1", expires_ms=wall_ms() - 1)
    desk = await desk.again()
    await desk.round()
    desk.mine()
    await desk.round()
    assert desk.statuses("c1") == ["failed"]
    assert desk.count() == 0
    assert desk.used() == 1


async def test_without_a_block_nothing_counts_as_stuck(desk: Desk) -> None:
    await desk.send(payment("c1"))
    await desk.round()
    as_if_noted_long_ago(desk, "c1")
    desk = await desk.again()
    await desk.round()
    assert len(desk.note("c1").versions) == 1


async def test_a_clock_that_was_set_back_delays_and_loses_nothing(desk: Desk) -> None:
    desk = await stuck(desk, "c1")
    as_if_noted_long_ago(desk, "c1", waits_since_ms=wall_ms() + 10**12)
    desk = await desk.again()
    await desk.round()
    waits_since_ms = desk.note("c1").waits_since_ms
    assert waits_since_ms is not None
    assert waits_since_ms <= wall_ms()


# -- the loop --------------------------------------------------------------------------------------------
async def test_following_wakes_for_a_send_and_goes_on_after_a_node_that_was_away(desk: Desk) -> None:
    wakes: list[Any] = []
    desk.sending._following._pace = lambda name, every_ms, wake: wakes.append((name, every_ms, wake))
    is_away = True

    def away(method: str, params: Sequence[Any]) -> None:
        if is_away and method == "eth_getTransactionReceipt":
            raise NodeAwayError("down")

    desk.wire.before = away
    following = asyncio.create_task(desk.sending.follow())
    await desk.send(payment("c1"))
    ((name, every_ms, wake),) = wakes
    assert (name, every_ms) == ("sending", 1_000)
    desk.mine()
    is_away = False
    desk.sending._following._options = desk.sending._options.model_copy(update={"poll": 1})
    async with asyncio.timeout(10):
        while desk.statuses("c1") != ["done"]:
            wake()
            await desk.node.call("eth_blockNumber")
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_a_connector_whose_transactions_are_of_another_chain_does_not_start(desk: Desk) -> None:
    await desk.send(payment("c1"))
    as_if_noted_long_ago(desk, "c1", chain_id=5)
    with pytest.raises(ConfigError, match="C145"):
        await desk.again()


async def test_what_was_sent_is_not_refused_because_its_verb_is_gone(desk: Desk) -> None:
    sent = await desk.send(payment("c1"))
    desk = await desk.again(calls={"give": {"to": "to", "value": "amount"}})
    assert (await desk.send(payment("c1", attempt=2))).detail == sent.detail
    assert (await desk.send(payment("c2"))).status is SendStatus.REFUSED
    desk.mine()
    await desk.round()
    assert desk.statuses("c1") == ["done"]


async def test_what_was_sent_is_unknown_to_a_connector_that_no_longer_sends(desk: Desk) -> None:
    await desk.send(payment("c1"))
    options = {"network": "eth", "chain_id": "31337", "node": {"url": desk.anvil.url}}
    connector = EvmConnector(ConnectorContext("eth", options, notebook=desk.notebook))
    assert (await connector.send(payment("c1", attempt=2))).status is SendStatus.UNKNOWN
    assert (await connector.send(payment("c2"))).status is SendStatus.REFUSED
    await connector.stop()


async def test_the_key_is_in_nothing_that_anyone_sees(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    desk = await stuck(desk, "c1")
    await desk.round()
    desk.mine()
    await desk.round()
    digits = KEY.removeprefix("0x")
    seen = [
        repr(desk.sending.__dict__),
        repr(desk.sending._signer),
        repr(desk.notebook),
        caplog.text,
        *(repr(record.__dict__) for record in caplog.records),
    ]
    for text in seen:
        assert digits not in text.lower()
        assert str(int(digits, 16)) not in text
    assert BANK not in desk.note("c1").encode()


async def test_what_waits_for_finality_in_many_blocks_is_looked_after_in_one_request(desk: Desk) -> None:
    for number in range(20):
        await mined(desk, f"c{number}")
    requests: list[int] = []

    async def counted(calls: Sequence[Call]) -> list[Json]:
        requests.append(len(calls))
        return await desk.node.batch(calls)

    desk.wire.batch = counted  # type: ignore[method-assign]
    desk.wire.asked.clear()
    desk.mine()
    await desk.round()
    assert requests == [20]
    assert desk.wire.asked.count("eth_getBlockByNumber") == 2  # the head, and what is final
    desk.anvil.reorg(5)
    await desk.round()
    assert [desk.states(f"c{number}")[-1] for number in (15, 16, 19)] == ["done", "unconfirmed", "unconfirmed"]
