"""LI.FI's statuses and substatuses, each by what it says of the message and of the value."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.poll.exact import AnswerError, read_json
from tests.unit.poll.reading import SUBJECTS, kinds, one, shipped, told
from tests.unit.poll.samples import (
    LIFI_RECEIVED_TX,
    LIFI_TX,
    USDC_ETHEREUM,
    USDCE_ARBITRUM,
    body,
    lifi,
    lifi_not_found,
    lifi_receiving,
)

REFUND = lifi_receiving(USDC_ETHEREUM, 1, "9990000")
PARTIAL = lifi_receiving(USDCE_ARBITRUM, 42161, "9960000")


@pytest.mark.parametrize(
    ("answer", "message", "transfer", "is_final"),
    [
        (lifi("PENDING", "WAIT_SOURCE_CONFIRMATIONS"), "sent", "in_flight", False),
        (lifi("PENDING", "WAIT_DESTINATION_TRANSACTION"), "verified", "in_flight", False),
        (lifi("PENDING", "BRIDGE_NOT_AVAILABLE"), "unknown", "in_flight", False),
        (lifi("PENDING", "CHAIN_NOT_AVAILABLE"), "unknown", "in_flight", False),
        (lifi("PENDING", "REFUND_IN_PROGRESS"), "stuck", "in_flight", False),
        (lifi("PENDING", "UNKNOWN_ERROR"), "unknown", "in_flight", False),
        (lifi("PENDING", "NOT_PROCESSABLE_REFUND_NEEDED"), "stuck", "in_flight", False),
        (lifi("PENDING", "SOMETHING_NEW"), "sent", "in_flight", False),
        (lifi("PENDING"), "sent", "in_flight", False),
        (lifi("NOT_FOUND"), "unknown", None, False),
        (lifi_not_found(), "unknown", None, False),
        (lifi("INVALID"), "unknown", None, False),
        (lifi("DONE", "COMPLETED", lifi_receiving()), "executed", "arrived", True),
        (lifi("DONE", "PARTIAL", PARTIAL), "executed", "arrived", True),
        (lifi("DONE", "REFUNDED", REFUND), "refunded", "refunded", True),
        (lifi("DONE", "COMPLETED"), "executed", None, False),
        (lifi("DONE", "NOT_PROCESSABLE_REFUND_NEEDED"), "stuck", "in_flight", False),
        (lifi("DONE", None, lifi_receiving()), "unknown", None, False),
        (lifi("DONE", "SOMETHING_NEW", lifi_receiving()), "unknown", None, False),
        (lifi("FAILED", "INSUFFICIENT_ALLOWANCE"), "failed", "failed", True),
        (lifi("FAILED", "INSUFFICIENT_BALANCE"), "failed", "failed", True),
        (lifi("FAILED", "OUT_OF_GAS"), "failed", "failed", True),
        (lifi("FAILED", "EXPIRED"), "failed", "failed", True),
        (lifi("FAILED", "SLIPPAGE_EXCEEDED"), "failed", "failed", True),
        (lifi("FAILED", "UNKNOWN_FAILED_ERROR"), "failed", "failed", True),
        (lifi("FAILED", "UNKNOWN_ERROR"), "failed", "failed", True),
        (lifi("FAILED"), "failed", "failed", True),
        (lifi("FAILED", "NOT_PROCESSABLE_REFUND_NEEDED"), "failed", "in_flight", False),
        (lifi("FAILED", "REFUNDED", REFUND), "refunded", "refunded", True),
    ],
)
def test_what_each_status_says(answer: dict[str, Any], message: str, transfer: str | None, is_final: bool) -> None:
    found = told("lifi", answer)
    assert one(found, "message")["state"] == message
    assert kinds(found) == ["message"] + ["transfer"] * (transfer is not None)
    if transfer is not None:
        assert one(found, "transfer")["state"] == transfer
    assert found.is_final is is_final


def test_what_left_is_told_while_it_is_under_way() -> None:
    found = told("lifi", lifi("PENDING", "WAIT_DESTINATION_TRANSACTION"))
    assert one(found, "message") == {
        "protocol": "lifi",
        "id": LIFI_TX,
        "intent": "I1",
        "source": "ethereum",
        "target": "arbitrum",
        "state": "verified",
        "tx": LIFI_TX,
        "reason": "WAIT_DESTINATION_TRANSACTION",
    }
    assert one(found, "transfer") == {
        "id": f"lifi:{LIFI_TX}",
        "intent": "I1",
        "purpose": "bridge",
        "asset": "USDC",
        "amount": "10000000",
        "state": "in_flight",
        "source": "ethereum",
        "target": "arbitrum",
        "network": "ethereum",
        "chain_time": "1737625200000",
        "tx": LIFI_TX,
        "sender": "0x552008c0f6870c2f77e5cc1d2eb9bdff03e30ea0",
        "recipient": "0x552008c0f6870c2f77e5cc1d2eb9bdff03e30ea0",
    }


def test_what_arrived_replaces_it_with_the_actual_amount_and_token() -> None:
    before = one(told("lifi", lifi("PENDING", "WAIT_DESTINATION_TRANSACTION")), "transfer")
    after = one(told("lifi", lifi("DONE", "COMPLETED", lifi_receiving())), "transfer")
    assert before["id"] == after["id"]
    assert (after["asset"], after["amount"], after["network"]) == ("USDC.arb", "9965731", "arbitrum")
    assert (after["tx"], after["chain_time"]) == (LIFI_RECEIVED_TX, "1737625260000")


def test_a_partial_arrives_in_the_token_that_it_is_and_a_refund_where_it_came_from() -> None:
    partial = one(told("lifi", lifi("DONE", "PARTIAL", PARTIAL)), "transfer")
    assert (partial["asset"], partial["amount"]) == (f"42161:{USDCE_ARBITRUM.lower()}", "9960000")
    refund = one(told("lifi", lifi("DONE", "REFUNDED", REFUND)), "transfer")
    assert (refund["asset"], refund["amount"], refund["network"], refund["purpose"]) == (
        "USDC",
        "9990000",
        "ethereum",
        "refund",
    )


def test_not_found_in_any_form_is_no_failure() -> None:
    for answer in ({"message": "Transaction not found", "code": 1003}, None, {"status": 404, "error": "x"}):
        found = told("lifi", answer, 404)
        assert kinds(found) == ["message"]
        assert (one(found, "message")["state"], one(found, "message")["reason"]) == ("unknown", "NOT_FOUND")
        assert not found.is_final


@pytest.mark.parametrize(
    "amount", ["1000000.5", "1e7", "0x10", 1.5, 1e300, True, ["1"], {"a": 1}, "-", "12 ", "\u0661\u0662", "9" * 79]
)
def test_an_amount_that_is_no_whole_number_says_nothing(amount: object) -> None:
    answer = lifi("DONE", "COMPLETED", lifi_receiving() | {"amount": amount})
    with pytest.raises(AnswerError, match="C183"):
        told("lifi", read_json(body(answer)))


@pytest.mark.parametrize("amount", ["", None, []])
def test_an_amount_that_is_not_there_yet_is_waited_for(amount: object) -> None:
    found = told("lifi", lifi("DONE", "COMPLETED", lifi_receiving() | {"amount": amount}))
    assert kinds(found) == ["message"]
    assert not found.is_final


def test_an_amount_of_any_size_is_told_exactly() -> None:
    for amount in ("24873808145113565803", str(2**256 - 1)):
        as_text = told("lifi", lifi("DONE", "COMPLETED", lifi_receiving(amount=amount)))
        as_number = told("lifi", lifi("DONE", "COMPLETED", lifi_receiving() | {"amount": int(amount)}))
        assert one(as_text, "transfer")["amount"] == one(as_number, "transfer")["amount"] == amount


def test_an_answer_that_is_none_of_its_says_nothing() -> None:
    strange: list[object] = [
        {},
        [],
        None,
        "PENDING",
        {"status": "ok"},
        {"status": None},
        {"message": "x", "code": 1011},
    ]
    for answer in strange:
        with pytest.raises(AnswerError, match="C181"):
            told("lifi", answer)


def test_what_is_not_hex_is_no_hash_but_the_rest_is_told() -> None:
    solana = "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnbJLgp8uirBgmQpjKhoR4tjF3ZpRzrFmBV6UjKdiSZkQUW"
    found = told("lifi", lifi("DONE", "COMPLETED", lifi_receiving() | {"txHash": solana}), fields={"tx": solana})
    assert "tx" not in one(found, "transfer")
    assert one(found, "message")["id"] == solana


def test_it_is_asked_by_the_hash_and_whatever_else_is_known() -> None:
    mapping = shipped("lifi")
    assert mapping.url(SUBJECTS["lifi"]) == f"https://li.quest/v1/status?txHash={LIFI_TX}"
    more = {"tx": "a b&c", "from_chain": "1", "to_chain": "42161", "bridge": "stargateV2"}
    asked = "https://li.quest/v1/status?txHash=a%20b%26c&fromChain=1&toChain=42161&bridge=stargateV2"
    assert mapping.url(more) == asked
