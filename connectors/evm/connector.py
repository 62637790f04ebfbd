"""The class behind the connector type ``evm``: one network, one node, both directions."""

from __future__ import annotations

from connectors.base import Connector, ConnectorContext, OutgoingCommand, SendResult, SendStatus
from connectors.evm.node import Node
from connectors.evm.options import parse_options


class EvmConnector(Connector):
    """Tells what happens on one EVM network as facts, and carries commands out on it."""

    def __init__(self, context: ConnectorContext) -> None:
        super().__init__(context)
        options = parse_options(context.name, context.options)
        self.node = Node(options.node.address(), options.node.timeout)

    async def send(self, command: OutgoingCommand) -> SendResult:
        """Tries once."""
        reason = f"connector '{self.name}' has no `send` in its options, so it only watches"
        return SendResult(SendStatus.REFUSED, {"reason": reason})

    async def stop(self) -> None:
        """Closes the node's connections."""
        await self.node.close()
