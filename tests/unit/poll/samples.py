"""Answers as the three APIs document them, whole; what varies is a parameter."""

from __future__ import annotations

import json
from typing import Any

LIFI_TX = "0xe1ffdcf09d5aa92a2d89b1b39db3f8cadf09428a296cce0d5e387595ac83d08f"
LIFI_RECEIVED_TX = "0x9c3d1b2a4f5e6d7c8b9a0f1e2d3c4b5a69788796a5b4c3d2e1f0a9b8c7d6e5f4"
USDC_ETHEREUM = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
USDC_ARBITRUM = "0xaf88d065e77c8cC2239327C5EDb3A432268e5831"
USDCE_ARBITRUM = "0xFF970A61A04b1cA14834A43f5dE4533eBDDB5CC8"


def token(address: str, chain: int, symbol: str = "USDC") -> dict[str, Any]:
    return {
        "address": address,
        "chainId": chain,
        "symbol": symbol,
        "decimals": 6,
        "name": "USD Coin",
        "coinKey": symbol,
        "logoURI": "https://example.com/logo.png",
        "priceUSD": "0.999606",
    }


def lifi_sending() -> dict[str, Any]:
    return {
        "txHash": LIFI_TX,
        "txLink": f"https://etherscan.io/tx/{LIFI_TX}",
        "chainId": 1,
        "amount": "10000000",
        "token": token(USDC_ETHEREUM, 1),
        "amountUSD": "9.9961",
        "gasPrice": "65729222",
        "gasUsed": "220266",
        "gasToken": token("0x0000000000000000000000000000000000000000", 1, "ETH"),
        "gasAmount": "14477912813052",
        "gasAmountUSD": "0.0423",
        "timestamp": 1737625200,
        "value": "0",
        "includedSteps": [
            {"tool": "across", "fromAmount": "10000000", "fromToken": token(USDC_ETHEREUM, 1), "toAmount": "9965731"}
        ],
    }


def lifi_receiving(address: str = USDC_ARBITRUM, chain: int = 42161, amount: str = "9965731") -> dict[str, Any]:
    return {
        "txHash": LIFI_RECEIVED_TX,
        "txLink": f"https://arbiscan.io/tx/{LIFI_RECEIVED_TX}",
        "chainId": chain,
        "amount": amount,
        "token": token(address, chain),
        "amountUSD": "9.9622",
        "gasPrice": "10000000",
        "gasUsed": "477174",
        "timestamp": 1737625260,
    }


def lifi(status: str, substatus: str | None = None, receiving: dict[str, Any] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "transactionId": "0x0959ee0fbb37a868752d7ae40b25dbfa3b7d72f499fa8386fd5f4105b18b62bd",
        "sending": lifi_sending(),
        "receiving": receiving or {"chainId": 42161},
        "feeCosts": [],
        "lifiExplorerLink": f"https://explorer.li.fi/tx/{LIFI_TX}",
        "fromAddress": "0x552008c0f6870c2f77e5cC1d2eb9bdff03e30Ea0",
        "toAddress": "0x552008c0f6870c2f77e5cC1d2eb9bdff03e30Ea0",
        "tool": "across",
        "status": status,
        "substatusMessage": "The words of LI.FI.",
        "metadata": {"integrator": "lockstep"},
    }
    return found | ({"substatus": substatus} if substatus is not None else {})


def lifi_not_found() -> dict[str, Any]:
    return {
        "sending": {"txHash": LIFI_TX, "txLink": f"https://etherscan.io/tx/{LIFI_TX}", "chainId": 1},
        "receiving": {"chainId": "NOT_FOUND"},
        "tool": "across",
        "status": "NOT_FOUND",
    }


SKIP_TX = "EEC65138E6A7BDD047ED0D4BBA249A754F0BBBC7AA976568C4F35A32CD7FB8EB"
SKIP_RECEIVED = "F513DDCB7BDFEE74AF07F67881D6778A3710C88EEAEBDA95E726E52C7B5E6BD3"
ATOM_OSMOSIS = "ibc/27394FB092D2ECCD56123C74F36E4C1F926001CEADA9CA97EA622B25F41E5EB2"


def ibc(state: str) -> dict[str, Any]:
    sent = {"chain_id": "cosmoshub-4", "tx_hash": SKIP_TX, "explorer_link": "https://www.mintscan.io/cosmos"}
    received = {"chain_id": "osmosis-1", "tx_hash": SKIP_RECEIVED, "explorer_link": "https://www.mintscan.io/osmosis"}
    packet = {
        "send_tx": sent,
        "receive_tx": received if state in ("TRANSFER_SUCCESS", "TRANSFER_RECEIVED") else None,
        "acknowledge_tx": None,
        "timeout_tx": None,
        "error": None,
    }
    hop = {"from_chain_id": "cosmoshub-4", "to_chain_id": "osmosis-1", "state": state, "packet_txs": packet}
    return {"ibc_transfer": hop | {"src_chain_id": "cosmoshub-4", "dst_chain_id": "osmosis-1"}}


def cctp(state: str, *, is_received: bool) -> dict[str, Any]:
    received = {"chain_id": "8453", "tx_hash": LIFI_RECEIVED_TX, "explorer_link": "https://basescan.org"}
    txs = {
        "send_tx": {"chain_id": "42161", "tx_hash": LIFI_TX, "explorer_link": "https://arbiscan.io"},
        "receive_tx": received if is_received else None,
    }
    return {"cctp_transfer": {"from_chain_id": "42161", "to_chain_id": "8453", "state": state, "txs": txs}}


def release(chain: str, denom: str, amount: str | None, *, released: bool = True) -> dict[str, Any]:
    found = {"chain_id": chain, "denom": denom, "amount": amount, "released": released}
    return {name: value for name, value in found.items() if value is not None}


def skip_transfer(
    state: str,
    sequence: list[dict[str, Any]],
    released: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
    blocking: int | None = None,
) -> dict[str, Any]:
    return {
        "state": state,
        "transfer_sequence": sequence,
        "next_blocking_transfer": None if blocking is None else {"transfer_sequence_index": blocking},
        "transfer_asset_release": released,
        "error": error,
    }


def skip(*transfers: dict[str, Any]) -> dict[str, Any]:
    """As the reference documents it."""
    return {"transfers": list(transfers)}


def skip_flat(transfer: dict[str, Any]) -> dict[str, Any]:
    """As it is answered too: both forms, and the state under its older name as well."""
    return {"transfers": [transfer], **transfer, "status": transfer["state"]}


CIRCLE_TX = "0x912f22a13e9ccb979b621500f6952b2afd6e75be7eadaed93fc2625fe11c52a2"
ATTESTATION = "0x" + "6edd90f4a0ad0212fd9fbbd5058a25aa8ee10ce77e4fc143567bbe73fb6e164f" * 4 + "1b1c"
MESSAGE = "0x" + "0000000000000005000000030000000000000194c2a65fc943419a5ad590042fd67c" * 8


def circle_message(
    status: str | None = "complete",
    attestation: str | None = ATTESTATION,
    message: str = MESSAGE,
    delay: str | None = None,
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "message": message,
        "eventNonce": "9682",
        "attestation": attestation,
        "decodedMessage": {
            "sourceDomain": "0",
            "destinationDomain": "6",
            "nonce": "9682",
            "sender": "0xca9142d0b9804ef5e239d3bc1c7aa0d1c74e7350",
            "recipient": "0xb7317b4EFEa194a22bEB42506065D3772C2E95EF",
            "destinationCaller": "0xf2Edb1Ad445C6abb1260049AcDDCA9E84D7D8aaA",
            "minFinalityThreshold": "1000",
            "finalityThresholdExecuted": "1000",
            "messageBody": "0x00",
            "decodedMessageBody": {
                "burnToken": USDC_ETHEREUM,
                "mintRecipient": "0xb7317b4EFEa194a22bEB42506065D3772C2E95EF",
                "amount": "5000",
                "messageSender": "0xca9142d0b9804ef5e239d3bc1c7aa0d1c74e7350",
                "maxFee": "1000",
                "feeExecuted": "1",
                "expirationBlock": "12345678",
                "hookData": None,
            },
        },
        "cctpVersion": 2,
        "status": status,
        "delayReason": delay,
    }
    return {name: value for name, value in found.items() if name != "status" or value is not None}


def circle_pending(delay: str | None = None) -> dict[str, Any]:
    return circle_message("pending_confirmations", "PENDING", "0x", delay) | {"decodedMessage": None}


CIRCLE_NOT_FOUND = {"code": 404, "error": "Message hash not found"}


#: Whole answers, one for each of the shapes that something is told of.
ARRIVALS: list[tuple[str, dict[str, Any]]] = [
    ("lifi", lifi("DONE", "COMPLETED", lifi_receiving())),
    ("lifi", lifi("DONE", "REFUNDED", lifi_receiving(USDC_ETHEREUM, 1, "9990000"))),
    ("lifi", lifi("PENDING", "WAIT_DESTINATION_TRANSACTION")),
    ("lifi", lifi("FAILED", "OUT_OF_GAS")),
    ("skip", skip(skip_transfer("STATE_COMPLETED_SUCCESS", [ibc("TRANSFER_SUCCESS")], release("osmosis-1", "x", "1")))),
    ("skip", skip(skip_transfer("STATE_COMPLETED_ERROR", [ibc("TRANSFER_FAILURE")], release("hub", "uatom", "1")))),
    ("skip", skip_flat(skip_transfer("STATE_PENDING", [ibc("TRANSFER_PENDING")], blocking=0))),
    ("circle", {"messages": [circle_message(), circle_pending()]}),
]


def body(document: object) -> bytes:
    return json.dumps(document).encode()
