"""Commands and how far they got, for people: what the engine knows of them, beside what they carry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.insight.facts import FactStore, facts_of
from engine.model.journal import ZERO_ID, StreamId
from engine.store.dispatch_table import OutboxEntry

_PAGE = 500


class CommandStore(FactStore, Protocol):
    """What this module needs of the store."""

    async def read_outbox(self, after: StreamId, limit: int) -> list[OutboxEntry]:
        """Commands after ``after``, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        id: its idempotency key.
        connector: what carries it out.
        verb: what it is to do.
        args: as they left; empty once the outbox has forgotten it.
        rule: ``pack.rule`` that made it.
        status: queued, sent, submitted, done, refused, failed, unknown, expired or withdrawn.
        attempt: which firing of its activation made it.
        at_ms: when it was made, unix ms.
    """

    id: str
    connector: str
    verb: str
    args: Mapping[str, Any]
    rule: str
    status: str
    attempt: int
    at_ms: int

    def as_dict(self) -> dict[str, Any]:
        """The form ``commands --json`` prints."""
        return {
            "id": self.id,
            "connector": self.connector,
            "verb": self.verb,
            "args": dict(self.args),
            "rule": self.rule,
            "status": self.status,
            "attempt": self.attempt,
            "at": self.at_ms,
        }


async def _arguments(store: CommandStore, wanted: set[str], start: StreamId) -> dict[str, Mapping[str, Any]]:
    """Arguments of those commands, read forward through the outbox from ``start`` until all are found."""
    found: dict[str, Mapping[str, Any]] = {}
    position = start
    while len(found) < len(wanted) and (page := await store.read_outbox(position, _PAGE)):
        for entry in page:
            if entry.command.command_id in wanted:
                found[entry.command.command_id] = json.loads(entry.command.args)
        position = page[-1].entry
    return found


async def commands_of(store: CommandStore, limit: int, only: str | None = None) -> list[Command]:
    """Commands the engine still knows, newest first.

    Args:
        store: the store.
        limit: at most so many.
        only: just the one with this id.
    """
    known = [fact async for fact in facts_of(store, "command") if only is None or fact.key == (only,)]
    known.sort(key=lambda fact: (int(fact.values["at"]), fact.position, fact.key), reverse=True)
    shown = known[:limit]
    if not shown:
        return []
    ids = {str(fact.values["id"]) for fact in shown}
    oldest = min(int(fact.values["at"]) for fact in shown)
    args = await _arguments(store, ids, StreamId(max(oldest - 1, 0), 0))
    if len(args) < len(ids):
        # A recorded trace has times of its own, later than the outbox's: then from the outbox's beginning.
        args |= await _arguments(store, ids - args.keys(), ZERO_ID)
    return [
        Command(
            id=str(v["id"]),
            connector=str(v["connector"]),
            verb=str(v["verb"]),
            args=args.get(str(v["id"]), {}),
            rule=str(v["rule"]),
            status=str(v["status"]),
            attempt=int(v.get("attempt", 1)),
            at_ms=int(v["at"]),
        )
        for v in (fact.values for fact in shown)
    ]
