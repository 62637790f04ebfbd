"""The class behind the connector type ``evm``: one network, one node, both directions."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from connectors.base import Connector, ConnectorContext, OutgoingCommand, SendResult, SendStatus
from connectors.evm.node import Node
from connectors.evm.notes import Book
from connectors.evm.options import EvmOptions, parse_options
from connectors.evm.sending import Sending
from connectors.evm.sending_options import parse_sending
from connectors.evm.watching import Watcher
from engine.errors import worst_of


class EvmConnector(Connector):
    """Tells what happens on one EVM network as facts, and carries commands out on it."""

    def __init__(self, context: ConnectorContext) -> None:
        super().__init__(context)
        options = parse_options(context.name, context.options)
        self.node = Node(options.node.address(), options.node.timeout, options.node.max_answer << 20)
        self._notebook = context.notebook
        self._pace = context.pace
        self._watcher = None if options.watch is None else Watcher(context.name, options, options.watch, self.node)
        self._sending = _sending(context, options, self.node)
        if self._sending is not None:
            # Not its verbs: a command that was sent is not refused because its verb is no longer configured.
            self.capabilities = replace(self.capabilities, remembers=True)

    async def start(self) -> None:
        """Loads the key, if it sends."""
        if self._sending is not None:
            await self._sending.start()

    async def watch(self) -> None:
        """Watches the network and follows what was sent, side by side; both begin again when one fails."""
        try:
            async with asyncio.TaskGroup() as halves:
                if self._watcher is not None and self._pace is not None:
                    halves.create_task(self._watcher.run(self._notebook, self._pace), name=f"heads:{self.name}")
                if self._sending is not None:
                    halves.create_task(self._sending.follow(), name=f"receipts:{self.name}")
        except ExceptionGroup as failed:
            raise worst_of(failed) from failed

    async def send(self, command: OutgoingCommand) -> SendResult:
        """Sends the command's transaction, or the same one again."""
        if self._sending is None:
            reason = f"connector '{self.name}' has no `send` in its options, so it only watches"
            book = Book(self._notebook)
            await book.read()
            was_sent = command.id in book.open or command.id in book.ended
            return SendResult(SendStatus.UNKNOWN if was_sent else SendStatus.REFUSED, {"reason": reason})
        return await self._sending.send(command)

    async def recall(self, command_id: str) -> SendResult:
        """What is noted of a command that is not to be sent any more."""
        return await (super().recall(command_id) if self._sending is None else self._sending.recall(command_id))

    async def stop(self) -> None:
        """Closes the node's connections, once nobody uses them any more."""
        try:
            if self._sending is not None:
                await self._sending.settled()
        finally:
            await self.node.close()


def _sending(context: ConnectorContext, options: EvmOptions, node: Node) -> Sending | None:
    if options.send is None:
        return None
    sending = parse_sending(context.name, options.send)
    place = f"connector '{context.name}': options.send"
    return Sending(sending, place, options.network, options.chain_id, node, context)
