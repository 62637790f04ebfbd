"""Other programs send from the same account: nonces that are theirs, and ours that they took."""

from __future__ import annotations

import asyncio

import pytest

from connectors.base import SendStatus
from connectors.evm.node import Json, NodeRefusedError
from engine.errors import Retry
from tests.support.sending import Desk, as_if_noted_long_ago, mined, payment


async def taken(desk: Desk) -> str:
    """A node that lost ours mines another program's transaction at its nonce."""
    await desk.send(payment("c1"))
    desk.anvil.rpc("anvil_dropAllTransactions")
    other = desk.by_another()
    desk.mine()
    return other


async def test_a_nonce_taken_by_another_is_told_as_failed_once_that_is_final(desk: Desk) -> None:
    other = await taken(desk)
    await desk.round()
    assert desk.states("c1") == ["missing"]
    assert desk.statuses("c1") == []
    desk.mine(80)
    await desk.round()
    ((status, detail),) = desk.reports("c1")
    assert (status, detail["reason"], detail["by"]) == ("failed", "nonce_taken", other)
    assert desk.count() == 0
    assert (await desk.send(payment("c1", attempt=2))).status is SendStatus.FAILED
    assert (await desk.send(payment("c2"))).detail["nonce"] == 1


async def test_a_node_that_lost_our_receipt_does_not_make_it_failed(desk: Desk) -> None:
    await desk.send(payment("c1"))
    desk.mine(80)

    desk.wire.forgets = "eth_getTransactionReceipt"
    await desk.round()
    assert desk.statuses("c1") == []
    desk = await desk.again()
    await desk.round()
    assert desk.statuses("c1") == ["done"]


async def test_transactions_of_another_program_are_counted_in(desk: Desk) -> None:
    desk.by_another()
    assert (await desk.send(payment("c1"))).detail["nonce"] == 1
    desk.mine()
    desk.by_another()
    desk.mine()
    assert (await desk.send(payment("c2"))).detail["nonce"] == 3


async def test_nothing_is_signed_above_a_nonce_that_the_node_has_not_seen(desk: Desk) -> None:
    """A node that is far behind, or a chain that began anew: what is sent now would wait for ever."""
    before = desk.anvil.rpc("evm_snapshot")
    await mined(desk, "c1")
    desk.mine(80)
    await desk.round()
    assert "tx:c1" not in desk.notebook.notes
    assert desk.anvil.rpc("evm_revert", before)
    sent = await desk.send(payment("c2"))
    assert (sent.status, sent.retry) == (SendStatus.FAILED, Retry.LATER)
    assert "nonce 0" in sent.detail["reason"]


async def test_what_waits_behind_a_nonce_that_nobody_uses_is_told_as_stuck(desk: Desk) -> None:
    other = desk.by_another()
    assert (await desk.send(payment("c1"))).detail["nonce"] == 1
    desk.anvil.rpc("anvil_dropTransaction", other)
    await desk.round()
    desk.mine()
    as_if_noted_long_ago(desk, "c1")
    desk = await desk.again()
    await desk.round()
    await desk.round()
    assert desk.states("c1") == ["pending", "stuck"]
    assert "nonce 0 comes first" in desk.notebook.observations[-1].data["reason"]
    desk.by_another(nonce="0x0")
    desk.mine()
    await desk.round()
    assert desk.statuses("c1") == ["done"]


async def test_another_programs_transaction_is_not_outbid(desk: Desk) -> None:
    """It came first, in the pool that ours was lost from; if it is mined, ours has failed, and that is known."""
    await desk.send(payment("c1"))
    await desk.round()
    desk.anvil.rpc("anvil_dropAllTransactions")
    fees = {"maxPriorityFeePerGas": hex(10**9), "maxFeePerGas": hex(3 * 10**9)}
    other = desk.by_another(**fees)
    await desk.round()
    assert len(desk.note("c1").versions) == 1
    desk.mine(80)
    await desk.round()
    assert desk.reports("c1")[-1][1]["by"] == other


async def test_two_connectors_with_one_key_are_told_exactly_what_each_did(desk: Desk) -> None:
    """Each has its own notebook, and they give out the same nonces; a chain takes each nonce once."""
    other = Desk(desk.anvil, desk.node, desk.purse)
    await other.start()
    commands = [(each, f"{name}{n}") for n in range(4) for name, each in (("a", desk), ("b", other))]
    await asyncio.gather(*(each.send(payment(command, 1)) for each, command in commands))
    for _ in range(4):
        desk.mine()
        await desk.round()
        await other.round()
    desk.mine(80)
    await desk.round()
    await other.round()
    ends = [each.statuses(command)[-1] for each, command in commands]
    assert set(ends) == {"done", "failed"}
    assert desk.count() == ends.count("done") == desk.used()


async def test_a_node_that_does_not_say_now_what_is_final_makes_nothing_final(desk: Desk) -> None:
    """Where it knew of finality before, what merely lies deep is not taken for final."""
    await mined(desk, "c1", "c2")
    desk.mine()
    await desk.round()
    real = desk.wire.call

    async def busy(method: str, *params: Json) -> Json:
        if params[:1] == ("finalized",):
            raise NodeRefusedError(method, -32000, "try again later")
        return await real(method, *params)

    desk.wire.call = busy  # type: ignore[method-assign]
    desk.mine(80)
    await desk.round()
    assert desk.states("c1")[-1] == desk.states("c2")[-1] == "done"
    desk.wire.call = real  # type: ignore[method-assign]
    desk.mine()
    await desk.round()
    assert desk.states("c1")[-1] == desk.states("c2")[-1] == "final"


async def test_a_node_that_is_asked_too_often_is_not_taken_for_one_without_finality(desk: Desk) -> None:
    await mined(desk, "c1")
    real = desk.wire.call

    async def busy(method: str, *params: Json) -> Json:
        if params[:1] == ("finalized",):
            raise NodeRefusedError(method, -32005, "limit exceeded")
        return await real(method, *params)

    desk.wire.call = busy  # type: ignore[method-assign]
    desk.mine(80)
    with pytest.raises(NodeRefusedError):
        await desk.round()
    assert desk.states("c1")[-1] == "done"
