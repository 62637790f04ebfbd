"""How coordinations stand: read from what the audit says of them, and held against what a test expects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.insight.scenario.history import STANDING, Noted
from engine.insight.scenario.moments import after
from engine.insight.scenario.wanted import WantedOutcome, WantedRefusal


@dataclass(frozen=True, slots=True)
class Outcome:
    """One word on how a coordination ended.

    Attributes:
        at_ms: when it ended, unix ms.
        recorded_ms: when this was said: a verdict may be confirmed or amended later.
        verdict: ``none`` when an earlier one was withdrawn.
        said: the whole record.
    """

    at_ms: int
    recorded_ms: int
    coordination: str
    plan: str
    subject: tuple[str, ...]
    verdict: str
    reason: str
    provisional: bool
    said: Mapping[str, Any]

    def as_dict(self, start_ms: int) -> dict[str, Any]:
        """The form ``test --json`` prints."""
        return {
            "at": self.at_ms,
            "after_ms": self.at_ms - start_ms,
            "coordination": str(self.said.get("subject") or self.coordination),
            "id": self.coordination,
            "plan": self.plan,
            "verdict": self.verdict,
            "reason": self.reason,
            "provisional": self.provisional,
            "ledger": self.said.get("ledger") or {},
        }


def subject_words(text: str) -> tuple[str, ...]:
    """The parts of a key: one as it is, several from their canonical JSON text."""
    try:
        parts = json.loads(text) if text.startswith("[") else [text]
    except ValueError:
        return (text,)
    return tuple(part if isinstance(part, str) else json.dumps(part) for part in parts)


def read_outcomes(noted: Iterable[Noted]) -> list[Outcome]:
    """Every outcome, every withdrawal of one, and how coordinations without one stand, in order."""
    found: list[Outcome] = []
    known: dict[str, Outcome] = {}
    for note in noted:
        event = note.event
        kind = event.get("event")
        if kind not in ("outcome", "outcome_withdrawn", STANDING):
            continue
        coordination = str(event.get("coordination", ""))
        before = known.get(coordination)
        subject = str(event.get("subject", "")) or None
        ended = event.get("at")
        made = Outcome(
            ended if isinstance(ended, int) else note.at_ms,
            note.at_ms,
            coordination,
            str(event.get("plan") or (before.plan if before else "")),
            subject_words(subject) if subject else before.subject if before else (),
            str(event.get("verdict", "")) if kind == "outcome" else "none",
            str(event.get("reason") or ""),
            bool(event.get("provisional", False)),
            event,
        )
        known[coordination] = made
        found.append(made)
    return found


def disagreement(wanted: WantedOutcome, outcomes: list[Outcome], start_ms: int) -> tuple[tuple[str, str], ...]:
    """What is not as wanted, as lines of a diff; empty: all is."""
    found = _of(wanted, outcomes)
    if wanted.verdict != "none" and any(outcome.verdict != "none" for outcome in found):
        # Another plan's coordination of the same subject may still be on its way.
        ended = {outcome.coordination for outcome in found if outcome.said.get("event") != STANDING}
        found = [outcome for outcome in found if outcome.coordination in ended]
    names = {outcome.coordination for outcome in found}
    if not found:
        if wanted.verdict == "none":
            return ()
        others = sorted({" ".join(outcome.subject) for outcome in outcomes})
        return (
            ("-", f"an outcome{_whose(wanted)}"),
            ("+", f"none; there are outcomes of: {', '.join(others) or 'nothing'}"),
        )
    if len(names) > 1:
        plans = ", ".join(sorted({outcome.plan for outcome in found}))
        return (("?", f"several coordinations fit{_whose(wanted)}; name one by 'coordination' and 'plan' ({plans})"),)
    return tuple(_differences(wanted, found, start_ms))


def _of(wanted: WantedOutcome, outcomes: list[Outcome]) -> list[Outcome]:
    return [each for each in outcomes if is_about(wanted, each.coordination, each.plan, each.subject)]


def is_about(wanted: WantedOutcome, coordination: str, plan: str, subject: tuple[str, ...]) -> bool:
    """Whether a test means that coordination."""
    is_named = not wanted.subject or wanted.subject in (subject, (coordination,))
    return is_named and (wanted.plan is None or wanted.plan in (plan, plan.partition(".")[2]))


def _whose(wanted: WantedOutcome) -> str:
    subject = f" of {' '.join(wanted.subject)}" if wanted.subject else ""
    return subject + (f" by {wanted.plan}" if wanted.plan else "")


def _differences(wanted: WantedOutcome, found: list[Outcome], start_ms: int) -> Iterable[tuple[str, str]]:
    last = found[-1]
    pairs: list[tuple[str, Any, Any]] = [
        ("verdict", wanted.verdict, last.verdict),
        ("reason", wanted.reason, last.reason),
        ("provisional", wanted.provisional, last.provisional),
    ]
    for name in ("ledger", "delivered", "refunded"):
        expected = getattr(wanted, name)
        if expected is not None:
            pairs.append((name, _whole(expected), _whole(last.said.get(name) or {})))
    for name in ("fees", "surplus"):
        expected = getattr(wanted, name)
        if expected is not None:
            pairs.append((name, _amounts(expected), _amounts(last.said.get(name) or {})))
    reported = last.said.get("report") or {}
    for name, text in (wanted.report or {}).items():
        pairs.append((f"report {name}", text, _text(reported.get(name))))
    for name, expected, actual in pairs:
        if expected is not None and expected != actual:
            yield "-", f"{name}: {_text(expected)}"
            yield "+", f"{name}: {_text(actual)}"
    is_ended = last.verdict != "none"
    if wanted.at_ms is not None and not (is_ended and wanted.at_ms in _given_at(found)):
        yield "-", f"at: {after(wanted.at_ms - start_ms)}"
        yield "+", f"at: {after(last.at_ms - start_ms) if is_ended else 'not ended'}"


def _given_at(found: list[Outcome]) -> set[int]:
    """When the current verdict was given: its records since it last was another one."""
    last = found[-1]
    instants = set()
    for outcome in reversed(found):
        if (outcome.verdict, outcome.reason) != (last.verdict, last.reason):
            break
        instants |= {outcome.at_ms, outcome.recorded_ms}
    return instants


def _amounts(given: Mapping[str, Any]) -> dict[str, str]:
    """Asset → amount, without those of which there is nothing."""
    return {name: str(amount) for name, amount in sorted(given.items()) if str(amount) != "0"}


def _whole(given: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    places = {place: _amounts(amounts) for place, amounts in sorted(given.items())}
    return {place: amounts for place, amounts in places.items() if amounts}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def refusals(noted: Iterable[Noted]) -> list[tuple[tuple[str, ...], str]]:
    """Cancels that came too late: whose, and the reason."""
    events = (note.event for note in noted if note.event.get("event") == "cancel_refused")
    return [(subject_words(str(event.get("subject", ""))), str(event.get("reason", ""))) for event in events]


def is_refused(wanted: WantedRefusal, found: list[tuple[tuple[str, ...], str]]) -> bool:
    """Whether a cancel was refused as wanted."""
    return any(subject == wanted.cancel and wanted.reason in (None, reason) for subject, reason in found)
