"""The first place at which what was decided and what is decided now part."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from engine.model.journal import ZERO_ID, OutboxCommand, StreamId
from engine.store.views import Row

_SHOWN: int = 2_000


@dataclass(frozen=True, slots=True)
class Difference:
    """Where they part.

    Attributes:
        what: decision, command, rejection, fact, active, meta, done, cursor or recovery.
        at: which one: cause of the decision, command or entry id, field of the state.
        recorded: what was decided; None: nothing.
        again: what is decided now; None: nothing.
    """

    what: str
    at: str
    recorded: str | None
    again: str | None

    def as_dict(self) -> dict[str, str | None]:
        """For ``--json``."""
        return asdict(self)


class DiffersError(Exception):
    """Carries the first difference out of the loop."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(f"{difference.what} {difference.at}")
        self.difference = difference


Fields = tuple[tuple[bytes, bytes], ...]


def of_decisions(recorded: Fields | None, again: Fields | None) -> Difference | None:
    """Two audit entries; of those that differ, only the events that do are shown."""
    if recorded == again:
        return None
    one, other = _decision(recorded), _decision(again)
    if one is not None and other is not None and one.get("cause") == other.get("cause"):
        at = str(one.get("cause"))
        return Difference("decision", at, *(_shown(each) for each in _narrowed(one, other)))
    first = min((each for each in (one, other) if each is not None), key=_order)
    return Difference("decision", str(first.get("cause")), _shown(one), _shown(other))


def of_commands(recorded: OutboxCommand | None, again: OutboxCommand | None) -> Difference | None:
    """Two commands, which must be the same in everything but the epoch."""
    if recorded == again:
        return None
    first = recorded or again
    at = "" if first is None else first.command_id
    one, other = (None if each is None else asdict(each) for each in (recorded, again))
    return Difference("command", at, _shown(one), _shown(other))


def of_rejections(recorded: Fields | None, again: Fields | None) -> Difference | None:
    """Two refused entries."""
    if recorded == again:
        return None
    one, other = _texts(recorded), _texts(again)
    at = (one or other or {}).get("entry", "")
    return Difference("rejection", at, _shown(one), _shown(other))


def of_records(what: str, field: bytes, recorded: bytes | None, again: bytes | None) -> Difference:
    """Two records of the committed state that differ."""
    return Difference(
        what, _text(field), *(None if each is None else _text(each)[:_SHOWN] for each in (recorded, again))
    )


def row_fields(row: Row | None) -> Fields | None:
    """Its fields; None stays None."""
    return None if row is None else row[1]


def _decision(fields: Fields | None) -> dict[str, Any] | None:
    said: dict[str, Any] | None = _texts(fields)
    if said is not None:
        try:
            said["events"] = json.loads(said.get("events", "[]"))
        except ValueError:
            return said
    return said


def _order(decision: dict[str, Any]) -> tuple[int, bool, StreamId]:
    """Of two decisions, the one that comes first in time: what is due at an instant comes after its entries."""
    cause, at = str(decision.get("cause")), int(decision.get("at", 0))
    is_due = cause.startswith("due:")
    try:
        return at, is_due, ZERO_ID if is_due else StreamId.parse(cause)
    except ValueError:
        return at, is_due, ZERO_ID


def _narrowed(one: dict[str, Any], other: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Only what differs; of events, the first that does."""
    left = {name: value for name, value in one.items() if other.get(name) != value}
    right = {name: value for name, value in other.items() if one.get(name) != value}
    mine, theirs = left.get("events"), right.get("events")
    if isinstance(mine, list) and isinstance(theirs, list):
        number = next(
            (n for n, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), min(len(mine), len(theirs))
        )
        left["events"], right["events"] = mine[number : number + 1], theirs[number : number + 1]
    return left, right


def _texts(fields: Fields | None) -> dict[str, str] | None:
    return None if fields is None else {_text(name): _text(value) for name, value in fields}


def _text(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")


def _shown(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)[:_SHOWN]
