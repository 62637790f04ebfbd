"""The default connector: commands leave on the Redis stream ``commands:<connector>``, which executor services read."""

from __future__ import annotations

from connectors.base import Capabilities, Connector, ConnectorContext, OutgoingCommand, SendResult, SendStatus
from engine.errors import ConfigError


class RedisConnector(Connector):
    """Hands each command to the sink, which appends it to the stream and marks it sent in one script.

    So a command is in the stream exactly once, whenever the daemon dies; an executor service still keeps the ids it
    has carried out, since it may die between doing a thing and acknowledging it.
    """

    capabilities = Capabilities(marks_sent=True)

    def __init__(self, context: ConnectorContext) -> None:
        super().__init__(context)
        if context.options:
            raise ConfigError("C121", f"connector '{context.name}': redis takes no options", "remove `options`")
        if context.sink is None:
            raise ConfigError("C122", f"connector '{context.name}': redis needs the store's way out", "pass a sink")
        self._sink = context.sink

    async def send(self, command: OutgoingCommand) -> SendResult:
        """Appends it, or learns that it was not ours to send any more."""
        is_sent = await self._sink(command)
        return SendResult(SendStatus.SENT if is_sent else SendStatus.WITHHELD)
