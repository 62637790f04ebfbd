"""The same story told otherwise: said twice, in another order within an instant, with recoveries, in other batches."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any, Final

from hypothesis import strategies as st

from tests.support.laws.story import Event, Reported, Restarted, Said, Story
from tests.support.laws.world import LawWorld

Draw = Callable[[st.SearchStrategy[Any]], Any]

#: A late duplicate comes within the hour for which a retraction is remembered.
_LATE_MS: Final = 3_000_000


def told(world: LawWorld) -> list[object]:
    """Commands and every word on an outcome; without the ids of commands, which name the entries behind them."""
    made = [(m.at_ms, m.command, dict(m.args), m.coordination) for m in world.history.made]
    words = [
        (note.at_ms, dict(note.event))
        for note in world.history.noted
        if note.event["event"] in ("outcome", "outcome_withdrawn")
    ]
    return [*made, *words]


def verdicts(world: LawWorld) -> dict[str, tuple[object, ...]]:
    """Per coordination: the verdict that stands, and where all value is."""
    found: dict[str, tuple[object, ...]] = {}
    for case in world.cases:
        found[case.subject] = case.verdict, case.is_stopped, case.ledger.to_json()
    return found


# -- recoveries --------------------------------------------------------------------------
def with_restarts(story: Story, before: Collection[int]) -> Story:
    """With a recovery before the events of these numbers."""
    events: list[Event] = []
    for number, event in enumerate(story.events):
        if number in before:
            events.append(Event(event.at_ms, Restarted()))
        events.append(event)
    return story.with_events(events)


# -- duplicates --------------------------------------------------------------------------
def with_duplicates(draw: Draw, story: Story) -> Story:
    """Some entries are sent again, at once or later, with the same ``observed_at``."""
    events = list(story.events)
    copies: list[tuple[int, Event]] = []
    for number, event in enumerate(events):
        last = _last_place(events, number)
        if last < number or not draw(st.sampled_from([True, False])):
            continue
        place = draw(st.sampled_from([number, number, draw(st.integers(number, last))]))
        copies.append((place, Event(events[place].at_ms, event.act)))
    for place, copy in sorted(copies, key=lambda pair: pair[0], reverse=True):
        events.insert(place + 1, copy)
    return story.with_events(events)


def _last_place(events: list[Event], number: int) -> int:
    """Behind which event a duplicate may still come; less than ``number``: nowhere."""
    act = events[number].act
    if isinstance(act, Reported):
        return _last_report(events, number, act)
    if not isinstance(act, Said):
        return number - 1
    last = number
    for later in range(number + 1, len(events)):
        other = events[later]
        if other.at_ms - events[number].at_ms > _LATE_MS or _is_reorg(act):
            break
        if isinstance(other.act, Said) and (_is_reorg(other.act) or _replaces(other.act, act)):
            break
        last = later
    return last


def _last_report(events: list[Event], number: int, act: Reported) -> int:
    """A word that is not final may be repeated until another is said of the command; a final one for ever."""
    last = number
    for later in range(number + 1, len(events)):
        other = events[later].act
        if isinstance(other, Reported) and _about(other) == _about(act) and act.status in ("submitted", "unknown"):
            break
        last = later
    return last


def _about(act: Reported) -> tuple[str, str, int]:
    return act.deal, act.place, act.number


def _is_reorg(act: Said) -> bool:
    return dict(act.fields)["op"] == "reorg"


def _replaces(later: Said, earlier: Said) -> bool:
    """Of equal order and about the same key: the later entry wins."""
    return key_of(later) == key_of(earlier) and later.observed_at == earlier.observed_at and later != earlier


def key_of(act: Said) -> tuple[str, str]:
    """Kind and id of the fact."""
    fields = dict(act.fields)
    return fields.get("kind", ""), str(json.loads(fields["data"]).get("id", ""))


# -- order within an instant ---------------------------------------------------------------
def permuted(draw: Draw, story: Story, may_swap: Callable[[Event, Event], bool]) -> Story:
    """Neighbours of one instant change places where they may, here and there."""
    events = list(story.events)
    for number in range(len(events) - 1):
        one, other = events[number], events[number + 1]
        if one.at_ms == other.at_ms and may_swap(one, other) and draw(st.booleans()):
            events[number], events[number + 1] = other, one
    return story.with_events(events)
