"""Releases on one bridge what was deposited on the other."""

from __future__ import annotations

from typing import Final

from connectors.evm.abi import Event, Function
from connectors.evm.blocks import Log
from connectors.evm.node import NodeAwayError, quantity
from engine.insight.chains.relayer.deposit import Deposit
from engine.insight.chains.relayer.peer import Peer

_RELEASED: Final = Event.of(
    "Released(bytes32 indexed id, bytes32 indexed intent, address indexed receiver, uint256 amount)"
)
_WAS_RELEASED: Final = Function.of("released(bytes32 id) returns (bool)")
_RELEASE: Final = Function.of("release(bytes32 id, bytes32 intent, address receiver, uint256 amount)")


class Target:
    """The bridge on which is released."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    async def found(self, deposit: Deposit) -> tuple[str, int] | None:
        """The transaction that has released it, and how many blocks deep; None if none is in the chain.

        Raises:
            ChainMovedError, NodeError: as ``Peer.logs``.
        """
        head = await self.peer.head()
        for raw in await self.peer.logs([_RELEASED.topic, deposit.id], 0, head.number):
            return Log.of(raw).tx, head.number - quantity(raw.get("blockNumber")) + 1
        return None

    async def is_under_way(self, deposit: Deposit, tx: str | None) -> bool:
        """Whether its release is in a block or waits for one, whoever sent it.

        Args:
            deposit: what is to be released.
            tx: what was sent for it, as far as is known.
        """
        if tx is not None:
            sent = await self.peer.ask("eth_getTransactionByHash", tx)
            if isinstance(sent, dict) and sent.get("blockHash") is None:
                return True
        # A life that died before it noted what it sent left it in the pool.
        for at in ("latest", "pending"):
            asked = {"to": self.peer.side.bridge, "data": _WAS_RELEASED.call_data([deposit.id])}
            if quantity(await self.peer.ask("eth_call", asked, at)):
                return True
        return False

    async def release(self, deposit: Deposit) -> str:
        """Sends it; the transaction.

        Raises:
            NodeRefusedError: it would revert, with the contract's reason; nothing was sent.
            NodeAwayError: whether it was sent is not known.
        """
        values = [deposit.id, deposit.intent, deposit.receiver, deposit.arrives]
        side = self.peer.side
        asked = {"from": side.account, "to": side.bridge, "data": _RELEASE.call_data(values)}
        await self.peer.ask("eth_call", asked, "latest")
        sent = await self.peer.ask("eth_sendTransaction", asked)
        if not isinstance(sent, str):
            raise NodeAwayError("the node answers no transaction")
        return sent
