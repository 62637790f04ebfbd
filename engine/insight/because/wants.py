"""What is still to be found in the audit, going back in time: the event that made a fact, or that led to another."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.insight.because.tree import FactReason, Link, Reason
from engine.model.journal import StreamId

Event = Mapping[str, Any]

#: Events that make facts and commands.
MAKING = ("fired", "exhausted", "ended", "shadow_fired", "shadow_exhausted")


@dataclass(slots=True)
class Want:
    """One event that is looked for.

    Attributes:
        needle: bytes that every audit entry with such an event contains.
        fits: whether an event is the one.
        slot: where it is to be put.
        depth: how far from the root it stands.
        before: (entry, number of the event in it) that it must come before; None: anywhere from here back.
    """

    needle: bytes
    fits: Callable[[Event], bool]
    slot: FactReason | Link
    depth: int
    before: tuple[StreamId, int] | None = None

    def take(self, reason: Reason) -> None:
        """It was found."""
        self.slot.because = reason


def quoted(word: str) -> bytes:
    """A word as canonical JSON has it."""
    return json.dumps(word, ensure_ascii=False).encode()


def made_needle(kind: str, key: list[Any]) -> bytes:
    """How the audit names a fact that a rule made."""
    text = json.dumps(key, separators=(",", ":"), ensure_ascii=False)
    return b'"key":%b,"kind":%b' % (text.encode(), quoted(kind))


def makes(kind: str, key: list[Any]) -> Callable[[Event], bool]:
    """A rule asserted or concluded that fact."""

    def fits(event: Event) -> bool:
        if event["event"] not in MAKING:
            return False
        made = (*(event.get("asserts") or ()), *(event.get("concludes") or ()))
        return any(each["kind"] == kind and each.get("key") == key for each in made)

    return fits


def sends(command: str) -> Callable[[Event], bool]:
    """The firing that made that command."""
    return lambda event: any(each["id"] == command for each in event.get("commands") or ())


def reports(command: str, status: str) -> Callable[[Event], bool]:
    """The word that brought a command to that status."""
    return lambda event: (
        event["event"] == "reported" and event.get("command") == command and status in ("", event.get("status"))
    )


def step_is(coordination: str, step: str, states: tuple[str, ...] = ()) -> Callable[[Event], bool]:
    """A step came to one of these states; none given: to any."""
    return lambda event: (
        event["event"] == "step"
        and event.get("coordination") == coordination
        and event.get("step") == step
        and (not states or event.get("state") in states)
    )


def happened(coordination: str, events: tuple[str, ...], place: str = "") -> Callable[[Event], bool]:
    """One of these events of a coordination, at that place if one is given."""
    return lambda event: (
        event["event"] in events
        and event.get("coordination") == coordination
        and (not place or event.get("place") == place)
    )


def undoes(coordination: str, step: str) -> Callable[[Event], bool]:
    """The alternative that had things undone; of that step, if one is named."""
    return lambda event: (
        event["event"] == "way_off"
        and event.get("coordination") == coordination
        and "undo" in event.get("does", ())
        and step in ("", event.get("step"))
    )
