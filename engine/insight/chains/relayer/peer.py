"""One chain as the relayer asks it, and how it is with its node."""

from __future__ import annotations

import logging
from typing import Any, Final

from connectors.evm.blocks import Block, ChainMovedError
from connectors.evm.node import Json, Node, NodeAwayError, quantity
from engine.insight.chains.problems import ChainError
from engine.insight.chains.relayer.settings import SideSettings

LOG: Final = logging.getLogger("lockstep.relayer")


class Peer:
    """Asks, and logs once when its node goes away and once when it is back.

    Attributes:
        side: which one.
        network: its name.
    """

    def __init__(self, side: SideSettings, timeout_ms: int) -> None:
        self.side = side
        self.network = side.network
        self._node = Node(side.url, timeout_ms)
        self._is_checked = False
        self._is_away = False

    async def ask(self, method: str, *params: Json) -> Json:
        """The result of one method.

        Raises:
            NodeAwayError: no usable answer.
            NodeRefusedError: a JSON-RPC error.
            ChainError: X157, it is another chain's node.
        """
        if not self._is_checked:
            answered = quantity(await self._node.call("eth_chainId"))
            if answered != self.side.chain_id:
                hint = "put the right url into the relayer's file"
                raise ChainError("X157", f"{self.network}: the node is of chain {answered}", hint)
            self._is_checked = True
        return await self._node.call(method, *params)

    def is_back(self) -> None:
        """It answered all that it was asked."""
        if self._is_away:
            LOG.info("%s: the node is back", self.network)
            self._is_away = False

    def is_gone(self, error: NodeAwayError) -> None:
        """It did not; once it is back, it is asked again which chain it is of."""
        self._is_checked = False
        if not self._is_away:
            LOG.warning("%s: the node is away: %s", self.network, error)
            self._is_away = True

    async def head(self) -> Block:
        """The newest block."""
        return Block.of(await self.ask("eth_getBlockByNumber", "latest", False))

    async def hash_at(self, height: int) -> str | None:
        """The hash of the chain's block of that height; None if it is not so long."""
        raw = await self.ask("eth_getBlockByNumber", hex(height), False)
        return None if raw is None else Block.of(raw).hash

    async def logs(self, topics: list[Json], first: int, last: int) -> list[dict[str, Any]]:
        """What the bridge told with these topics in the blocks first to last, in their order.

        Raises:
            ChainMovedError: a log does not stand any more.
        """
        asked = {"address": self.side.bridge, "topics": topics, "fromBlock": hex(first), "toBlock": hex(last)}
        raws = await self.ask("eth_getLogs", asked)
        if not isinstance(raws, list) or not all(isinstance(raw, dict) for raw in raws):
            raise NodeAwayError("the node answers no list of logs")
        if any(raw.get("removed") is True for raw in raws):
            raise ChainMovedError("a log was removed while it was read")
        return raws

    async def close(self) -> None:
        """Closes its connections."""
        await self._node.close()
