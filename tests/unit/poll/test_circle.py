"""Circle's attestations: pending is not attested, and nothing is failed."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.poll.exact import AnswerError
from tests.unit.poll.reading import SUBJECTS, one, shipped, told
from tests.unit.poll.samples import (
    ATTESTATION,
    CIRCLE_NOT_FOUND,
    CIRCLE_TX,
    MESSAGE,
    circle_message,
    circle_pending,
)


@pytest.mark.parametrize(
    ("answer", "status", "state", "attested", "reason"),
    [
        (CIRCLE_NOT_FOUND, 404, "sent", False, "NOT_FOUND"),
        ({"error": "Messages not found"}, 404, "sent", False, "NOT_FOUND"),
        (None, 404, "sent", False, "NOT_FOUND"),
        ({"messages": []}, 200, "sent", False, "pending_confirmations"),
        ({"messages": [circle_pending()]}, 200, "sent", False, "pending_confirmations"),
        ({"messages": [circle_pending("insufficient_fee")]}, 200, "sent", False, "insufficient_fee"),
        ({"messages": [circle_message()]}, 200, "verified", True, "complete"),
        ({"messages": [circle_message(delay="amount_above_max")]}, 200, "verified", True, "amount_above_max"),
        ({"messages": [circle_message(attestation=None)]}, 200, "sent", False, "complete"),
        ({"messages": [circle_message(attestation="PENDING")]}, 200, "sent", False, "complete"),
        ({"messages": [circle_message(attestation="0x")]}, 200, "sent", False, "complete"),
        ({"messages": [circle_message("pending_confirmations")]}, 200, "sent", False, "pending_confirmations"),
        ({"messages": [circle_message("failed")]}, 200, "unknown", False, "failed"),
        # Version 1: of a transaction, and of a message hash.
        ({"messages": [circle_message(None)]}, 200, "verified", True, "complete"),
        ({"messages": [circle_message(None, "PENDING")]}, 200, "sent", False, "pending_confirmations"),
        ({"attestation": ATTESTATION, "status": "complete"}, 200, "verified", True, "complete"),
        ({"attestation": None, "status": "pending_confirmations"}, 200, "sent", False, "pending_confirmations"),
        ({"attestation": "PENDING", "status": "pending_confirmations"}, 200, "sent", False, "pending_confirmations"),
    ],
)
def test_what_each_answer_says(
    answer: dict[str, Any] | None, status: int, state: str, attested: bool, reason: str
) -> None:
    found = told("circle", answer, status)
    message = one(found, "message")
    assert (message["state"], message["attested"]) == (state, attested)
    assert message.get("attestation") == (ATTESTATION if attested else None)
    assert found.is_final is attested
    if "messages" not in (answer or {}) or "status" in str(answer):
        assert message["reason"] == reason


def test_an_attested_message_can_be_minted_from_its_fact() -> None:
    assert one(told("circle", {"messages": [circle_message()]}), "message") == {
        "protocol": "cctp",
        "id": CIRCLE_TX,
        "intent": "I1",
        "source": "ethereum",
        "target": "base",
        "state": "verified",
        "attested": True,
        "attestation": ATTESTATION,
        "body": MESSAGE,
        "tx": CIRCLE_TX,
        "reason": "complete",
    }


def test_domains_are_numbers_or_texts() -> None:
    message = circle_message()
    message["decodedMessage"] |= {"sourceDomain": 0, "destinationDomain": 6}
    found = one(told("circle", {"messages": [message]}), "message")
    assert (found["source"], found["target"]) == ("ethereum", "base")


def test_several_messages_of_one_burn_are_told_apart() -> None:
    found = told("circle", {"messages": [circle_message(), circle_pending()]})
    assert [(f.data["id"], f.data["attested"]) for f in found.facts] == [(CIRCLE_TX, True), (f"{CIRCLE_TX}-1", False)]
    assert not found.is_final


def test_a_message_too_long_for_a_fact_is_attested_all_the_same() -> None:
    found = one(told("circle", {"messages": [circle_message(message="0x" + "ab" * 5_000)]}), "message")
    assert found["attested"] is True
    assert "body" not in found


def test_an_answer_that_is_none_of_its_says_nothing() -> None:
    strange: list[object] = [{}, [], None, "x", {"messages": None}, {"status": "ok"}, CIRCLE_NOT_FOUND]
    for answer in strange:
        with pytest.raises(AnswerError, match="C181"):
            told("circle", answer)


def test_it_is_asked_at_its_domain() -> None:
    asked = f"https://iris-api.circle.com/v2/messages/0?transactionHash={CIRCLE_TX}"
    assert shipped("circle").url(SUBJECTS["circle"]) == asked
    sandbox = shipped("circle").url(SUBJECTS["circle"], "https://iris-api-sandbox.circle.com/")
    assert sandbox == asked.replace("iris-api", "iris-api-sandbox")
