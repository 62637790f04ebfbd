"""A deposit as its bridge tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connectors.evm.abi import AbiError, Event
from connectors.evm.blocks import Log
from connectors.evm.node import Json, NodeAwayError, quantity

DEPOSITED: Final = Event.of(
    "Deposited(bytes32 indexed id, bytes32 indexed intent, address indexed sender,"
    " uint256 amount, uint256 arrives, address receiver)"
)
_SHORT: Final = 10


@dataclass(frozen=True, slots=True)
class Deposit:
    """What was locked on one side, and is owed on the other.

    Attributes:
        id: 32 bytes as hex; names it on both chains.
        intent: the depositor's name for it, handed on.
        amount: locked, base units.
        arrives: owed, base units.
        receiver: to whom.
        network: where it was locked.
        height, block_hash: on which block it stands.
    """

    id: str
    intent: str
    amount: int
    arrives: int
    receiver: str
    network: str
    height: int
    block_hash: str

    @classmethod
    def of(cls, network: str, raw: Json) -> Deposit:
        """From a log as JSON.

        Raises:
            NodeAwayError: it is no log of a deposit; the node cannot be believed.
        """
        log = Log.of(raw)
        try:
            said = DEPOSITED.decode(log.topics, log.data)
        except AbiError as error:
            raise NodeAwayError(f"the node answers a log that is no deposit: {error}") from error
        return cls(
            id=said["id"],
            intent=said["intent"],
            amount=said["amount"],
            arrives=said["arrives"],
            receiver=said["receiver"],
            network=network,
            height=quantity(raw.get("blockNumber")),
            block_hash=log.block_hash,
        )

    @property
    def short(self) -> str:
        """Its id, as long as people need it."""
        return f"{self.id[:_SHORT]}…"
