"""What the daemon says of each intent's end: the latest ``outcome`` of the audit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.insight.audit import Decision, Noted


@dataclass(frozen=True, slots=True)
class Outcome:
    """The latest word on one coordination.

    Attributes:
        is_provisional: some of what it rests on may still be reorganised away.
        at_ms: when it ended.
        ledger: (place, asset) → what lies there, by the coordination's ledger.
        fees: asset → what was kept on the way.
        report: the plan's own figures.
    """

    verdict: str
    reason: str
    is_provisional: bool
    at_ms: int
    ledger: Mapping[tuple[str, str], int]
    fees: Mapping[str, int]
    report: Mapping[str, Any]


def latest(decisions: Iterable[Decision]) -> dict[str, Outcome]:
    """Subject → its outcome; one that was withdrawn is none."""
    found: dict[str, Outcome] = {}
    for decision in decisions:
        for event in decision.events:
            if not isinstance(event, Noted):
                continue
            subject = str(event.fields.get("subject", ""))
            if event.event == "outcome":
                found[subject] = read(event.fields, decision.at_ms)
            elif event.event == "outcome_withdrawn":
                found.pop(subject, None)
    return found


def read(fields: Mapping[str, Any], at_ms: int) -> Outcome:
    """One ``outcome`` event of the audit.

    Args:
        fields: the event's.
        at_ms: when it was decided, for a record that does not say when it ended.
    """
    ledger = {(p, a): int(n) for p, here in fields["ledger"].items() for a, n in here.items()}
    fees = {asset: int(amount) for asset, amount in fields["fees"].items()}
    ended_ms = fields.get("at")
    return Outcome(
        str(fields["verdict"]),
        str(fields["reason"]),
        bool(fields["provisional"]),
        ended_ms if isinstance(ended_ms, int) else at_ms,
        ledger,
        fees,
        fields.get("report") or {},
    )
