"""What happened in a test's world: commands that were made, what the audit says, what was refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.model.journal import ChangeSet

#: An event of no audit: how a coordination without a verdict stands when a test asks.
STANDING: Final = "standing"


@dataclass(frozen=True, slots=True)
class Made:
    """A command that was made.

    Attributes:
        at_ms: unix ms.
        command: ``connector.verb``.
        args: as they left.
        event: the firing behind it as the audit has it; empty if none is named.
    """

    at_ms: int
    id: str
    command: str
    args: Mapping[str, Any]
    rule: str
    coordination: str
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Noted:
    """Something the audit says."""

    at_ms: int
    cause: str
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that was rejected."""

    at_ms: int
    code: str
    message: str
    hint: str


@dataclass(slots=True)
class History:
    """All that happened so far, in order."""

    made: list[Made] = field(default_factory=list)
    noted: list[Noted] = field(default_factory=list)
    rejected: list[Refused] = field(default_factory=list)

    def record(self, change: ChangeSet, at_ms: int) -> None:
        """Put down what happened; the audit comes first, for it says of each command why.

        Args:
            change: what one commit changed.
            at_ms: the instant that is being played, unix ms.
        """
        behind: dict[str, tuple[int, Mapping[str, Any]]] = {}
        for record in change.audit:
            said = dict(record)
            at, cause = int(said["at"]), said["cause"].decode()
            for event in json.loads(said["events"]):
                self.noted.append(Noted(at, cause, event))
                for command in event.get("commands") or ():
                    if isinstance(command, dict) and "id" in command:
                        behind[command["id"]] = at, event
        for made in change.commands:
            at, event = behind.get(made.command_id, (at_ms, {}))
            args = json.loads(made.args)
            name = f"{made.connector}.{made.verb}"
            self.made.append(Made(at, made.command_id, name, args, made.rule, made.coordination, event))
        for refused in change.rejected:
            self.rejected.append(Refused(at_ms, refused.code, refused.message, refused.hint))


@dataclass(frozen=True, slots=True)
class Committed:
    """The committed state: field → record."""

    facts: Mapping[bytes, bytes] = field(default_factory=dict)
    active: Mapping[bytes, bytes] = field(default_factory=dict)
