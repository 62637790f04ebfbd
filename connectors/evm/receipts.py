"""What a receipt means for its command."""

from __future__ import annotations

import json
from typing import Any, Final

from connectors.evm.calls import Call
from connectors.evm.chain import Chain, Receipt, is_revert, revert_data
from connectors.evm.node import NodeRefusedError
from connectors.evm.notes import Note, Outcome
from connectors.evm.reverts import reason_of
from connectors.evm.said import Sent

_FOR_NOTHING: Final = "; its nonce was used for nothing"
#: Characters of events in one report; a journal entry holds four times as much.
_MAX_EVENTS: Final = 16_384


def request_of(note: Note) -> dict[str, str]:
    """The note's call, as a node estimates or replays it."""
    return {
        "from": note.sender,
        "to": note.to,
        "value": hex(note.value),
        "data": note.data,
        "gas": hex(note.gas),
    }


async def outcome_of(chain: Chain, note: Note, receipt: Receipt, call: Call | None) -> Outcome:
    """Done; or failed: it reverted, or what was mined is the cancellation; or unknown: it lacks an event it must have.

    Args:
        chain: for the reason of a revert.
        note: whose receipt it is.
        receipt: deep enough to count.
        call: its verb's call; None: the verb is no longer configured.

    Raises:
        NodeAwayError: the node cannot be asked for the reason.
    """
    detail: dict[str, Any] = {
        "tx": receipt.hash,
        "nonce": note.nonce,
        "block": receipt.block,
        "block_hash": receipt.block_hash,
        "gas_used": receipt.gas_used,
        "gas_price": str(receipt.price),
        "fee": str(receipt.gas_used * receipt.price),
    }
    version = note.version(receipt.hash)
    if version is not None and version.cancels:
        why = "expired before it was mined" if note.outcome is None else str(note.outcome.detail.get("reason", ""))
        return Outcome("failed", detail | {"reason": f"{why.partition(_FOR_NOTHING)[0]}{_FOR_NOTHING}"})
    if not receipt.succeeded:
        return Outcome("failed", detail | await _why(chain, note, receipt, call))
    events, missing = call.said(receipt.logs, _sent(note)) if call is not None else ({}, [])
    status = "done"
    if missing:
        # It may have had another effect than was meant, or none. Taken for failed, it would be done a second time.
        status = "unknown"
        detail["reason"] = f"it is in a block and did not revert, but does not show: {', '.join(missing)}"
    if len(json.dumps(events)) > _MAX_EVENTS:
        detail["events_left_out"], events = "they are too long to be told", {}
    return Outcome(status, detail | ({"events": events} if events else {}))


def _sent(note: Note) -> Sent:
    return Sent(note.command, note.sender, note.to, note.value, note.data)


async def _why(chain: Chain, note: Note, receipt: Receipt, call: Call | None) -> dict[str, Any]:
    """A receipt does not carry the reason, so the call is replayed on the states before and after its block."""
    for block in (receipt.block - 1, receipt.block):
        try:
            await chain.call(request_of(note), block)
        except NodeRefusedError as refused:
            if is_revert(refused):
                return reason_of(revert_data(refused), call.errors if call is not None else ())
            if "gas" in refused.message.lower():
                return {"reason": "out of gas"}
    if receipt.gas_used >= note.gas:
        return {"reason": "out of gas"}
    return {"reason": "reverted; replayed, it does not, so the reason is not known"}
