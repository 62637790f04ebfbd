"""Random histories: told while they happen, so that reports are about commands that were made, and told again later.

A told event names a command by its place in the plan, its deal and its number, not by its id, so that the same story
can be played where entries have other ids.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hypothesis import strategies as st

from engine.coordination.case import FLYING
from engine.insight.scenario.history import Made
from tests.support.laws.plans import GATES, Pack
from tests.support.laws.world import START_MS, LawWorld, Watch

Draw = Callable[[st.SearchStrategy[Any]], Any]

DEALS: Final = ("D0", "D1", "D2")
BLOCKS: Final = ("0xb0", "0xb1", "0xb2")
STATUSES: Final = ("done", "done", "done", "submitted", "submitted", "failed", "failed", "refused", "unknown")
AMOUNTS: Final = (100, 100, 90, 90, 60, 40, 30, 0, 120)
#: Most entries come at once or a little later; some at the very instant at which something is due, or just before.
_PAUSES: Final = (0, 0, 0, 0, 1, 1, 2, 5, 8, 13, 31, 61, 700, "due", "due", "due", "before", "after")
#: What is told; those that are told in vain (a report on nothing) are left out.
_FORMS: Final = (
    ("report",) * 9
    + ("evidence",) * 7
    + ("gate",) * 3
    + (
        "pool",
        "deal",
        "deal",
        "cancel",
        "reorg",
        "reorg",
        "return",
        "retract",
        "stray",
        "hold",
        "pass",
    )
)


@dataclass(frozen=True)
class Said:
    """An entry of a sender.

    Attributes:
        fields: as they are sent, ``observed_at`` apart.
        observed_at: unix ms.
    """

    fields: tuple[tuple[str, str], ...]
    observed_at: int

    @property
    def sent(self) -> dict[str, str]:
        """The whole entry."""
        return {**dict(self.fields), "observed_at": str(self.observed_at)}


@dataclass(frozen=True)
class Reported:
    """An executor's word.

    Attributes:
        place: of the plan, as the command carries it.
        number: of the commands of that place and deal, from 0.
    """

    deal: str
    place: str
    number: int
    status: str


@dataclass(frozen=True)
class Held:
    """Dispatch is held, or goes on."""

    is_held: bool


@dataclass(frozen=True)
class Restarted:
    """Recovery in the middle."""


@dataclass(frozen=True)
class Passed:
    """Nothing but time."""


Act = Said | Reported | Held | Restarted | Passed


@dataclass(frozen=True)
class Event:
    """Something that happens, at unix ms."""

    at_ms: int
    act: Act


@dataclass
class Story:
    """A pack, and what happened."""

    pack: Pack
    events: list[Event] = field(default_factory=list)

    def with_events(self, events: Sequence[Event]) -> Story:
        """The same pack, another history."""
        return replace(self, events=list(events))

    def __repr__(self) -> str:
        lines = [repr(self.pack)]
        lines += [f"{event.at_ms - START_MS:>8} {event.act}" for event in self.events]
        return "\n".join(lines)


def said(at_s: int, kind: str, data: dict[str, Any]) -> Event:
    """An assertion, so many seconds after the start."""
    at_ms = START_MS + at_s * 1_000
    fields = (("op", "assert"), ("source", "s"), ("kind", kind), ("data", json.dumps(data)))
    return Event(at_ms, Said(fields, at_ms))


def reported(at_s: int, deal: str, place: str, status: str, number: int = 0) -> Event:
    """A report, so many seconds after the start."""
    return Event(START_MS + at_s * 1_000, Reported(deal, place, number, status))


# -- playing ---------------------------------------------------------------------------------
def happen(world: LawWorld, event: Event, *, is_committed: bool = True) -> None:
    """Let an event happen."""
    world.come_to(event.at_ms)
    match event.act:
        case Said():
            (world.enter if is_committed else world.enter_uncommitted)(event.act.sent)
        case Reported():
            made = made_at(world, event.act.deal, event.act.place)
            if event.act.number < len(made):
                data = json.dumps({"command": made[event.act.number].id, "status": event.act.status})
                fields = {"op": "report", "source": "executor", "data": data}
                (world.enter if is_committed else world.enter_uncommitted)(fields)
        case Held(is_held):
            world.is_held = is_held
        case Restarted():
            world.restart()


def made_at(world: LawWorld, deal: str, place: str) -> list[Made]:
    """The commands of a place, in order."""
    return [m for m in world.history.made if m.args.get("deal") == deal and m.args.get("place") == place]


def play(story: Story, watch: Watch | None = None, cuts: Callable[[int], bool] = lambda _: True) -> LawWorld:
    """The world after a story.

    Args:
        story: what happens.
        watch: looks after each commit.
        cuts: whether what the event of that number decides is committed by itself.
    """
    world = LawWorld(story.pack, watch)
    for number, event in enumerate(story.events):
        # An executor reports on what was committed.
        is_awaited = number + 1 < len(story.events) and isinstance(story.events[number + 1].act, Reported)
        happen(world, event, is_committed=is_awaited or cuts(number))
    world.finish()
    return world


# -- telling ---------------------------------------------------------------------------------
class Teller:
    """Makes up a story while it happens."""

    def __init__(self, draw: Draw, pack: Pack, watch: Watch | None = None) -> None:
        self.draw = draw
        self.story = Story(pack)
        self.world = LawWorld(pack, watch)
        self.at_ms = START_MS
        #: Instants at which something was due besides what was told.
        self.crossed: set[int] = set()
        #: Entries that hold, by (kind, id): what a reorganisation may take and what may be said again.
        self._news: dict[str, dict[str, Any]] = {}
        self._deals: list[str] = []
        self._height = 0

    def tell(self, most: int) -> Story:
        """A story of at most so many events."""
        self._begin()
        for _ in range(self.draw(st.sampled_from([3, most // 2, most, most]))):
            self._pause()
            self._one(self.draw(st.sampled_from(_FORMS)))
        self._happens(Passed())
        self.world.finish()
        return self.story

    def _begin(self) -> None:
        """Mostly the gates are open and a deal is there from the first."""
        for gate in GATES:
            if self.draw(st.sampled_from([True, True, False])):
                self._say("assert", "gate", {"id": gate, "open": True})
        if self.draw(st.sampled_from([True, True, False])):
            self._pool()
        self._deal()

    def _pause(self) -> None:
        pause = self.draw(st.sampled_from(_PAUSES))
        if isinstance(pause, int):
            self.at_ms += pause * 1_000
            return
        # The instant is over then, so the next one is another.
        self.world.finish()
        self.at_ms += 1
        due = self.world.next_due()
        if due is not None and due - self.at_ms < 4_000_000:
            self.at_ms = max(due + {"before": -1, "due": 0, "after": 1}[pause], self.at_ms)

    def _happens(self, act: Act) -> None:
        event = Event(self.at_ms, act)
        self.story.events.append(event)
        self.world.come_to(self.at_ms)
        if self.world.next_due() == self.at_ms:
            self.crossed.add(self.at_ms)
        happen(self.world, event)

    def _say(self, op: str, kind: str, data: dict[str, Any]) -> None:
        fields = {"op": op, "source": "s", "data": json.dumps(data)} | ({"kind": kind} if kind else {})
        self._happens(Said(tuple(fields.items()), self.at_ms))

    # -- what is told ------------------------------------------------------------------------
    def _one(self, form: str) -> None:
        match form:
            case "report":
                self._report()
            case "evidence":
                self._evidence()
            case "stray":
                self._stray()
            case "gate":
                gate, is_open = self.draw(st.sampled_from(GATES)), self.draw(st.sampled_from([True, True, False]))
                self._say("assert", "gate", {"id": gate, "open": is_open})
            case "pool":
                self._pool()
            case "deal":
                self._deal()
            case "cancel":
                self._say("assert", "cancel", {"id": self.draw(st.sampled_from(self._deals))})
            case "hold":
                self._happens(Held(not self.world.is_held))
            case "pass":
                self._happens(Passed())
            case _:
                self._chain(form)

    def _deal(self) -> None:
        deal = DEALS[len(self._deals) % len(DEALS)]
        data: dict[str, Any] = {"id": deal, "rank": self.draw(st.sampled_from([0, 1]))}
        limit = self.draw(st.sampled_from([None, 0, 5, 30, 100, 100]))
        if limit is not None:
            data["deadline"] = self.at_ms + limit * 1_000
        if self.draw(st.sampled_from([False, False, True])):
            data["start_by"] = self.at_ms + self.draw(st.sampled_from([0, 3, 20])) * 1_000
        self._deals.append(deal)
        self._say("assert", "deal", data)

    def _pool(self) -> None:
        self._height += 1
        data = {"id": "p", "available": str(self.draw(st.sampled_from([130, 60, 59, 0, 1000]))), "height": self._height}
        self._say("assert", "pool", data)

    def _report(self) -> None:
        """On a command that is open."""
        made = [m for m in self.world.history.made if "deal" in m.args and self.world.is_open(m)]
        if made:
            self._report_on(made[self.draw(st.integers(0, len(made) - 1))])

    def _stray(self) -> None:
        """On any command, also one that has ended."""
        made = [m for m in self.world.history.made if "deal" in m.args]
        if made:
            self._report_on(made[self.draw(st.integers(0, len(made) - 1))])

    def _report_on(self, made: Made) -> None:
        deal, place = made.args["deal"], made.args["place"]
        number = next(n for n, m in enumerate(made_at(self.world, deal, place)) if m.id == made.id)
        self._happens(Reported(deal, place, number, self.draw(st.sampled_from(STATUSES))))

    def _evidence(self) -> None:
        """Mostly about what was commanded; sometimes ahead of it."""
        deal = self.draw(st.sampled_from(self._deals))
        all_of = [(p, w) for p, action in self.story.pack.places.items() for w in whats(action)]
        made = {m.args["place"] for m in self.world.history.made if m.args.get("deal") == deal}
        told = [(p, w) for p, w in all_of if p in made]
        options = (told or all_of) if self.draw(st.sampled_from([True, True, True, False])) else all_of
        if not options:
            return
        place, what = options[self.draw(st.integers(0, len(options) - 1))]
        number = self.draw(st.sampled_from([0, 0, 0, 1]))
        data = {"id": f"{deal}/{place}/{what}/{number}", "deal": deal, "step": place, "what": what}
        data["amount"] = str(self.draw(st.sampled_from(AMOUNTS)))
        data["height"] = self.draw(st.integers(1, 3))
        block = self.draw(st.sampled_from([None, None, *BLOCKS]))
        if block is not None:
            data["block"] = block
        self._news[data["id"]] = data
        self._say("assert", "news", data)

    def _chain(self, form: str) -> None:
        block = self.draw(st.sampled_from(BLOCKS))
        names = sorted(self._news)
        match form:
            case "reorg":
                self._say("reorg", "", {"network": "n", "removed": [block], "added": []})
            case "return":
                self._say("reorg", "", {"network": "n", "removed": [], "added": [block]})
                for data in [d for d in self._news.values() if d.get("block") == block][:2]:
                    self._say("assert", "news", data)
            case "retract" if names:
                self._say("retract", "news", {"id": names[self.draw(st.integers(0, len(names) - 1))]})

    # -- a world that helps -------------------------------------------------------------------
    def help_along(self, rounds: int = 12) -> None:
        """From here on everything works: gates are open, executors report, evidence comes."""
        self.at_ms += 1_000
        if self.world.is_held:
            self._happens(Held(False))
        for gate in GATES:
            self._say("assert", "gate", {"id": gate, "open": True})
        for _ in range(rounds):
            self._height += 1
            self._say("assert", "pool", {"id": "p", "available": "100000", "height": self._height})
            for case in self.world.cases:
                for run in list(case.runs()) if case.is_open else []:
                    if run.status in FLYING or (run.status == "idle" and run.first_at is not None):
                        self._carry_out(case.subject, run.place)
            self._happens(Passed())
            self.world.finish()
            self.at_ms += 90_000

    def _carry_out(self, deal: str, place: str) -> None:
        """All that shows that an action is done, and its executor's word."""
        for what in whats(self.story.pack.places[place]):
            if what in ("left", "arrived", "final"):
                amount = {"left": 100, "arrived": 10 if "undo" in place else 70}.get(what, 0)
                data = {"id": f"{deal}/{place}/{what}/helped", "deal": deal, "step": place, "what": what}
                self._say("assert", "news", data | {"amount": str(amount), "height": 2})
        made = made_at(self.world, deal, place)
        if made and self.world.is_open(made[-1]):
            self._happens(Reported(deal, place, len(made) - 1, "done"))


def whats(action: dict[str, Any]) -> list[str]:
    """What news of an action may be about."""
    found = []
    for name in ("seen", "confirmed", "final", "failed", "unused"):
        for term in action.get(name, []):
            text = str(term.get("where", ""))
            if text:
                found.append(text.rpartition('what == "')[2].rstrip('"'))
    return found
