"""Sending on a real chain: what is sent, what is told, and that nothing is sent twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from connectors.base import SendStatus
from connectors.evm.node import NodeAwayError
from connectors.evm.nonces import MAX_OPEN
from connectors.evm.notes import Note
from engine.clock import wall_ms
from engine.errors import Retry
from tests.support.anvil import Anvil
from tests.support.sending import ACCOUNT, PAYEE, Desk, Killed, gift, opened_desk, payment


async def test_a_command_is_noted_with_its_transaction_before_a_node_sees_it(desk: Desk) -> None:
    noted: list[Note] = []

    def look(method: str, params: Sequence[Any]) -> None:
        if method == "eth_sendRawTransaction":
            note = desk.note("c1")
            assert note.last.raw == params[0]
            noted.append(note)

    desk.wire.before = look
    sent = await desk.send(payment("c1"))
    assert sent.status is SendStatus.SUBMITTED
    assert [note.last.hash for note in noted] == [sent.detail["tx"]]
    assert sent.detail["nonce"] == noted[0].nonce == 0


async def test_it_is_done_once_it_is_as_deep_as_configured_and_says_what_the_contract_said(desk: Desk) -> None:
    desk = await desk.again(confirmations="3")
    sent = await desk.send(payment("c1", 7))
    await desk.round()
    for _ in range(2):
        desk.mine()
        await desk.round()
    assert desk.statuses("c1") == []
    desk.mine()
    await desk.round()
    ((status, detail),) = desk.reports("c1")
    assert status == "done"
    assert detail["tx"] == sent.detail["tx"]
    assert detail["events"]["paid"]["amount"] == "7"
    assert detail["events"]["paid"]["to"] == PAYEE
    assert detail["fee"] == str(detail["gas_used"] * int(detail["gas_price"]))
    assert desk.states("c1") == ["pending", "mined", "done"]
    assert desk.paid() == 7


async def test_the_same_id_again_is_the_same_transaction(desk: Desk) -> None:
    first = await desk.send(payment("c1"))
    assert (await desk.send(payment("c1", attempt=2))).detail == first.detail
    desk = await desk.again()
    assert (await desk.send(payment("c1", attempt=3))).detail == first.detail
    desk.mine()
    assert (await desk.send(payment("c1", attempt=4))).detail["tx"] == first.detail["tx"]
    await desk.round()
    assert (await desk.send(payment("c1", attempt=5))).status is SendStatus.DONE
    desk.mine(100)
    await desk.round()
    desk = await desk.again()
    assert desk.sending._book.open == {}, "it is final, and let go"
    assert (await desk.send(payment("c1", attempt=6))).status is SendStatus.DONE
    desk.mine()
    assert desk.count() == 1
    assert desk.used() == 1


async def test_what_would_revert_is_refused_with_its_reason_and_uses_no_nonce(desk: Desk) -> None:
    sent = await desk.send(payment("c1", 5_000))
    assert sent.status is SendStatus.REFUSED
    assert sent.detail["reason"] == "above the limit"
    assert desk.notebook.notes == {}


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"payee": {"address": PAYEE}}, "no argument 'amount'"),
        ({"payee": PAYEE, "amount": "1"}, "no argument 'payee.address'"),
        ({"payee": {"address": PAYEE}, "amount": "1.5"}, "amount: '1.5' is no whole number"),
        ({"payee": {"address": PAYEE}, "amount": 1.5}, "amount: 1.5 is no whole number"),
        ({"payee": {"address": PAYEE}, "amount": "-1"}, "does not fit in uint256"),
        ({"payee": {"address": PAYEE}, "amount": str(1 << 256)}, "does not fit in uint256"),
        ({"payee": {"address": ACCOUNT[:-1] + "9"}, "amount": "1"}, "wrong checksum"),
    ],
)
async def test_arguments_that_do_not_fit_are_refused(desk: Desk, args: dict[str, Any], reason: str) -> None:
    sent = await desk.send(payment("c1", args=json.dumps(args)))
    assert sent.status is SendStatus.REFUSED
    assert reason in sent.detail["reason"]
    assert "eth_sendRawTransaction" not in desk.wire.asked


async def test_what_reverts_in_its_block_has_failed_and_says_why(desk: Desk) -> None:
    await desk.send(payment("c1", 900))
    desk.owner_sets_limit(800)
    desk.mine()
    await desk.round()
    ((status, detail),) = desk.reports("c1")
    assert (status, detail["reason"]) == ("failed", "above the limit")
    assert desk.states("c1") == ["failed"]
    assert (await desk.send(payment("c1", 900))).status is SendStatus.FAILED
    assert desk.count() == 0


async def test_the_native_coin_is_transferred_to_the_wei(desk: Desk) -> None:
    wei = 1_234_567_890_123_456_789
    assert (await desk.send(gift("c1", wei))).status is SendStatus.SUBMITTED
    desk.mine()
    assert int(desk.anvil.rpc("eth_getBalance", PAYEE, "latest"), 16) == wei


async def test_many_sends_at_once_get_a_nonce_each(desk: Desk) -> None:
    sent = await asyncio.gather(*(desk.send(payment(f"c{n}", 1)) for n in range(20)))
    assert sorted(each.detail["nonce"] for each in sent) == list(range(20))
    desk.mine()
    await desk.round()
    assert [desk.statuses(f"c{n}") for n in range(20)] == [["done"]] * 20
    assert desk.paid() == 20


async def test_the_same_id_twice_at_once_is_one_transaction(desk: Desk) -> None:
    sent = await asyncio.gather(*(desk.send(payment("c1")) for _ in range(4)))
    assert {each.detail["nonce"] for each in sent} == {0}
    desk.mine()
    assert desk.count() == 1


async def test_no_more_wait_for_a_block_than_a_node_holds(desk: Desk) -> None:
    for n in range(MAX_OPEN):
        assert (await desk.send(payment(f"c{n}", 1))).status is SendStatus.SUBMITTED
    sent = await desk.send(payment("one-more", 1))
    assert (sent.status, sent.retry) == (SendStatus.FAILED, Retry.LATER)
    desk.mine()
    await desk.round()
    assert (await desk.send(payment("one-more", 1))).status is SendStatus.SUBMITTED


# -- what goes wrong while sending ----------------------------------------------------------
async def test_a_node_that_is_away_costs_nothing(desk: Desk) -> None:
    def away(method: str, params: Sequence[Any]) -> None:
        raise NodeAwayError("down")

    desk.wire.before = away
    sent = await desk.send(payment("c1"))
    assert (sent.status, sent.retry) == (SendStatus.FAILED, Retry.LATER)
    assert desk.notebook.notes == {}


async def test_a_node_of_another_chain_is_given_nothing(desk: Desk) -> None:
    desk.anvil.rpc("anvil_setChainId", 999)
    sent = await desk.send(payment("c1"))
    assert (sent.status, sent.retry) == (SendStatus.FAILED, Retry.LATER)
    assert "chain 999" in sent.detail["reason"]
    assert desk.notebook.notes == {}


async def test_a_node_that_leaves_before_it_has_the_transaction_gets_it_later(desk: Desk) -> None:
    def away(method: str, params: Sequence[Any]) -> None:
        if method == "eth_sendRawTransaction":
            raise NodeAwayError("down")

    desk.wire.before = away
    sent = await desk.send(payment("c1"))
    assert sent.status is SendStatus.SENT
    desk = await desk.again()
    await desk.round()
    assert desk.statuses("c1") == ["submitted"]
    desk.mine()
    await desk.round()
    assert desk.statuses("c1") == ["submitted", "done"]
    assert desk.reports("c1")[1][1]["tx"] == sent.detail["tx"]


async def test_a_lost_answer_to_the_sending_changes_nothing(desk: Desk) -> None:
    def lost(method: str, answer: object) -> None:
        if method == "eth_sendRawTransaction":
            raise NodeAwayError("the answer is lost")

    desk.wire.after = lost
    assert (await desk.send(payment("c1"))).status is SendStatus.SENT
    desk.wire.after = lambda _method, _answer: None
    assert (await desk.send(payment("c1", attempt=2))).status is SendStatus.SUBMITTED
    desk.mine()
    await desk.round()
    assert desk.statuses("c1") == ["done"]
    assert desk.count() == 1


async def test_a_send_cut_off_at_any_question_is_made_up_for_under_the_same_id(desk: Desk) -> None:
    questions = 0
    for cut_at in range(12):
        command = payment(f"c{cut_at}", 1)

        desk.wire.asked.clear()
        sending = asyncio.create_task(desk.send(command))
        desk.wire.before = partial(_cut_off, desk, sending, cut_at)
        await asyncio.gather(sending, return_exceptions=True)
        questions = max(questions, len(desk.wire.asked))
        desk.wire.before = lambda _method, _params: None
        assert (await desk.send(command)).status is SendStatus.SUBMITTED
    assert questions < 12, "every question was the cut one once"
    desk.mine()
    await desk.round()
    assert desk.count() == desk.used() == 12


def _cut_off(desk: Desk, sending: asyncio.Task[Any], at: int, *_: object) -> None:
    if len(desk.wire.asked) > at:
        sending.cancel()


async def test_a_death_at_any_question_or_note_leaves_exactly_one_effect(soon_final_desk: Desk) -> None:
    """Before and after each question to the node, and before each write of the notebook: sending and following."""
    desk = soon_final_desk
    survived, cut_at = False, 0
    while not survived:
        cut_at += 1
        desk = await _live_until_killed(desk, f"c{cut_at}", cut_at)
        survived = "done" in desk.statuses(f"c{cut_at}")
        desk = await desk.again()
        # Sent: its nonce is used, and nobody has looked yet by which transaction.
        known = (SendStatus.SENT, SendStatus.SUBMITTED, SendStatus.DONE)
        assert (await desk.send(payment(f"c{cut_at}", 1))).status in known
        desk.mine()
        await desk.round()
        assert desk.statuses(f"c{cut_at}")[-1] == "done"
        assert desk.count() == cut_at
        desk.mine(2)
        await desk.round()
        assert desk.states(f"c{cut_at}")[-1] == "final"
    assert cut_at > 20
    assert desk.used() == cut_at


async def _live_until_killed(desk: Desk, command: str, cut_at: int) -> Desk:
    left = cut_at

    def step(*_: object) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            raise Killed

    desk.wire.before = desk.wire.after = step
    desk.notebook.before = step
    try:
        await desk.send(payment(command, 1))
        await desk.round()
        desk.anvil.rpc("anvil_mine", "0x1")
        await desk.round()
    except Killed:
        pass
    return desk


async def test_a_slow_node_is_left_before_anybody_cuts_the_send_off(desk: Desk) -> None:
    desk.wire.hangs = "eth_estimateGas"
    desk.sending._within_s = 0.01
    sent = await desk.send(payment("c1"))
    assert (sent.status, sent.retry) == (SendStatus.FAILED, Retry.LATER)
    assert "in time" in sent.detail["reason"]
    assert desk.notebook.notes == {}
    desk.sending._within_s = 0.5
    desk.wire.hangs = "eth_sendRawTransaction"
    assert (await desk.send(payment("c1", attempt=2))).status is SendStatus.SENT
    desk.wire.hangs = ""
    assert (await desk.send(payment("c1", attempt=3))).status is SendStatus.SUBMITTED


async def test_what_was_cut_off_while_it_was_noted_is_waited_for_before_anything_is_said(desk: Desk) -> None:
    """The notebook waits for Redis; that the first try failed must not be said while its note may still be written."""
    gate = asyncio.Event()
    desk.notebook.gate = gate
    first = asyncio.create_task(desk.send(payment("c1")))
    async with asyncio.timeout(10):
        await desk.notebook.waiting.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    recalling = asyncio.create_task(desk.sending.recall("c1"))
    again = asyncio.create_task(desk.send(payment("c1", attempt=2)))
    await desk.node.call("eth_blockNumber")
    assert not recalling.done()
    assert not again.done()
    gate.set()
    recalled, sent = await asyncio.gather(recalling, again)
    assert recalled.status is SendStatus.SENT
    assert sent.status is SendStatus.SUBMITTED
    assert recalled.detail["tx"] == sent.detail["tx"]


async def test_what_was_never_signed_is_recalled_as_failed_and_what_ended_as_it_ended(desk: Desk) -> None:
    assert (await desk.sending.recall("c1")).status is SendStatus.FAILED
    await desk.send(payment("c2"))
    desk.mine()
    await desk.round()
    assert (await desk.sending.recall("c2")).status is SendStatus.DONE


async def test_what_expires_before_it_is_signed_is_refused(desk: Desk) -> None:
    sent = await desk.send(payment("c1", expires_ms=wall_ms() - 1))
    assert sent.status is SendStatus.REFUSED
    assert desk.notebook.notes == {}


async def test_what_expired_after_it_was_noted_and_before_a_node_saw_it_is_never_carried_out(desk: Desk) -> None:
    def killed(method: str, params: Sequence[Any]) -> None:
        if method == "eth_sendRawTransaction":
            raise Killed

    desk.wire.before = killed
    with pytest.raises(Killed):
        await desk.send(payment("c1", expires_ms=wall_ms() + 60_000))
    # As if that minute had passed.
    note = desk.notebook.notes["tx:c1"]
    desk.notebook.notes["tx:c1"] = json.dumps(json.loads(note) | {"expires_ms": wall_ms() - 1})
    desk = await desk.again()
    await desk.round()
    desk.mine()
    await desk.round()
    ((status, detail),) = desk.reports("c1")
    assert status == "failed"
    assert "expired" in detail["reason"]
    assert desk.count() == 0
    # Its nonce is used, so nothing waits behind it.
    assert (await desk.send(payment("c2"))).detail["nonce"] == 1
    desk.mine()
    assert desk.count() == 1


async def test_a_call_of_an_address_without_a_contract_is_refused(desk: Desk) -> None:
    """It would succeed on the chain, and do nothing."""
    desk = await desk.again(contracts={"purse": {"address": "0x" + "22" * 20}})
    sent = await desk.send(payment("c1"))
    assert sent.status is SendStatus.REFUSED
    assert "no contract" in sent.detail["reason"]
    assert desk.notebook.notes == {}


# -- gas -----------------------------------------------------------------------------------------
async def test_nothing_is_sent_while_gas_costs_more_than_the_cap(desk: Desk) -> None:
    desk.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(101 * 10**9))
    desk.mine()
    sent = await desk.send(payment("c1"))
    assert (sent.status, sent.retry) == (SendStatus.FAILED, Retry.LATER)
    assert "max_fee" in sent.detail["reason"]
    assert desk.notebook.notes == {}


async def test_a_call_that_takes_more_gas_than_allowed_is_refused(desk: Desk) -> None:
    desk = await desk.again(max_gas="30000")
    sent = await desk.send(payment("c1"))
    assert sent.status is SendStatus.REFUSED
    assert "max_gas is 30000" in sent.detail["reason"]


async def test_on_a_chain_without_a_base_fee_nothing_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Anvil(options=("--no-mining", "--hardfork", "berlin")).start()
    try:
        async with opened_desk(chain, monkeypatch, purse=PAYEE) as desk:
            sent = await desk.send(gift("c1", 1))
            assert (sent.status, sent.retry) == (SendStatus.FAILED, Retry.LATER)
            assert "EIP-1559" in sent.detail["reason"]
    finally:
        chain.stop()


async def test_a_stop_waits_for_what_a_send_that_was_cut_off_is_noting(desk: Desk) -> None:
    desk.notebook.gate = asyncio.Event()
    send = asyncio.create_task(desk.send(payment("c1")))
    await desk.notebook.waiting.wait()
    send.cancel()
    await asyncio.gather(send, return_exceptions=True)
    settled = asyncio.create_task(desk.sending.settled())
    await desk.node.call("eth_chainId")
    assert not settled.done()
    desk.notebook.gate.set()
    await settled
    assert desk.note("c1").nonce == 0
