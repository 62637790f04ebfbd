"""Drives the coordinations of a rule base: begins them, advances them when what they look at changes, keeps them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from engine.coordination.behind import facts_behind
from engine.coordination.bounds import read_bounds, remember_facts
from engine.coordination.case import Case, FactName, Run, StepCase
from engine.coordination.copies import Copies
from engine.coordination.desk import Desk
from engine.coordination.evaluate import Bound, evaluate
from engine.coordination.facts import CaseFacts
from engine.coordination.keeping import from_json, record, to_json
from engine.coordination.ledger import Ledger
from engine.coordination.machine import Machine
from engine.coordination.outline import Outline
from engine.coordination.reservations import Reservations
from engine.coordination.sensing import Sensing, SensorNode
from engine.coordination.shelf import CaseKey, Shelf, slot_of
from engine.coordination.story import note
from engine.coordination.subjects import Subjects
from engine.errors import EvaluationError
from engine.matching.changes import dumps
from engine.matching.engine import Engine
from engine.matching.fact import Fact, Key, key_text, subject_text
from engine.matching.group import Group
from engine.matching.node import RuleNode
from engine.matching.plans import PlanAction
from engine.matching.timeline import GROUP
from engine.model.ids import coordination_id
from engine.model.plans import Plan

#: Name in ``Forgetting``.
_ENDED: Final = "ended"

__all__ = ["Driver", "SensorNode"]


class Driver:
    """All coordinations."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.base = engine.base
        self.effects = engine.effects
        self.firing = engine.firing
        self.changes = engine.changes
        self.timeline = engine.timeline
        self.reservations = Reservations(self)
        self.facts = CaseFacts(self)
        self.shelf = Shelf()
        self.copies = Copies(self.base)
        self.sensing = Sensing(self, self.copies, engine.rulebase, engine.surroundings.old_plans)
        self._dirty: dict[CaseKey, None] = {}
        self._new: dict[CaseKey, Plan] = {}
        self._gone: set[FactName] = set()
        self._is_peeking = False
        self.base.is_used = self.uses
        self.base.follower = Subjects(self)
        self.base.forgetting.add(_ENDED, self.shelf.ended.get, self._forget_ended)
        self.firing.context.ledgers = self._read_ledger

    @property
    def cases(self) -> dict[CaseKey, Case]:
        """(plan, keys of the ``for`` facts) → coordination."""
        return self.shelf.cases

    # -- what the matching core calls ------------------------------------------------
    def nodes(self) -> Iterable[RuleNode]:
        """The conditions of all plans."""
        return self.sensing.nodes.values()

    @property
    def is_dirty(self) -> bool:
        """Whether some coordination must be looked at."""
        return bool(self._dirty or self._new or self._gone)

    def sensed(self, group: Group) -> None:
        """A condition changed for a coordination."""
        node = group.node
        assert isinstance(node, SensorNode)  # noqa: S101 - only these have an observer
        keys: tuple[Key, ...] = group.key  # type: ignore[assignment]
        slot = (node.sensor.plan_name, keys)
        case = self.cases.get(slot)
        if case is None:
            if node.begins and group.members and not self._is_peeking:
                self._new[slot] = node.sensor.plan
        elif self.outline_of(case).plan is node.sensor.plan:
            self._dirty[slot] = None

    def is_idle(self, condition: str, keys: tuple[Key, ...]) -> bool:
        """Whether a condition of that name is judged for no coordination with these keys, though it once was."""
        node = self.sensing.nodes.get(condition)
        return node is not None and not node.begins and (node.sensor.plan_name, keys) not in self.cases

    def look_at(self, slot: CaseKey) -> None:
        """Something that a coordination looks at has changed."""
        self._dirty[slot] = None

    def command_moved(self, command: str, status: str, source: str) -> None:
        """A command's status changed."""
        slot = self.shelf.of_command(command)
        if slot is not None:
            self._dirty[slot] = None
            case, now = self.cases[slot], self.firing.now
            note(case, now, self.firing.cause, "reported", {"command": command, "status": status, "source": source})

    def reorganised(self, gone: set[tuple[str, tuple[Any, ...]]]) -> None:
        """Facts left memory with their blocks; looked at once conditions have been judged."""
        self._gone |= gone

    def advance(self) -> None:
        """Bring every coordination that must be looked at to its fixpoint, in the order of plan and key."""
        new, self._new = self._new, {}
        # In an order that does not depend on how they were found: a recovery may find them in another.
        begun = [slot for slot in sorted(new, key=_place) if self._begin(new[slot], slot)]
        gone, self._gone = self._gone, set()
        for fact in gone:
            self._dirty.update(dict.fromkeys(self.shelf.of_fact(fact)))
        batch = sorted(self._dirty, key=_place)
        # Of what has just begun, the conditions are yet to be judged.
        self._dirty = dict.fromkeys(begun)
        for slot in batch:
            case = self.cases.get(slot)
            if case is not None:
                self._advance_one(case, gone)

    def _read_ledger(self, plan: str, keys: tuple[Key, ...], name: str, *args: str) -> int:
        case = self.cases.get((plan, keys))
        return 0 if case is None else case.ledger.read(name, *args)

    def _advance_one(self, case: Case, gone: set[FactName]) -> Machine:
        machine = Machine(Desk(self, case, self.outline_of(case)))
        before = case.ledger
        machine.advance(gone)
        if case.ledger is not before:
            self._ledger_changed(case)
        self.shelf.note(case)
        ready = [step for step in case.steps.values() if machine.forward.may_command(step)]
        if self._is_peeking:
            self._arm(case, machine.desk.deadlines)
            return machine
        slot = slot_of(case)
        self.changes.case_changed(*slot, lambda: self._record(slot))
        if machine.is_over:
            self._forget(case)
            return machine
        if machine.is_ahead:
            # Its conditions are judged on the ledger as it is now, and then it goes on, in the same step.
            self._dirty[slot] = None
            return machine
        self._arm(case, machine.desk.deadlines)
        self.facts.show(case)
        for step in ready:
            self._offer(case, step, machine)
        return machine

    def _ledger_changed(self, case: Case) -> None:
        """Conditions that read the ledger are judged again."""
        first = self.copies.of(case)[0]
        self.firing.work += self.sensing.readers_of(self.outline_of(case).plan.name, first)

    # -- the agenda ----------------------------------------------------------------
    def take(self, action: PlanAction) -> None:
        """A forward command's turn."""
        case = action.case
        assert isinstance(case, Case)  # noqa: S101 - only these are offered
        machine = Machine(Desk(self, case, self.outline_of(case)))
        machine.forward.send(case.steps[action.step])
        if machine.desk.has_changed:
            self._dirty[slot_of(case)] = None

    def _offer(self, case: Case, step: StepCase, machine: Machine) -> None:
        desk = machine.desk
        declared = desk.plan.by_name[step.name]
        priority = 0
        if declared.priority is not None:
            machine.forward.bind_when(step)
            try:
                value = evaluate(declared.priority, desk.around_run(step, step.run))
                priority = value if isinstance(value, int) else 0
            except EvaluationError as error:
                desk.fault(step.run, f"{step.name}.priority", error)
        self.firing.offer(PlanAction(case, step.name), priority, f"{case.plan}.{step.name}", desk.key_text())

    # -- time ----------------------------------------------------------------------
    def _arm(self, case: Case, deadlines: list[int]) -> None:
        """One item a coordination: the earliest instant it waits for."""
        at = min(deadlines, default=0)
        if at and (not case.due or at < case.due):
            case.due = at
            self.timeline.push(at, GROUP, case.plan, key_text(case.keys), case)

    def due(self, payload: object, at: int) -> bool:
        """Whether the item still stands."""
        if not isinstance(payload, Case) or payload.due != at:
            return False
        return self.cases.get(slot_of(payload)) is payload

    def settle_due(self, payload: object) -> None:
        """Have the coordination looked at."""
        assert isinstance(payload, Case)  # noqa: S101 - ``due`` has looked
        payload.due = 0
        self._dirty[slot_of(payload)] = None

    # -- beginning and ending ------------------------------------------------------------
    def _begin(self, plan: Plan, slot: CaseKey) -> bool:
        """Begin a coordination; False if that was done before."""
        keys = slot[1]
        identity = coordination_id(plan.name, keys)
        now = self.firing.now
        if any(self._has_begun(name, keys) for name in (plan.name, *plan.was)):
            return False
        steps = {step.name: StepCase(step.name, Run(step.name), since=now) for step in plan.steps}
        case = Case(identity, plan.name, keys, subject_text(keys[0]), self.engine.rulebase.revision, now, steps)
        self.shelf.put(case, (pattern.kind.name for pattern in plan.patterns))
        self.copies.put(case, plan)
        desk = Desk(self, case, self.outline_of(case))
        desk.say("started", facts=facts_behind(self, case, ""))
        remember_facts(desk)
        try:
            self._bind_case(case, desk)
        except EvaluationError as error:
            desk.say("dropped", place="start", code=error.code, message=error.message)
            desk.stop(f"when it is to end, or what it brings, cannot be computed: {error.message}")
        if case.deadline is not None and now + plan.needed_ms > case.deadline:
            Machine(desk).judgement.end("EXPIRED", "NO_TIME")
        return True

    def _has_begun(self, plan: str, keys: tuple[Key, ...]) -> bool:
        """Whether a plan of that name was begun for these facts, and is remembered to have been."""
        until = self.shelf.ended.get(coordination_id(plan, keys))
        return (plan, keys) in self.cases or (until is not None and self.firing.now <= until)

    @staticmethod
    def _bind_case(case: Case, desk: Desk) -> None:
        """What it brings is computed once, when it begins; when it must end may move with its facts."""
        read_bounds(desk)
        case.brings = desk.portions(desk.plan.brings, desk.around())
        ledger = Ledger()
        ledger.bring(case.brings)
        case.ledger = ledger

    def _forget(self, case: Case) -> None:
        """A day after its end a coordination leaves working memory; that it was is remembered for 90 days."""
        now = self.firing.now
        self.facts.remove(case)
        for step in case.steps.values():
            if step.reserved is not None:
                self.reservations.release(Desk(self, case, self.outline_of(case)), step)
        self.copies.drop(case)
        until = self.shelf.drop(case, now)
        self.base.forgetting.note(_ENDED, case.id, until)
        self.changes.case_changed("ended", case.id, lambda: dumps({"until": until}))
        self.changes.done[case.id.encode()] = dumps({"until": until, "case": to_json(case)})

    def _forget_ended(self, identity: str) -> None:
        del self.shelf.ended[identity]
        self.changes.case_changed("ended", identity, lambda: None)
        self.changes.done[identity.encode()] = None

    def close(self, coordination: str) -> bool:
        """End a stopped coordination by an operator's word; False if there is none of that id."""
        case = next((case for case in self.cases.values() if case.id == coordination), None)
        if case is None or not case.is_stopped or not case.is_open:
            return False
        Machine(Desk(self, case, self.outline_of(case))).judgement.close()
        self.look_at(slot_of(case))
        return True

    def stopped(self) -> int:
        """How many coordinations are stopped, and wait for an operator."""
        return sum(case.is_stopped and case.is_open for case in self.cases.values())

    # -- looking -------------------------------------------------------------------
    def standing(self) -> list[dict[str, Any]]:
        """Every coordination without a verdict as it stands now, in the form of the record of an end."""
        return [
            {"coordination": case.id, "plan": case.plan, "subject": case.subject}
            | Machine(Desk(self, case, self.outline_of(case))).judgement.standing()
            for case in self.cases.values()
            if case.is_open
        ]

    def sensor(self, case: Case, place: str) -> SensorNode | None:
        """The condition at a place of the case's plan, if it has one."""
        return self.sensing.nodes.get(f"{self.outline_of(case).plan.name}#{place}")

    def needs(self, case: Case, place: str) -> list[int]:
        """Numbers of the terms that bind what the term at a place reads."""
        node = self.sensor(case, place)
        return [] if node is None else list(node.sensor.needs)

    def outline_of(self, case: Case) -> Outline:
        """The plan as it was when the coordination began: it ends under that."""
        found = self.sensing.outline_of(case.revision, case.plan)
        assert found is not None  # noqa: S101 - a coordination without its plan is not restored
        return found

    def plans_in_use(self) -> dict[tuple[str, str], Plan]:
        """(revision, plan) → plan of every coordination that is kept, for the engine that goes on after a reload."""
        found: dict[tuple[str, str], Plan] = {}
        for case in self.cases.values():
            found[(case.revision, case.plan)] = replace(self.outline_of(case).plan, name=case.plan)
        return found

    def fact_of(self, kind: str, key: Key) -> Fact | None:
        """The living fact of that kind and key."""
        return self.base.memories[kind].facts.get(key)

    def is_disputed(self, bound: Bound) -> bool:
        """Whether living claims of equal order differ under the key of a bound fact, as it is now."""
        fact = self.fact_of(bound.kind, bound.key)
        return fact is not None and fact.memory.is_disputed(fact)

    def uses(self, fact: Fact) -> bool:
        """Whether an open coordination needs a fact to stay.

        What is kept while used does if its key or evidence refers to it; anything else if it is what the coordination
        is about, for without that no condition of the coordination could hold any more.
        """
        name = (fact.memory.name, fact.key)
        return self.shelf.is_used(name) if fact.memory.kind.keep_while_used else self.shelf.is_subject(name)

    def _record(self, slot: CaseKey) -> bytes | None:
        case = self.cases.get(slot)
        return None if case is None else record(case)

    def tell(self, case: Case, event: str, details: Mapping[str, Any]) -> None:
        """Into the audit, and into what the coordination keeps of its course."""
        said = {"event": event, "coordination": case.id, "plan": case.plan, "subject": case.subject}
        self.effects.events.append({**said, **details})
        note(case, self.firing.now, self.firing.cause, event, details)

    # -- keeping -------------------------------------------------------------------
    def restore(self, records: Mapping[str, Any], *, is_reload: bool) -> None:
        """Take the committed coordinations, before anything is judged."""
        self._is_peeking = True
        for name, kept in records.items():
            if "until" in kept:
                identity = json.loads(name)[1]
                self.shelf.ended[identity] = kept["until"]
                self.base.forgetting.note(_ENDED, identity, kept["until"])
                continue
            case = from_json(kept)
            outline = self.sensing.outline_of(case.revision, case.plan)
            if outline is None:
                continue
            self.shelf.put(case, (pattern.kind.name for pattern in outline.plan.patterns))
            self.shelf.note(case)
            self.copies.put(case, outline.plan)
        for kind, key in self.shelf.subjects():
            fact = self.fact_of(kind, key)
            if fact is not None:
                self.base.outlive(fact)

    def resume(self, *, is_reload: bool) -> list[str]:
        """After everything was judged: note what each coordination waits for.

        What is due at exactly the time reached may still be due, so it is looked at as of just before.
        """
        alarms = []
        self._dirty.clear()
        firing = self.firing
        now = firing.now
        firing.now = now - 1
        for case in list(self.cases.values()):
            machine = self._advance_one(case, set())
            if machine.changes and not is_reload:
                done = ", ".join(machine.changes)
                alarms.append(f"coordination {case.plan} {case.subject} moved at recovery: {done}")
        firing.now = now
        self._is_peeking = False
        if is_reload:
            self._dirty.update(dict.fromkeys(self.cases))
        return alarms

    def records(self) -> dict[str, Any]:
        """All coordinations as plain values."""
        # Copied through and through: if the new rules are refused, this engine goes on with what it had.
        found = {key_text(slot): json.loads(record(case)) for slot, case in self.cases.items()}
        for identity, until in self.shelf.ended.items():
            found[key_text(("ended", identity))] = {"until": until}
        return found


def _place(slot: CaseKey) -> tuple[str, str]:
    return slot[0], key_text(slot[1])
