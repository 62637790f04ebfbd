"""A watcher that looks when it is told to, at a real node, with a notebook in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connectors.evm.blocks import ChainMovedError
from connectors.evm.events import compile_event
from connectors.evm.heads import WrongChainError
from connectors.evm.look import Look
from connectors.evm.node import Node, NodeError
from connectors.evm.options import parse_options
from tests.support.anvil import Anvil
from tests.support.believing import BelievingNotebook

DEPOSITED = "Deposited(bytes32 indexed intent, address indexed sender, uint256 amount, uint256 target)"
PAID = "Paid(bytes32 indexed intent, address indexed receiver, uint256 amount)"


def options_of(anvil: Anvil, watch: Mapping[str, Any]) -> dict[str, Any]:
    """As a configuration has them: texts, lists and mappings. Blocks of a chain that stands still are never old."""
    known = {"every": "50ms", "behind_after": "30d", "window": "16", "start": "0"}
    node = {"url": anvil.url, "timeout": "5s"}
    return {"network": "alpha", "chain_id": str(anvil.chain_id), "node": node, "watch": {**known, **watch}}


def deposits(address: str, confirmations: str = "4") -> dict[str, Any]:
    """Deposits of the bridge contract as transfers."""
    return {
        "event": DEPOSITED,
        "address": address,
        "kind": "transfer",
        "confirmations": confirmations,
        "fields": {
            "id": "=log.id",
            "intent": "=text(event.intent)",
            "purpose": "bridge",
            "asset": "usdc",
            "amount": "=event.amount",
            "state": "in_flight",
            "network": "=log.network",
            "source": "=log.network",
            "target": "chain-{event.target}",
            "depth": "=log.depth",
            "height": "=log.height",
            "log_index": "=log.index",
            "chain_time": "=log.time",
            "block_hash": "=log.block_hash",
            "tx": "=log.tx",
            "sender": "=event.sender",
        },
    }


class Watched:
    """One watcher over its lives."""

    def __init__(self, anvil: Anvil, **watch: object) -> None:
        self.notebook = BelievingNotebook()
        self._options = options_of(anvil, watch)
        self._node: Node | None = None
        self._look: Look | None = None
        self.failures = 0
        #: What it asks; a test may give it one that cannot be relied on.
        self.make_node: Callable[[str, int, int], Node] = Node

    async def look(self, times: int = 1) -> None:
        """Looks so many times, each until it has caught up; a failure is told as the daemon would."""
        for _ in range(times):
            look = self._look or await self._begin()
            try:
                while await look.once():
                    pass
                self.failures = 0
            except (NodeError, ChainMovedError, WrongChainError) as error:
                self.failures += 1
                await look.failed(error, self.failures)

    async def restart(self) -> None:
        """Forgets all that is not in the notebook."""
        await self.close()
        self.notebook.cut_at = None
        self._look = None

    async def move_to(self, anvil: Anvil) -> None:
        """Begins another life, with another node."""
        await self.restart()
        self._options["node"] = {**self._options["node"], "url": anvil.url}

    async def close(self) -> None:
        if self._node is not None:
            await self._node.close()

    async def _begin(self) -> Look:
        options = parse_options("eth", self._options)
        assert options.watch is not None
        self._node = self.make_node(options.node.address(), options.node.timeout, options.node.max_answer << 20)
        mapped = [compile_event("eth", index, event) for index, event in enumerate(options.watch.events)]
        notes = await self.notebook.read()
        self._look = Look("eth", options, options.watch, self._node, mapped, self.notebook, notes)
        return self._look
