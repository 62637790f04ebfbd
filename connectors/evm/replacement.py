"""Signing a note's transaction: the first time, to replace it at its nonce, or to take the nonce for nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from connectors.evm.fees import Offer
from connectors.evm.keys import Signer
from connectors.evm.notes import Note, Version

#: A transfer of nothing to oneself.
_EMPTY_GAS: Final = 21_000


def signed_version(signer: Signer, note: Note, offer: Offer, at_ms: int, block: int, *, cancels: bool) -> Note:
    """The note with one more signed version.

    Args:
        signer: of the note's account.
        note: whose nonce, call and limit are signed.
        offer: what is offered for gas.
        at_ms: now, unix ms.
        block: the head.
        cancels: sign a transfer of nothing to oneself instead of the call.
    """
    fields: dict[str, int | str] = {
        "type": 2,
        "chainId": note.chain_id,
        "nonce": note.nonce,
        "to": signer.address if cancels else note.to,
        "value": 0 if cancels else note.value,
        "data": "0x" if cancels else note.data,
        "gas": _EMPTY_GAS if cancels else note.gas,
        "maxFeePerGas": offer.max_fee,
        "maxPriorityFeePerGas": offer.priority,
    }
    signed = signer.sign(fields)
    version = Version(signed.hash, signed.raw, offer.max_fee, offer.priority, cancels, at_ms, block)
    return replace(note, versions=(*note.versions, version))
