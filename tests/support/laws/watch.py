"""What must never happen, looked for after each commit."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from engine.coordination.case import Case
from engine.insight.scenario.history import Made, Noted
from tests.support.laws.plans import Pack
from tests.support.laws.value import look_at_amounts, look_at_value
from tests.support.laws.verdict import judge
from tests.support.laws.world import LawWorld

_LOST: Final = frozenset({"failed", "refused", "expired", "withdrawn"})
#: States of a step while a command of its own may still have an effect.
_FLYING: Final = frozenset({"commanded", "submitted", "seen", "unknown", "unconfirmed"})
_BEYOND: Final = frozenset({"confirmed", "undoing", "undone", "stuck"})


class Guard:
    """Watches one world; raises AssertionError at the first thing that must not be."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._noted = 0
        self._made = 0
        self._by_id: dict[str, Made] = {}
        self._of: dict[tuple[str, str], list[Made]] = defaultdict(list)
        self._standing: dict[str, tuple[str, bool]] = {}
        self._called: set[tuple[str, str]] = set()
        self._told: dict[tuple[str, str, str], set[int]] = defaultdict(set)
        self._reserved: set[tuple[str, int]] = set()
        self._said: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def __call__(self, world: LawWorld) -> None:
        """Look at what the last commit brought."""
        for row in world.facts("news"):
            self._told[row["deal"], row["step"], row["what"]].add(row["amount"])
        for made in world.history.made[self._made :]:
            self._by_id[made.id] = made
        self._made = len(world.history.made)
        for note in world.history.noted[self._noted :]:
            self._note(world, note)
        self._noted = len(world.history.noted)
        self._reservations(world)
        for case in world.cases:
            look_at_value(world, case)
            look_at_amounts(world, case, self._told)
            self._states(world, case)
            self._waits(world, case)
        assert world.alarms == []

    # -- what is said ------------------------------------------------------------------------
    def _note(self, world: LawWorld, note: Noted) -> None:
        event = note.event
        coordination = str(event.get("coordination", ""))
        self._said[coordination].append(dict(event))
        match event["event"]:
            case "outcome":
                verdict, is_provisional = event["verdict"], event["provisional"]
                before = self._standing.get(coordination)
                assert before != (verdict, False) or not is_provisional, "a final verdict became provisional"
                self._standing[coordination] = verdict, is_provisional
                judge(world, dict(event), self._said[coordination], note.at_ms)
            case "outcome_withdrawn":
                _, is_provisional = self._standing.pop(coordination)
                assert is_provisional, "a final verdict was withdrawn"
            case "fired":
                for each in event["commands"]:
                    self._command(world, note.at_ms, self._by_id[each["id"]])

    # -- commands ------------------------------------------------------------------------------
    def _command(self, world: LawWorld, at_ms: int, made: Made) -> None:
        if made.command == "ops.page":
            slot = made.coordination, str(made.args["reason"])
            assert slot not in self._called, f"people were called twice for {slot[1]}"
            self._called.add(slot)
            return
        deal, place = str(made.args["deal"]), str(made.args["place"])
        assert made.coordination not in self._standing, f"{place} was commanded after the end"
        case = next(case for case in world.cases if case.id == made.coordination)
        before = [m for (d, p), ms in self._of.items() if d == deal and _is_rival(p, place) for m in ms]
        for earlier in before:
            assert self._had_no_effect(world, earlier), f"{place} is commanded while {earlier.args['place']} is open"
        if _is_forward(place):
            self._forward(case, at_ms, deal, place)
        self._of[deal, place].append(made)

    def _had_no_effect(self, world: LawWorld, made: Made) -> bool:
        if world.status(made.id) in _LOST:
            return True
        news = world.engine.base.memories["news"]
        for fact in news.facts.values():
            row = world.row(fact)
            is_proof = row["what"] == "unused" or (row["what"] == "failed" and fact.at >= made.at_ms)
            if is_proof and (row["deal"], row["step"]) == (made.args["deal"], made.args["place"]):
                return True
        return False

    def _forward(self, case: Case, at_ms: int, deal: str, place: str) -> None:
        plan = self._pack.plan
        assert "deadline" not in plan or case.deadline is None or at_ms <= case.deadline, f"{place} after the deadline"
        others = [p for d, p in self._of if d == deal]
        if not _accepts_late(self._pack):
            assert not any(".undo" in p for p in others), f"{place} is commanded after an undo"
        if case.start_before is not None and not any(_is_forward(p) for p in others):
            assert at_ms < case.start_before, f"{place} begins too late"
        if place in self._pack.steps:
            step = self._pack.steps[place]
            partners = {n for n, s in self._pack.steps.items() if s.get("instead_of") == place} | {
                step.get("instead_of", "")
            }
            assert not partners & set(others), f"{place} and what it stands instead of"
            for name in step.get("after", []):
                assert self._is_done(case, name), f"{place} comes before {name} is done"

    def _is_done(self, case: Case, name: str) -> bool:
        partners = [n for n, s in self._pack.steps.items() if s.get("instead_of") == name]
        return any(case.steps[n].run.status == "confirmed" or case.steps[n].is_accepted for n in (name, *partners))

    # -- reservations --------------------------------------------------------------------------
    def _reservations(self, world: LawWorld) -> None:
        living = world.engine.base.memories["reservation"].facts.values()
        now = {(str(world.row(fact)["id"]), int(world.row(fact)["until"])) for fact in living}
        if now - self._reserved:
            taken = sum(int(world.row(fact)["amount"]) for fact in living)
            (pool,) = world.facts("pool")
            assert taken <= pool["available"], f"{taken} reserved of {pool['available']}"
        self._reserved = now
        for fact in living:
            assert world.row(fact)["until"] >= world.at_ms - 1, "a reservation outlived its time"

    # -- states --------------------------------------------------------------------------------
    def _states(self, world: LawWorld, case: Case) -> None:
        """Every command that may still have an effect belongs to a step whose state says so."""
        shown = {row["name"]: row["state"] for row in world.facts("step") if row["coordination"] == case.id}
        for (deal, place), commands in self._of.items():
            if deal != case.subject or not world.is_open(commands[-1]):
                continue
            if place in shown:
                state = shown[place]
                is_proven = self._had_no_effect(world, commands[-1]) or state in ("failed",)
                assert state in _FLYING | _BEYOND or is_proven, f"{place} is {state}, but its command is open"
            elif place.partition(".")[2].startswith("undo") and "!" not in place:
                state = shown[place.partition(".")[0]]
                assert state in _BEYOND or not case.is_unwinding or not case.is_open, f"{place} is open, step {state}"

    def _waits(self, world: LawWorld, case: Case) -> None:
        if case.is_open and not case.is_stopped:
            due = world.engine.next_due()
            assert not case.due or (due is not None and due <= case.due), "its deadline is not in the heap"
            assert case.due or why_it_waits(world, case), f"{case.subject} waits for nothing"


def why_it_waits(world: LawWorld, case: Case) -> list[str]:
    """What an open coordination waits for, from what is shown of it."""
    found = []
    for row in world.facts("step"):
        if row["coordination"] != case.id:
            continue
        name, state = row["name"], row["state"]
        step = world.pack.steps[name]
        if any("!" in run.place and run.status in _FLYING for run in case.steps[name].runs()):
            found.append(f"{name}: a small step's evidence")
        if state in _FLYING:
            found.append(f"{name}: its evidence")
        elif state == "ready" and "command" not in step:
            found.append(f"{name}: evidence")
        elif state == "ready" and "when" in step:
            found.append(f"{name}: its condition")
        elif state == "undoing":
            found.append(f"{name}: its undo")
        elif state in ("failed", "refused") and step.get("otherwise", {}).get(state) is not None:
            found.append(f"{name}: somebody, for the plan knows no more")
        elif state in ("failed", "refused") and "retry" in step and "when" in step:
            found.append(f"{name}: its condition, to be tried again")
        elif state == "confirmed" and step.get("otherwise", {}).get("late") is not None:
            found.append(f"{name}: a way off, since it came late")
    if case.breach is not None and world.pack.plan["relations"][case.breach].get("otherwise"):
        found.append("a way off, since a relation is broken")
    return found


def is_left_to_people(world: LawWorld, case: Case) -> bool:
    """The plan knows no more: nothing decides about a failure, or evidence and the executor contradict each other."""
    for row in world.facts("step"):
        listed = world.pack.steps[row["name"]].get("otherwise", {}).get(row["state"])
        is_failed = row["coordination"] == case.id and row["state"] in ("failed", "refused") and listed
        if is_failed and not any(deed in each for each in listed for deed in ("undo", "accept", "end")):
            return True
    # Seen to have left, but the report that alone would confirm it cannot come.
    return any(
        run.status in _FLYING
        and "confirmed" not in world.pack.places[run.place]
        and (not run.commands or world.status(run.command) in _LOST)
        for run in case.runs()
    )


def _is_forward(place: str) -> bool:
    """A step's own command, or a small step that goes on where it failed."""
    step, mark, cause = place.partition("!")
    return "." not in step and "@" not in step and (not mark or cause.startswith(("blocked", "failed", "refused")))


def _is_rival(one: str, other: str) -> bool:
    """Two places of which only one may be under way: the same, or two entries of one step's undo."""
    if "!" in one or "!" in other:
        return one == other
    return one == other or (".undo" in one and ".undo" in other and one.split(".")[0] == other.split(".")[0])


def _accepts_late(pack: Pack) -> bool:
    return any("accept" in a for s in pack.steps.values() for a in s.get("otherwise", {}).get("late", []))
