"""What happened in a coordination as sentences, one for each event of its story."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any, NamedTuple

#: What an event of one word is called where it stands.
_PLAIN = {
    "started": "began",
    "outcome_withdrawn": "the verdict was withdrawn",
    "withdraw_asked": "asked to be withdrawn",
}


class Moment(NamedTuple):
    """One event.

    Attributes:
        at_ms: unix ms.
        step: whose it is; empty: of the whole.
        text: what happened.
        cause: the journal entry, or the due item.
        tone: good, bad, people or empty.
    """

    at_ms: int
    step: str
    text: str
    cause: str
    tone: str = ""


_GOOD = frozenset({"confirmed", "done", "undone", "COMPLETED", "COMPLETED_PARTIAL", "REFUNDED"})
_BAD = frozenset({"failed", "refused", "stuck", "unknown", "unconfirmed", "expired", "STRANDED"})


def moments(told: Mapping[str, Any]) -> list[Moment]:
    """Every event of a coordination in the form of ``with_timeline``."""
    steps = {command["id"]: command["step"] for command in told["commands"]}
    names = {command["id"]: command["command"] for command in told["commands"]}
    found: list[Moment] = []
    for _, together in groupby(told["timeline"], key=lambda said: (said["at"], said["cause"])):
        # A step's state is written down when its decision has come to rest; for people the verdict is the last word.
        ordered = sorted(together, key=lambda said: said["event"] == "outcome")
        found += [_moment(said, steps, names) for said in ordered if not _goes_without_saying(said, ordered)]
    return found


def _goes_without_saying(said: Mapping[str, Any], others: list[Mapping[str, Any]]) -> bool:
    """That a step is ready or commanded, when its command stands in the same place."""
    if said["event"] != "step" or said["state"] not in ("ready", "commanded"):
        return False
    return any(other["event"] == "commanded" and other.get("step") == said["step"] for other in others)


def _moment(said: Mapping[str, Any], steps: Mapping[str, str], names: Mapping[str, str]) -> Moment:
    command = str(said.get("command", ""))
    step = str(said.get("step") or steps.get(command, ""))
    word = str(said.get("state") or said.get("status") or said.get("verdict") or "")
    tone = "good" if word in _GOOD else "bad" if word in _BAD else ""
    if said["event"] in ("escalated", "alarm", "dropped", "breach"):
        tone = "people"
    return Moment(said["at"], step, _text(said, names.get(command, "")), str(said["cause"]), tone)


def _text(said: Mapping[str, Any], sends: str) -> str:
    reason = str(said.get("reason", ""))
    why = f" ({reason})" if reason else ""
    match said["event"]:
        case "commanded":
            again = f", attempt {said['attempt']}" if said["attempt"] > 1 else ""
            return f"{said['sends']}  {said['command']}{again}"
        case "reported":
            return f"{sends or said['command']} is {said['status']}, says {said['source']}"
        case "step":
            return f"{said['state']}{_evidence(said)}"
        case "way_off":
            does = ", ".join(said.get("does", ())) or "nothing"
            return f"{said['off_path']}: {does}{why}"
        case "unwinding":
            return f"what moved is taken back: {reason}"
        case "outcome":
            provisional = ", provisional" if said.get("provisional") else ""
            return f"{said['verdict']}{why}{provisional}"
        case "escalated":
            place = f", value is at {said['place']}" if said.get("place") else ""
            return f"people are called: {reason}{place}"
        case "breach":
            return f"{said['relation']} of {', '.join(said.get('steps', ()))} is broken"
        case "cancel_refused" | "cancel_recorded":
            return f"cancel {said['event'].partition('_')[2]}: {reason}"
        case "dropped":
            return f"{said.get('place', '')} cannot be computed: {said['code']} {said['message']}"
        case "alarm":
            return str(said["message"])
        case event:
            text = _PLAIN.get(event, event)
            return f"{sends} {text}" if sends else text + why


def _evidence(said: Mapping[str, Any]) -> str:
    facts = [f"{each['kind']} {'/'.join(map(str, each['key']))} of {each['source']}" for each in said.get("on", ())]
    return f", on {' and '.join(facts)}" if facts else ""
