"""What intents have caused on both chains, by the events that stand on the branches that are now the chains'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from connectors.evm.abi import Event
from engine.insight.chains.ground import Ground, Side
from engine.insight.chains.rpc import ask

_DEPOSITED: Final = Event.of(
    "Deposited(bytes32 indexed id, bytes32 indexed intent, address indexed sender, uint256 amount, uint256 arrives,"
    " address receiver)"
)
_RELEASED: Final = Event.of(
    "Released(bytes32 indexed id, bytes32 indexed intent, address indexed receiver, uint256 amount)"
)
_SWAPPED: Final = Event.of(
    "Swapped(bytes32 indexed ref, address indexed sender, address indexed token_in, uint256 amount_in,"
    " address token_out, uint256 amount_out, address receiver)"
)


@dataclass
class Effects:
    """What the operator's intents have caused.

    Attributes:
        times: (intent, network, event) → how often.
        moved: (intent, network, asset) → base units that came to the operator, less those that left.
    """

    times: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    moved: Counter[tuple[str, str, str]] = field(default_factory=Counter)


def effects(ground: Ground) -> Effects:
    """Reads them from both chains, from their first block to their newest."""
    found = Effects()
    for side in (ground.home, ground.far):
        for said in _logs(side, _DEPOSITED, side.bridge):
            if said["sender"] == ground.operator:
                _note(found, side, "Deposited", said["intent"], {"USDX": -int(said["amount"])})
        for said in _logs(side, _RELEASED, side.bridge):
            if said["receiver"] == ground.operator:
                _note(found, side, "Released", said["intent"], {"USDX": int(said["amount"])})
        assets = {side.usd: "USDX", side.eth: "ETHX"}
        for said in _logs(side, _SWAPPED, side.pool):
            if ground.operator in (said["sender"], said["receiver"]):
                paid, got = assets[said["token_in"]], assets[said["token_out"]]
                moved = {paid: -int(said["amount_in"]), got: int(said["amount_out"])}
                _note(found, side, "Swapped", said["ref"], moved)
    return found


def _note(found: Effects, side: Side, event: str, reference: str, moved: Mapping[str, int]) -> None:
    intent = bytes.fromhex(reference[2:]).rstrip(b"\0").decode(errors="replace")
    found.times[intent, side.network, event] += 1
    for asset, amount in moved.items():
        found.moved[intent, side.network, asset] += amount


def _logs(side: Side, event: Event, address: str) -> Iterator[Mapping[str, Any]]:
    """Addresses in what they say are lower case."""
    asked = {"fromBlock": "0x0", "toBlock": "latest", "address": address, "topics": [event.topic]}
    for log in ask(side.url, "eth_getLogs", asked):
        said: Mapping[str, Any] = event.decode(log["topics"], log["data"])
        yield {name: value.lower() if isinstance(value, str) else value for name, value in said.items()}
