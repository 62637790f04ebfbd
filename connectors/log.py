"""The connector that needs no configuration: one structured log line, and the command is done."""

from __future__ import annotations

import logging

from connectors.base import Capabilities, Connector, ConnectorContext, OutgoingCommand, SendResult, SendStatus
from engine.errors import ConfigError

_LOG = logging.getLogger("lockstep.connector.log")


class LogConnector(Connector):
    """Writes each command as one structured line to the log ``lockstep.connector.log`` at level info.

    A command may be logged twice after a crash: the line carries the id.
    """

    capabilities = Capabilities(reports_later=False)

    def __init__(self, context: ConnectorContext) -> None:
        super().__init__(context)
        if context.options:
            raise ConfigError("C121", f"connector '{context.name}': log takes no options", "remove `options`")

    async def send(self, command: OutgoingCommand) -> SendResult:
        """Logs it."""
        fields = {
            "command": command.id,
            "connector": command.connector,
            "verb": command.verb,
            "arguments": command.arguments(),
            "rule": command.rule,
            "coordination": command.coordination,
            "expires": command.expires_ms,
            "attempt": command.attempt,
        }
        _LOG.info("command", extra=fields)
        return SendResult(SendStatus.DONE, {"logged": True})
