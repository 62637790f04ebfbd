"""Coordinations as JSON: the exact form that programs read and that everything shown to people is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import limits
from engine.coordination.case import Case, FactName, Run, StepCase
from engine.coordination.ledger import PLACED, Amount
from engine.coordination.shown import shown_state
from engine.insight.coordinations.reading import Known


def as_dict(known: Known) -> dict[str, Any]:
    """One coordination; amounts are decimal strings, instants unix ms.

    ``at`` is when the verdict was given (null: none stands), ``coordination`` the key of the first ``for`` fact, ``id``
    the hash that commands and facts carry. ``ledger`` is all value by place and asset.
    """
    case, ledger = known.case, known.case.ledger
    return {
        "at": case.ended_at,
        "coordination": case.subject,
        "id": case.id,
        "plan": case.plan,
        "revision": case.revision,
        "state": known.state,
        "verdict": case.verdict or None,
        "reason": case.verdict_reason or None,
        "provisional": case.is_provisional,
        "started_at": case.started_at,
        "deadline": case.deadline,
        "start_before": case.start_before,
        "recorded_at": case.recorded_at or None,
        "unwinding": case.is_unwinding,
        "stopped": case.is_stopped,
        "cancelled_at": case.cancelled_at,
        "kept_until": known.until_ms,
        "ledger": _told(ledger.by_place(*PLACED)),
        "delivered": _told(ledger.by_place("delivered")),
        "refunded": _told(ledger.by_place("refunded")),
        "fees": _amounts(ledger.by_asset("fees")),
        "surplus": _amounts(ledger.by_asset("surplus")),
        "owed": _owed(case),
        "report": case.report,
        "escalated": list(case.escalated),
        "commands": commands_of(case),
        "steps": [_step(step) for step in case.steps.values()],
    }


def with_timeline(known: Known) -> dict[str, Any]:
    """As ``as_dict``, and all that happened, in order."""
    timeline = {"timeline": _exact(list(known.case.story)), "timeline_cut": known.case.story_cut}
    return as_dict(known) | {"records": _records(known.case)} | timeline


def commands_of(case: Case) -> list[dict[str, Any]]:
    """Its commands in the order made, with the last word about each."""
    found: dict[str, dict[str, Any]] = {}
    for said in case.story:
        match said["event"]:
            case "commanded":
                found[said["command"]] = {
                    "id": said["command"],
                    "command": said["sends"],
                    "step": said.get("step", ""),
                    "place": said["place"],
                    "attempt": said["attempt"],
                    "at": said["at"],
                    "status": "queued",
                    "status_at": said["at"],
                    "said_by": "",
                }
            case "reported" if said["command"] in found:
                told = {"status": said["status"], "status_at": said["at"], "said_by": said["source"]}
                found[said["command"]] |= told
    return list(found.values())


def _records(case: Case) -> list[dict[str, Any]]:
    """Every verdict given or withdrawn: all records stay."""
    found = []
    for said in case.story:
        if said["event"] in ("outcome", "outcome_withdrawn"):
            is_given = said["event"] == "outcome"
            found.append(
                {
                    "recorded_at": said["at"],
                    "verdict": said.get("verdict") if is_given else None,
                    "reason": said.get("reason"),
                    "provisional": said.get("provisional", False),
                }
            )
    return found


def _step(step: StepCase) -> dict[str, Any]:
    run = step.run
    told = {
        "name": step.name,
        "state": shown_state(step),
        "since": step.since,
        "ready_at": step.ready_at,
        "commanded_at": run.first_at if run.commands else None,
        "confirmed_at": run.confirmed_at,
        **_action(run),
        "dropped": step.is_dropped,
        "accepted": step.is_accepted,
        "reserved_until": None if step.reserved is None else step.reserved.until,
    }
    return told | {
        "undo": [_action(undo) for undo in step.undos.values()],
        "small": [_action(small) for small in _smalls(step)],
    }


def _smalls(step: StepCase) -> list[Run]:
    """Small steps, those under way and those that are over."""
    chains = (step.run, *step.undos.values())
    active = [run for chain in chains for run in chain.with_small() if run is not chain]
    return [*step.past, *active]


def _action(run: Run) -> dict[str, Any]:
    return {
        "place": run.place,
        "status": run.status,
        "attempt": run.attempt,
        "commands": list(run.commands),
        "late": run.is_late,
        "timed_out": run.is_timed_out,
        "cause": run.way.cause or None,
        "alternatives": list(run.way.taken),
        "seen_on": _names(run.seen_on),
        "confirmed_on": _names(run.confirmed_on),
        "gives": _portions(run.gives),
        "gets": _portions(run.gets),
    }


def _names(facts: list[FactName]) -> list[dict[str, Any]]:
    return [{"kind": kind, "key": _exact(list(key))} for kind, key in facts]


def _exact(value: Any) -> Any:  # noqa: ANN401 - JSON
    """JSON in which no integer is so large that other languages would round it: such go as decimal strings."""
    match value:
        case list():
            return [_exact(item) for item in value]
        case dict():
            return {name: _exact(item) for name, item in value.items()}
        case int() if abs(value) > limits.MAX_JSON_INT:
            return str(value)
    return value


def _portions(amounts: list[Amount] | None) -> list[dict[str, str]] | None:
    if amounts is None:
        return None
    return [{"asset": a.asset, "amount": str(a.amount), "place": a.place} for a in amounts]


def _owed(case: Case) -> dict[str, dict[str, str]]:
    """What loans are still to be paid back with, and where."""
    found: dict[str, dict[str, str]] = {}
    for (place, asset), amount in sorted(case.ledger.owed.items()):
        if amount:
            found.setdefault(place, {})[asset] = str(amount)
    return found


def _amounts(amounts: Mapping[str, int]) -> dict[str, str]:
    return {asset: str(amount) for asset, amount in amounts.items()}


def _told(balances: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, str]]:
    return {place: _amounts(here) for place, here in balances.items()}
