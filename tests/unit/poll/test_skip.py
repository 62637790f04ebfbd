"""Skip's states, in the form of its reference and in the flat one."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.poll.exact import AnswerError
from tests.unit.poll.reading import SUBJECTS, kinds, one, shipped, told
from tests.unit.poll.samples import (
    ATOM_OSMOSIS,
    LIFI_RECEIVED_TX,
    SKIP_RECEIVED,
    SKIP_TX,
    cctp,
    ibc,
    release,
    skip,
    skip_flat,
    skip_transfer,
)

ARRIVED = release("osmosis-1", ATOM_OSMOSIS, "1500000")
BACK = release("cosmoshub-4", "uatom", "2000000")
ERROR = {"code": 13, "message": "packet timed out", "type": "STATUS_ERROR_UNKNOWN", "details": {}}
REVERTED = {"code": 11, "message": "out of gas", "type": "STATUS_ERROR_TRANSACTION_EXECUTION"}
HOPS = [ibc("TRANSFER_SUCCESS")]


@pytest.mark.parametrize("shape", [skip, skip_flat])
@pytest.mark.parametrize(
    ("transfer", "message", "value", "is_final"),
    [
        (skip_transfer("STATE_SUBMITTED", []), "sent", None, False),
        (skip_transfer("STATE_RECEIVED", []), "sent", None, False),
        (skip_transfer("STATE_PENDING", [ibc("TRANSFER_PENDING")], blocking=0), "sent", None, False),
        (skip_transfer("STATE_PENDING", HOPS, release("osmosis-1", "x", "1", released=False)), "sent", None, False),
        (skip_transfer("STATE_PENDING_ERROR", HOPS, BACK | {"released": False}, ERROR), "stuck", None, False),
        (skip_transfer("STATE_COMPLETED_SUCCESS", HOPS, ARRIVED), "executed", "arrived", True),
        (skip_transfer("STATE_COMPLETED_SUCCESS", HOPS, ARRIVED | {"released": False}), "executed", None, False),
        (skip_transfer("STATE_COMPLETED_SUCCESS", HOPS), "executed", None, True),
        (skip_transfer("STATE_COMPLETED_SUCCESS", HOPS, release("osmosis-1", "x", None)), "executed", None, True),
        (skip_transfer("STATE_COMPLETED_ERROR", HOPS, BACK, ERROR), "failed", "refunded", True),
        (skip_transfer("STATE_COMPLETED_ERROR", HOPS, ARRIVED, ERROR), "failed", "refunded", True),
        (skip_transfer("STATE_COMPLETED_ERROR", HOPS, BACK | {"released": False}, ERROR), "failed", None, False),
        (skip_transfer("STATE_COMPLETED_ERROR", [], None, REVERTED), "failed", None, True),
        (skip_transfer("STATE_ABANDONED", [ibc("TRANSFER_PENDING")], blocking=0), "unknown", None, False),
        (skip_transfer("STATE_UNKNOWN", []), "unknown", None, False),
        (skip_transfer("STATE_COMPLETED", HOPS, ARRIVED), "unknown", None, False),
        (skip_transfer("STATE_OF_TOMORROW", []), "unknown", None, False),
    ],
)
def test_what_each_state_says(
    shape: Any,  # noqa: ANN401 - one of two builders
    transfer: dict[str, Any],
    message: str,
    value: str | None,
    is_final: bool,
) -> None:
    found = told("skip", shape(transfer))
    assert one(found, "message")["state"] == message
    assert kinds(found) == ["message"] + ["transfer"] * (value is not None)
    if value is not None:
        assert one(found, "transfer")["state"] == value
    assert found.is_final is is_final


def test_an_error_tells_where_the_value_is() -> None:
    back = one(told("skip", skip(skip_transfer("STATE_COMPLETED_ERROR", HOPS, BACK, ERROR))), "transfer")
    assert (back["network"], back["asset"], back["amount"], back["purpose"]) == ("hub", "ATOM", "2000000", "refund")
    between = told("skip", skip(skip_transfer("STATE_COMPLETED_ERROR", HOPS, ARRIVED, ERROR)))
    value = one(between, "transfer")
    assert (value["network"], value["source"], value["asset"]) == ("osmosis", "hub", "ATOM.osmo")
    assert one(between, "message")["reason"] == "packet timed out"


def test_what_arrived_is_told_with_the_last_hops_transaction() -> None:
    over_ibc = one(told("skip", skip(skip_transfer("STATE_COMPLETED_SUCCESS", HOPS, ARRIVED))), "transfer")
    assert over_ibc["tx"] == "0x" + SKIP_RECEIVED.lower()
    hops = [ibc("TRANSFER_SUCCESS"), cctp("CCTP_TRANSFER_RECEIVED", is_received=True)]
    there = release("8453", "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "75000000")
    over_cctp = one(told("skip", skip(skip_transfer("STATE_COMPLETED_SUCCESS", hops, there))), "transfer")
    assert (over_cctp["tx"], over_cctp["network"]) == (LIFI_RECEIVED_TX, "base")
    assert over_cctp["asset"] == "8453:0x833589fcd6edb6e08f4c7c32d4f71b54bda02913"


def test_what_left_is_told_when_who_tracks_it_says_what_it_is() -> None:
    more = {"asset": "ATOM", "amount": "2000000"}
    pending = told("skip", skip(skip_transfer("STATE_PENDING", [ibc("TRANSFER_PENDING")], blocking=0)), fields=more)
    arrived = told("skip", skip(skip_transfer("STATE_COMPLETED_SUCCESS", HOPS, ARRIVED)), fields=more)
    assert (one(pending, "transfer")["state"], one(pending, "transfer")["amount"]) == ("in_flight", "2000000")
    assert one(pending, "transfer")["id"] == one(arrived, "transfer")["id"] == f"skip:{SKIP_TX}"
    for state in ("STATE_ABANDONED", "STATE_UNKNOWN"):
        assert kinds(told("skip", skip(skip_transfer(state, [])), fields=more)) == ["message"]
    reverted = told("skip", skip(skip_transfer("STATE_COMPLETED_ERROR", [], None, REVERTED)), fields=more)
    assert one(reverted, "transfer")["state"] == "failed"
    lost = told("skip", skip(skip_transfer("STATE_COMPLETED_ERROR", HOPS, None, ERROR)), fields=more)
    assert kinds(lost) == ["message"], "value that left is not said to have stayed"


def test_several_transfers_of_one_transaction_are_told_apart() -> None:
    first = skip_transfer("STATE_COMPLETED_SUCCESS", HOPS, ARRIVED)
    second = skip_transfer("STATE_PENDING", [ibc("TRANSFER_PENDING")], blocking=0)
    found = told("skip", skip(first, second))
    assert [(f.kind, f.data["id"], f.data["state"]) for f in found.facts] == [
        ("message", SKIP_TX, "executed"),
        ("transfer", f"skip:{SKIP_TX}", "arrived"),
        ("message", f"{SKIP_TX}-1", "sent"),
    ]
    assert not found.is_final
    assert told("skip", skip(first, first)).is_final


def test_the_oldest_form_with_a_status_alone_is_read() -> None:
    transfer = skip_transfer("STATE_COMPLETED_SUCCESS", HOPS, ARRIVED)
    old = {name: value for name, value in transfer.items() if name != "state"} | {"status": transfer["state"]}
    assert told("skip", old) == told("skip", skip(transfer))


def test_a_transaction_that_skip_does_not_know_is_unknown() -> None:
    for answer in ({"code": 5, "message": "tx not found", "details": []}, None):
        found = told("skip", answer, 404)
        assert (one(found, "message")["state"], one(found, "message")["reason"]) == ("unknown", "NOT_FOUND")
        assert not found.is_final


def test_an_answer_that_is_none_of_its_says_nothing() -> None:
    strange: list[object] = [{}, [], None, {"transfers": {}}, {"state": 3}, {"error": "x"}]
    for answer in strange:
        with pytest.raises(AnswerError, match="C18"):
            told("skip", answer)


def test_it_is_asked_by_hash_and_chain() -> None:
    asked = f"https://api.skip.build/v2/tx/status?tx_hash={SKIP_TX}&chain_id=cosmoshub-4"
    assert shipped("skip").url(SUBJECTS["skip"]) == asked
