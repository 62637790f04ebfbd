"""What is going on, on one page: figures from Redis, and those that only the running daemon knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from engine.model.journal import Cursor, StreamId

#: A daemon writes its figures about once a second; figures older than this are of one that no longer runs.
STALE_AFTER_MS = 10_000
#: ``role`` of a daemon that has stopped and said so.
STOPPED = "stopped"
#: Field of the status hash that says when it was written (server's clock, unix ms).
WRITTEN_AT = "written_at"


class StatusBoard(Protocol):
    """The one thing the writer needs of the store."""

    async def write_status(self, figures: Mapping[str, str]) -> None:
        """Write figures over the last ones."""
        ...


@dataclass(frozen=True, slots=True)
class JournalEnds:
    """The journal: its length, its last entry (ZERO_ID: empty), the first not yet applied, and how many are not."""

    length: int
    last: StreamId
    unread: StreamId | None
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """One page.

    Attributes:
        running: a daemon wrote its figures within the last ten seconds.
        role: leader or none (a standby has no figures of its own).
        epoch: of the current lease.
        revision: rule base in force; empty: none yet.
        cursor: last applied entry and the time reached.
        lag: entries that are not yet applied (counted up to a bound).
        lag_ms: how long the oldest entry that is not yet applied has been waiting; 0 when all are applied.
        facts: in working memory.
        groundings: tuples of facts that fit a shape.
        active: rules that hold for a match.
        pending_deadlines: instants at which something is due.
        journal_length: entries kept.
        redis: the server's version and memory.
        paused: what ``pause`` holds back.
        suspended: rules that ran away and were stopped.
        as_of_ms: when the daemon wrote its figures; None: never.
        more: what else the daemon had to show.
    """

    running: bool
    role: str
    epoch: int
    revision: str
    cursor: Cursor
    lag: int
    lag_ms: int
    facts: int | None
    groundings: int | None
    active: int | None
    pending_deadlines: int | None
    journal_length: int
    redis: Mapping[str, str]
    paused: tuple[str, ...]
    suspended: tuple[str, ...]
    as_of_ms: int | None
    more: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The form ``status --json`` prints."""
        return asdict(self) | {"cursor": {"entry": str(self.cursor.entry), "now": self.cursor.now_ms}}


async def write_status(board: StatusBoard, figures: Mapping[str, str | int], at_ms: int) -> None:
    """Leave the running daemon's figures where ``status`` finds them.

    Args:
        board: the store.
        figures: ``role``, ``facts``, ``groundings``, ``active``, ``pending_deadlines`` and whatever else is worth
            showing.
        at_ms: the server's clock.
    """
    await board.write_status({name: str(value) for name, value in figures.items()} | {WRITTEN_AT: str(at_ms)})


def _number(figures: Mapping[str, str], name: str) -> int | None:
    word = figures.get(name, "")
    return int(word) if word.isdecimal() else None


_OWN = frozenset({"role", "facts", "groundings", "active", "pending_deadlines", "paused", "suspended", WRITTEN_AT})


def status_of(
    meta: Mapping[str, str],
    figures: Mapping[str, str],
    journal: JournalEnds,
    redis: Mapping[str, str],
    time_ms: int,
) -> Status:
    """The page, from what was read.

    Args:
        meta: the committed ``meta`` hash.
        figures: the status hash, empty if no daemon ever wrote one.
        journal: its ends.
        redis: what to say of the server.
        time_ms: the server's clock.
    """
    cursor = Cursor.parse(meta["cursor"]) if meta.get("cursor") else Cursor()
    as_of = _number(figures, WRITTEN_AT)
    is_fresh = as_of is not None and time_ms - as_of <= STALE_AFTER_MS
    running = is_fresh and figures.get("role") != STOPPED
    return Status(
        running=running,
        role=figures.get("role", "none") if running else "none",
        epoch=int(meta.get("epoch") or 0),
        revision=meta.get("revision", ""),
        cursor=cursor,
        lag=journal.waiting,
        lag_ms=max(time_ms - journal.unread.ms, 0) if journal.unread else 0,
        facts=_number(figures, "facts"),
        groundings=_number(figures, "groundings"),
        active=_number(figures, "active"),
        pending_deadlines=_number(figures, "pending_deadlines"),
        journal_length=journal.length,
        redis=redis,
        paused=tuple(filter(None, figures.get("paused", "").split())),
        suspended=tuple(filter(None, figures.get("suspended", "").split())),
        as_of_ms=as_of,
        more={name: value for name, value in figures.items() if name not in _OWN},
    )
