"""Two chains that mine when asked, laid out, and what tests do to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connectors.evm.abi import Event, Function
from engine.insight.chains.anvil import Anvil
from engine.insight.chains.contracts import call
from engine.insight.chains.ground import Ground, Side, balances, lay_out, read
from engine.insight.chains.problems import ChainError
from engine.insight.chains.relayer.deposit import DEPOSITED
from engine.insight.chains.rpc import ask

RELEASED = Event.of("Released(bytes32 indexed id, bytes32 indexed intent, address indexed receiver, uint256 amount)")
OPERATOR = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
INTENT = "0x" + "1a" * 32


@dataclass
class Pair:
    """Both chains."""

    home: Anvil
    far: Anvil
    ground: Ground

    @classmethod
    def laid_out(cls, home: Anvil, far: Anvil) -> Pair:
        return cls(home, far, lay_out(home, far, OPERATOR))

    def stop(self) -> None:
        self.home.stop()
        self.far.stop()

    def chain(self, side: Side) -> Anvil:
        return self.home if side.network == "home" else self.far

    def deposit(self, side: Side, amount: int, intent: str = INTENT, sender: str = OPERATOR) -> str:
        """Sends a deposit without mining it; its transaction."""
        data = call("deposit(bytes32,uint256,address)", intent, amount, sender)
        return self.chain(side).transact_from(sender, side.bridge, data, gas=300_000)

    def deposits(self, side: Side) -> list[dict[str, Any]]:
        return self.events(side, DEPOSITED, side.bridge)

    def releases(self, side: Side) -> list[dict[str, Any]]:
        return self.events(side, RELEASED, side.bridge)

    def events(self, side: Side, event: Event, address: str) -> list[dict[str, Any]]:
        """All of that kind that a contract told, in order."""
        asked = {"address": address, "topics": [event.topic], "fromBlock": "0x0", "toBlock": "latest"}
        return [event.decode(raw["topics"], raw["data"]) for raw in ask(side.url, "eth_getLogs", asked)]

    def waiting(self, side: Side) -> int:
        """Transactions in the pool."""
        return int(ask(side.url, "txpool_status")["pending"], 16)

    def balances(self) -> dict[tuple[str, str, str], int]:
        return balances(self.ground)


def one(url: str, to: str, signature: str, *values: object) -> object:
    """The single answer of a view function."""
    return read(url, to, signature, *values)[0]


def refused(side: Side, sender: str, to: str, signature: str, *values: object) -> str:
    """What a contract says against a call; empty if it takes it."""
    asked = {"from": sender, "to": to, "data": Function.of(signature).call_data(values)}
    try:
        ask(side.url, "eth_call", asked, "latest")
    except ChainError as error:
        return error.message
    return ""
