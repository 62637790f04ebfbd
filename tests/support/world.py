"""A history told entry by entry under explicit stream ids, and what became of it.

The real program and the engine alone show the same face.

Ids are the clock: an entry ``1800000012000-0`` has the time 1,800,000,012,000. All instants here are milliseconds
since ``START``, so tests read ``world.say(12_000, …)``.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

#: The instant zero of every history: 2027-01-15 08:00:00 UTC, a Friday.
START = 1_800_000_000_000
#: Operation of an entry that says nothing, but carries time; it is refused as any unknown operation.
MARK = "mark"


@dataclass(frozen=True)
class Made:
    """A command, and the decision that made it.

    Attributes:
        at: time of the decision, in ms since ``START``.
        command: ``connector.verb``.
        args: as they left, decoded from JSON.
        rule: ``pack.rule``.
        id: idempotency key.
        expires: in ms since ``START``, or None.
        cause: of the decision, as the audit names it.
    """

    at: int
    command: str
    args: dict[str, Any]
    rule: str
    id: str
    expires: int | None
    cause: str


@dataclass(frozen=True)
class Refused:
    """An entry that was refused; ``at`` is its id's time since ``START``."""

    at: int
    code: str
    message: str
    hint: str
    fields: dict[bytes, bytes]


class World(ABC):
    """What services would see and do."""

    def __init__(self) -> None:
        self.ids: set[tuple[int, int]] = set()

    # -- sending -----------------------------------------------------------------
    def say(
        self,
        at: int,
        kind: str,
        /,
        *,
        source_: str = "test",
        observed_at: int | None = None,
        seq: int | None = None,
        **values: Any,  # noqa: ANN401 - goes to JSON
    ) -> int:
        """A fact; ``observed_at`` is in ms since ``START``. Gives the entry's number at its instant."""
        more: dict[str, str] = {}
        if observed_at is not None:
            more["observed_at"] = str(START + observed_at)
        if seq is not None:
            more["seq"] = str(seq)
        return self.entry(at, op="assert", kind=kind, source=source_, data=json.dumps(values), **more)

    def retract(
        self,
        at: int,
        kind: str,
        /,
        *,
        source_: str = "test",
        observed_at: int | None = None,
        **values: Any,  # noqa: ANN401 - goes to JSON
    ) -> None:
        """A retraction."""
        more = {} if observed_at is None else {"observed_at": str(START + observed_at)}
        self.entry(at, op="retract", kind=kind, source=source_, data=json.dumps(values), **more)

    def reorg(self, at: int, network: str, removed: list[str], added: list[str] | None = None) -> None:
        """A reorganisation."""
        told = {"network": network, "removed": removed, "added": added or []}
        self.entry(at, op="reorg", source="test", data=json.dumps(told))

    def report(self, at: int, command: str, status: str, **detail: Any) -> None:  # noqa: ANN401 - goes to JSON
        """An executor's word on a command."""
        told = {"command": command, "status": status, **({"detail": detail} if detail else {})}
        self.entry(at, op="report", source="executor", data=json.dumps(told))

    def until(self, at: int) -> None:
        """Time passes: whatever is due before ``at`` has run."""
        self.entry(at, op=MARK)

    def entry(self, at: int, **fields: str) -> int:
        """Any entry, as text; gives its number at its instant."""
        return self.raw(at, [word.encode() for pair in fields.items() for word in pair])

    def raw(self, at: int, fields: list[bytes]) -> int:
        """Any entry, as bytes: name, value, name, value, …; gives its number at its instant."""
        number = 0
        while (at, number) in self.ids:
            number += 1
        self.ids.add((at, number))
        self.send(START + at, number, fields)
        return number

    @abstractmethod
    def send(self, ms: int, number: int, fields: list[bytes]) -> None:
        """Append the entry ``ms-number``."""

    # -- looking -----------------------------------------------------------------
    @abstractmethod
    def outbox(self) -> list[dict[str, str]]:
        """The outbox, oldest first."""

    @abstractmethod
    def audit(self) -> list[dict[str, Any]]:
        """Decisions that had something to say, oldest first: ``cause``, ``at`` (ms since ``START``), ``events``."""

    @abstractmethod
    def refused(self) -> list[Refused]:
        """Refused entries, oldest first, without marks."""

    @abstractmethod
    def facts(self, kind: str) -> list[dict[str, Any]]:
        """The data of every record of a kind that is not a tombstone, by key (and source)."""

    def commands(self) -> list[Made]:
        """Commands in the order decided, with their times."""
        by_id = {
            command["id"]: (decision["at"], decision["cause"])
            for decision in self.audit()
            for event in decision["events"]
            if not event["event"].startswith("shadow")
            for command in event.get("commands", ())
        }
        return [_made(row, *by_id[row["command"]]) for row in self.outbox()]

    def fired(self) -> list[tuple[int, str]]:
        """When which command was made: what most tests ask for."""
        return [(made.at, made.command) for made in self.commands()]

    def told(self) -> list[tuple[int, str, dict[str, Any]]]:
        """When which command was made, and with what."""
        return [(made.at, made.command, made.args) for made in self.commands()]

    def events(self, name: str) -> list[tuple[int, dict[str, Any]]]:
        """Audited events of one sort, with the time of their decisions."""
        return [(d["at"], e) for d in self.audit() for e in d["events"] if e["event"] == name]


def _made(row: dict[str, str], at: int, cause: str) -> Made:
    expires = int(row["expires"]) - START if row["expires"] else None
    command = f"{row['connector']}.{row['verb']}"
    return Made(at, command, json.loads(row["args"]), row["rule"], row["command"], expires, cause)


def decision_of(fields: dict[str, bytes]) -> dict[str, Any]:
    """An audit entry as tests read it."""
    return {
        "cause": fields["cause"].decode(),
        "at": int(fields["at"]) - START,
        "events": json.loads(fields["events"]),
    }
