"""The audit, read back: what was decided, when, from which facts, and because of which entry."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import orjson

from engine import limits
from engine.errors import StoreError
from engine.model.journal import ZERO_ID, StreamId
from engine.store.records import AuditEntry

#: Entries read in one go: a few hundred kilobytes at most sizes met.
_PAGE = 500


class AuditStream(Protocol):
    """What is needed of the store to read the audit back."""

    async def read_audit(
        self,
        *,
        after: StreamId | None = None,
        before: StreamId | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[AuditEntry]:
        """Audit entries strictly between ``after`` and ``before``."""
        ...


@dataclass(frozen=True, slots=True)
class ReadFact:
    """A fact as a firing read it.

    Attributes:
        alias: the name the rule gave it.
        kind: its kind.
        key: canonical JSON text of the key.
        values: field → value, JSON-safe.
        position: id of the journal entry that said it.
        observed_at: unix ms.
        source: who said it.
    """

    alias: str
    kind: str
    key: str
    values: Mapping[str, Any]
    position: str
    observed_at: int
    source: str


@dataclass(frozen=True, slots=True)
class MadeCommand:
    """A command a firing made; ``args`` as they left."""

    id: str
    connector: str
    verb: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule fired.

    Attributes:
        rule: ``pack.rule``.
        revision: rule base in force.
        activation: id of the activation.
        attempt: 1, and one more with each repetition.
        group: canonical JSON text of the match, or of the value of ``per``.
        facts: what it read, in the rule's order.
        bindings: values of ``let`` and aggregates.
        commands: what it sent.
        asserts: facts it asserted.
        concludes: facts it concluded.
    """

    rule: str
    revision: str
    activation: str
    attempt: int
    group: str
    facts: tuple[ReadFact, ...]
    bindings: Mapping[str, Any]
    commands: tuple[MadeCommand, ...]
    asserts: tuple[Any, ...]
    concludes: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """Anything else that was noted: ended, dropped, suspended, superseded, refused, rulebase, control, alarm."""

    event: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """What one journal entry or due item caused.

    Attributes:
        id: position in the audit.
        cause: id of the entry, or the due time and the due item's name.
        at_ms: the time it was decided for.
        events: in the order they happened.
    """

    id: StreamId
    cause: str
    at_ms: int
    events: tuple[Fired | Noted, ...]


def _text(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def read_fact(raw: Mapping[str, Any]) -> ReadFact:
    """A fact as the audit tells it."""
    return ReadFact(
        alias=str(raw.get("alias", "")),
        kind=str(raw.get("kind", "")),
        key=_text(raw.get("key", "")),
        values=raw.get("values") or {},
        position=str(raw.get("position", "")),
        observed_at=int(raw.get("observed_at") or 0),
        source=str(raw.get("source", "")),
    )


def _command(raw: Mapping[str, Any]) -> MadeCommand:
    args = raw.get("args") or {}
    if isinstance(args, str):
        args = orjson.loads(args)
    return MadeCommand(str(raw.get("id", "")), str(raw.get("connector", "")), str(raw.get("verb", "")), args)


def _event(raw: Mapping[str, Any]) -> Fired | Noted:
    name = str(raw.get("event", ""))
    if name != "fired":
        return Noted(name, {k: v for k, v in raw.items() if k != "event"})
    return Fired(
        rule=str(raw.get("rule", "")),
        revision=str(raw.get("revision", "")),
        activation=str(raw.get("activation", "")),
        attempt=int(raw.get("attempt") or 1),
        group=_text(raw.get("group", "")),
        facts=tuple(read_fact(f) for f in raw.get("facts") or ()),
        bindings=raw.get("bindings") or {},
        commands=tuple(_command(c) for c in raw.get("commands") or ()),
        asserts=tuple(raw.get("asserts") or ()),
        concludes=tuple(raw.get("concludes") or ()),
    )


def decode(entry: AuditEntry) -> Decision:
    """One audit entry as a decision.

    Raises:
        StoreError: it is not in the form the engine writes (S301).
    """
    told = raw_of(entry)
    try:
        return Decision(entry.entry, told.cause, told.at_ms, tuple(_event(raw) for raw in told.events))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise _unreadable(entry, error) from error


class RawDecision(NamedTuple):
    """A decision as the audit has it: its time (unix ms), its cause, and its events as JSON objects."""

    at_ms: int
    cause: str
    events: list[dict[str, Any]]


def raw_of(entry: AuditEntry) -> RawDecision:
    """One audit entry.

    Raises:
        StoreError: it is not in the form the engine writes (S301).
    """
    fields = dict(entry.fields)
    try:
        # json, not orjson: that would make a float of an integer beyond 64 bits.
        events = json.loads(fields.get("events", b"[]"), parse_int=_exact)
        if not all(isinstance(event.get("event"), str) for event in events):
            raise ValueError("an event without a name")
        return RawDecision(int(fields["at"]), fields["cause"].decode(), events)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise _unreadable(entry, error) from error


def _exact(digits: str) -> int | str:
    """An integer, or its digits where other languages would round it."""
    value = int(digits)
    return value if abs(value) <= limits.MAX_JSON_INT else digits


def _unreadable(entry: AuditEntry, error: Exception) -> StoreError:
    hint = "was it written by a later version? then read it with that version"
    return StoreError("S301", f"audit entry {entry.entry} cannot be read: {error!r}", hint)


async def decisions(stream: AuditStream, after: StreamId = ZERO_ID, about: str = "") -> AsyncIterator[Decision]:
    """Decisions after that position in the audit, oldest first; only those that mention ``about``, if given."""
    position = after
    wanted = about.encode()
    while page := await stream.read_audit(after=position, limit=_PAGE):
        for entry in page:
            # Looking for the bytes first spares decoding the thousands that are about something else.
            if any(wanted in value for _, value in entry.fields):
                yield decode(entry)
        position = page[-1].entry
