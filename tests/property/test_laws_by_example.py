"""Stories that once broke a law and that a scenario cannot tell, for an alarm is part of them."""

from __future__ import annotations

from typing import Any, Final

from tests.support.laws.plans import pack_of
from tests.support.laws.story import Event, Passed, Story, play, reported, said
from tests.support.laws.watch import Guard
from tests.support.laws.world import START_MS, LawWorld

_SIDE_BY_SIDE: Final[list[dict[str, Any]]] = [
    {
        "step": "a",
        "when": [{"pool": "pool", "where": 'pool.id == "p"', "reason": "DRY"}],
        "reserve": {"of": "pool", "field": "available", "amount": "60", "for": "30s"},
        "command": "do.a",
        "with": {"deal": "=d.id", "place": "a"},
        "confirmed": [{"news": "t", "where": 't.deal == d.id and t.step == "a"'}],
        "moves": {
            "gives": {"asset": "USD", "amount": "100", "place": "home"},
            "gets": {"asset": "USD", "amount": "=t.amount", "place": "at-a"},
        },
        "irreversible": "true",
    },
    {
        "step": "b",
        "command": "do.b",
        "with": {"deal": "=d.id", "place": "b"},
        "seen": [{"news": "l", "where": 'l.deal == d.id and l.step == "b"'}],
        "moves": {
            "gives": {"asset": "USD", "amount": "=l.amount", "place": "home"},
            "gets": {"asset": "USD", "amount": "90", "place": "at-b"},
        },
        "irreversible": "true",
    },
]


def _played(events: list[Event]) -> LawWorld:
    pack = pack_of({"plan": "p", "for": [{"deal": "d"}], "escalation": "ops.page", "steps": _SIDE_BY_SIDE})
    return play(Story(pack, events), Guard(pack))


def _more_arrived_than_left() -> list[Event]:
    arrived = {"id": "t", "deal": "D0", "step": "a", "what": "arrived", "amount": "120"}
    return [
        said(0, "pool", {"id": "p", "available": "100", "height": 1}),
        said(0, "deal", {"id": "D0"}),
        reported(1, "D0", "b", "done"),
        said(2, "news", arrived),
    ]


def test_what_does_not_add_up_stops_its_coordination_with_one_call_and_not_the_others() -> None:
    world = _played(
        [
            *_more_arrived_than_left(),
            said(3, "deal", {"id": "D1"}),
            said(4, "news", {"id": "l", "deal": "D0", "step": "b", "what": "left", "amount": "100"}),
        ]
    )
    stopped = {case.subject: case.is_stopped for case in world.cases}
    assert stopped == {"D0": True, "D1": False}
    called = [made.args["reason"] for made in world.history.made if made.command == "ops.page"]
    assert called == ["LEDGER"]


def test_what_a_stopped_coordination_had_set_aside_is_free_for_others_when_its_time_is_over() -> None:
    world = _played(
        [
            *_more_arrived_than_left(),
            said(3, "deal", {"id": "D1"}),
            Event(START_MS + 31_000, Passed()),
        ]
    )
    begun = [(made.at_ms - START_MS, made.args["deal"]) for made in world.history.made if made.command == "do.a"]
    assert begun == [(0, "D0"), (30_001, "D1")]
