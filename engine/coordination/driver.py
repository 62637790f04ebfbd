"""Drives the coordinations of a rule base: begins them, advances them when what they look at changes, keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from engine import limits
from engine.coordination.case import Case, Run, StepCase, from_json, to_json
from engine.coordination.desk import Desk
from engine.coordination.evaluate import evaluate
from engine.coordination.facts import CaseFacts
from engine.coordination.machine import Machine
from engine.coordination.reservations import Reservations
from engine.coordination.sensors import Sensor, compile_sensor, reads_ledger, sensors_of
from engine.errors import EvaluationError
from engine.matching.changes import dumps
from engine.matching.engine import Engine
from engine.matching.fact import Fact, Key, key_text
from engine.matching.firing import Firing
from engine.matching.match import Match
from engine.matching.node import Group, RuleNode
from engine.matching.plans import PlanAction
from engine.matching.timeline import GROUP
from engine.model.ids import coordination_id
from engine.model.plans import Plan

CaseKey = tuple[str, tuple[Key, ...]]


class SensorNode(RuleNode):
    """A plan's condition: its groups are coordinations."""

    __slots__ = ("sensor",)

    def __init__(self, sensor: Sensor, driver: Driver) -> None:
        super().__init__(compile_sensor(sensor))
        self.sensor = sensor
        self.observer = driver
        self.follows = True

    def group_key(self, match: Match, firing: Firing) -> Key:
        """The keys of the ``for`` facts."""
        return match.key[: self.sensor.width]  # type: ignore[return-value]


class Driver:
    """All coordinations.

    Attributes:
        cases: (plan, keys of the ``for`` facts) → coordination.
        ended: id → until when it is remembered that it has ended, so that it is not begun again.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.base = engine.base
        self.effects = engine.effects
        self.firing = engine.firing
        self.changes = engine.changes
        self.timeline = engine.timeline
        self.plans: dict[str, Plan] = {plan.name: plan for plan in engine.rulebase.plans}
        self.reservations = Reservations(self)
        self.facts = CaseFacts(self)
        self.cases: dict[CaseKey, Case] = {}
        self.ended: dict[str, int] = {}
        self._by_command: dict[str, CaseKey] = {}
        self._by_fact: dict[tuple[str, Key], dict[CaseKey, None]] = {}
        self._dirty: dict[CaseKey, None] = {}
        self._gone: set[tuple[str, tuple[Any, ...]]] = set()
        self._is_peeking = False
        cancel = engine.rulebase.kinds.get("cancel")
        kind = None if cancel is None or cancel.engine else cancel
        self._nodes: dict[str, SensorNode] = {}
        for plan in self.plans.values():
            for sensor in sensors_of(plan, kind):
                self._nodes[sensor.name] = SensorNode(sensor, self)
        self.old_plans: dict[tuple[str, str], Plan] = {}
        for (revision, name), plan in engine.surroundings.old_plans.items():
            if self.plans.get(name) == plan:
                continue
            old = self.old_plans[(revision, name)] = replace(plan, name=f"{revision}:{name}")
            for sensor in sensors_of(old, kind):
                if not sensor.name.endswith("#for"):
                    self._nodes[sensor.name] = SensorNode(sensor, self)
        self._ledger_readers: dict[str, list[SensorNode]] = {}
        for node in self._nodes.values():
            if reads_ledger(node.sensor):
                self._ledger_readers.setdefault(node.sensor.plan_name, []).append(node)
        self.base.is_used = self.uses
        self.firing.context.ledgers = self._read_ledger

    # -- what the matching core calls ------------------------------------------------
    def nodes(self) -> Iterable[RuleNode]:
        """The conditions of all plans."""
        return self._nodes.values()

    @property
    def is_dirty(self) -> bool:
        """Whether some coordination must be looked at."""
        return bool(self._dirty or self._gone)

    def sensed(self, group: Group) -> None:
        """A condition changed for a coordination."""
        node = group.node
        assert isinstance(node, SensorNode)  # noqa: S101 - only these have an observer
        slot = (node.sensor.plan_name, group.key)
        case = self.cases.get(slot)  # type: ignore[arg-type]
        if case is None:
            if node.sensor.name.endswith("#for") and group.members and not self._is_peeking:
                self._begin(node.sensor.plan, group)
            return
        if self.plan_of(case) is node.sensor.plan:
            self._dirty[slot] = None  # type: ignore[index]

    def command_moved(self, command: str) -> None:
        """A command's status changed."""
        slot = self._by_command.get(command)
        if slot is not None:
            self._dirty[slot] = None

    def reorganised(self, gone: set[tuple[str, tuple[Any, ...]]]) -> None:
        """Facts left memory with their blocks; looked at once conditions have been judged."""
        self._gone |= gone

    def advance(self) -> None:
        """Bring every coordination that must be looked at to its fixpoint, in the order of plan and key."""
        gone, self._gone = self._gone, set()
        for fact in gone:
            for slot in self._by_fact.get(fact, ()):
                self._dirty[slot] = None
        batch = sorted(self._dirty, key=lambda slot: (slot[0], key_text(slot[1])))
        self._dirty.clear()
        for slot in batch:
            case = self.cases.get(slot)
            if case is not None:
                self._advance_one(case, gone)

    def _read_ledger(self, plan: str, keys: tuple[Key, ...], name: str, *args: str) -> int:
        case = self.cases.get((plan, keys))
        return 0 if case is None else case.ledger.read(name, *args)

    def _ledger_changed(self, case: Case) -> None:
        """Conditions that read the ledger are judged again."""
        readers = self._ledger_readers.get(case.plan)
        first = self.plan_of(case).patterns[0]
        fact = self.base.memories[first.kind.name].facts.get(case.keys[0])
        if not readers or fact is None:
            return
        for node in readers:
            for seat, matches in (fact.seats or {}).items():
                if seat.position == 0 and node in seat.ground.nodes:
                    self.firing.work.append((node, list(matches)))
            if fact.solo is not None and node in fact.solo.ground.nodes:
                self.firing.work.append((node, (fact.solo,)))

    def _advance_one(self, case: Case, gone: set[tuple[str, tuple[Any, ...]]]) -> Machine:
        machine = Machine(Desk(self, case, self.plan_of(case)))
        before = dict(case.ledger.balances)
        machine.advance(gone)
        if case.ledger.balances != before:
            self._ledger_changed(case)
        self._note(case)
        # What is not ready yet notes when to look again: a further attempt becomes due by time alone.
        ready = machine.ready()
        self._arm(case, machine.desk.deadlines)
        if not self._is_peeking:
            self.facts.show(case, machine.progress)
            for step in ready:
                self._offer(case, step, machine.desk)
        return machine

    def take(self, action: PlanAction) -> None:
        """A forward command's turn."""
        case = action.case
        assert isinstance(case, Case)  # noqa: S101 - only these are offered
        machine = Machine(Desk(self, case, self.plan_of(case)))
        machine.progress.send(case.steps[action.step])
        if machine.desk.has_changed:
            self._dirty[(case.plan, case.keys)] = None

    def _offer(self, case: Case, step: StepCase, desk: Desk) -> None:
        declared = desk.plan.by_name[step.name]
        priority = 0
        if declared.priority is not None:
            if declared.when is not None:
                desk.bind(f"{step.name}.when", step.run, as_evidence=False)
            try:
                value = evaluate(declared.priority, desk.around(step.name, step.run))
                priority = value if isinstance(value, int) else 0
            except EvaluationError:
                priority = 0
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
        return self.cases.get((payload.plan, payload.keys)) is payload

    def settle_due(self, payload: object) -> None:
        """Have the coordination looked at."""
        assert isinstance(payload, Case)  # noqa: S101 - ``due`` has looked
        payload.due = 0
        self._dirty[(payload.plan, payload.keys)] = None

    def freed(self) -> None:
        """Something reserved is free again: whoever waits for it is looked at."""
        for slot, case in self.cases.items():
            plan = self.plan_of(case)
            if case.is_open and any(step.reserve is not None for step in plan.steps):
                self._dirty[slot] = None

    # -- beginning and ending ------------------------------------------------------------
    def _begin(self, plan: Plan, group: Group) -> None:
        keys: tuple[Key, ...] = group.key  # type: ignore[assignment]
        identity = coordination_id(plan.name, keys)
        now = self.firing.now
        until = self.ended.get(identity)
        if until is not None and now <= until:
            return
        steps = {step.name: StepCase(step.name, Run(step.name), since=now) for step in plan.steps}
        subject = str(keys[0][0]) if len(keys[0]) == 1 else key_text(keys[0])
        case = Case(identity, plan.name, keys, subject, self.engine.rulebase.revision, now, steps)
        desk = Desk(self, case, plan)
        case.bound = dict(desk.around().aliases)
        for name in ("deadline", "start_before"):
            expression = getattr(plan, name)
            if expression is not None:
                try:
                    setattr(case, name, int(evaluate(expression, desk.around())))
                except EvaluationError as error:
                    desk.say("dropped", place=name, code=error.code, message=error.message)
        slot = (plan.name, keys)
        self.cases[slot] = case
        for pattern, key in zip(plan.patterns, keys, strict=True):
            self._by_fact.setdefault((pattern.kind.name, key), {})[slot] = None
        desk.say("started")
        machine = Machine(desk)
        machine.bring()
        self._dirty[slot] = None

    def forget(self, case: Case) -> None:
        """A day after its end a coordination leaves working memory; that it was is remembered for 90 days."""
        slot = (case.plan, case.keys)
        del self.cases[slot]
        self.facts.remove(case)
        for identity in [i for i, until in self.ended.items() if until < self.firing.now]:
            del self.ended[identity]
            self.changes.case_changed("ended", identity, lambda: None)
        until = self.firing.now + limits.DONE_KEEP_MS
        self.ended[case.id] = until
        self.changes.case_changed("ended", case.id, lambda: dumps({"until": until, "case": to_json(case)}))
        self.changes.case_changed(case.plan, case.keys, lambda: None)
        for run in case.runs():
            for command in run.commands:
                self._by_command.pop(command, None)
        for slots in self._by_fact.values():
            slots.pop(slot, None)
        self._by_fact = {fact: slots for fact, slots in self._by_fact.items() if slots}

    # -- looking -------------------------------------------------------------------
    def sensor(self, case: Case, place: str) -> SensorNode | None:
        """The condition at a place of the case's plan, if it has one."""
        return self._nodes.get(f"{self.plan_of(case).name}#{place}")

    def plan_of(self, case: Case) -> Plan:
        """The plan as it was when the coordination began: it ends under that."""
        return self.old_plans.get((case.revision, case.plan)) or self.plans[case.plan]

    def plans_in_use(self) -> dict[tuple[str, str], Plan]:
        """(revision, plan) → plan of every open coordination, for the engine that goes on after a reload."""
        found: dict[tuple[str, str], Plan] = {}
        for case in self.cases.values():
            plan = self.plan_of(case)
            found[(case.revision, case.plan)] = replace(plan, name=case.plan)
        return found

    def uses(self, fact: Fact) -> bool:
        """Whether an open coordination's key or evidence refers to a fact."""
        slots = self._by_fact.get((fact.memory.name, fact.key), ())
        return any(slot in self.cases and self.cases[slot].is_open for slot in slots)

    def facts_behind(self, case: Case, place: str) -> list[dict[str, Any]]:
        """The facts that a command of this coordination rests on, for the audit."""
        found = []
        for pattern, key in zip(self.plan_of(case).patterns, case.keys, strict=True):
            fact = self.base.memories[pattern.kind.name].facts.get(key)
            if fact is not None:
                found.append(self.effects.said_fact(pattern.alias, fact, fact.claim))
        step = case.steps.get(place.partition(".")[0].partition("!")[0])
        for run in () if step is None else (step.run, step.undo, step.small):
            for alias, bound in ({} if run is None else run.bound).items():
                fact = self.base.memories[bound.kind].facts.get(bound.key)
                if fact is not None:
                    found.append(self.effects.said_fact(alias, fact, fact.claim))
        return found

    def _note(self, case: Case) -> None:
        """Index what the coordination refers to, and have it written down."""
        slot = (case.plan, case.keys)
        for run in case.runs():
            for command in run.commands:
                self._by_command[command] = slot
            for kind, key in run.evidence:
                self._by_fact.setdefault((kind, key), {})[slot] = None
        if not self._is_peeking:
            self.changes.case_changed(case.plan, case.keys, lambda: self._record(slot))

    def _record(self, slot: CaseKey) -> bytes | None:
        case = self.cases.get(slot)
        return None if case is None else dumps(to_json(case))

    # -- keeping -------------------------------------------------------------------
    def restore(self, records: Mapping[str, Any], *, is_reload: bool) -> None:
        """Take the committed coordinations, before anything is judged."""
        self._is_peeking = True
        for record in records.values():
            if "until" in record:
                self.ended[record["case"]["id"]] = record["until"]
                continue
            case = from_json(record)
            if case.plan not in self.plans and (case.revision, case.plan) not in self.old_plans:
                continue
            slot = (case.plan, case.keys)
            self.cases[slot] = case
            for pattern, key in zip(self.plan_of(case).patterns, case.keys, strict=True):
                self._by_fact.setdefault((pattern.kind.name, key), {})[slot] = None
            self._note(case)

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
                alarms.append(
                    f"coordination {case.plan} {case.subject} moved at recovery: {', '.join(machine.changes)}"
                )
        firing.now = now
        self._is_peeking = False
        if is_reload:
            for slot in self.cases:
                self._dirty[slot] = None
        return alarms

    def records(self) -> dict[str, Any]:
        """All coordinations as plain values."""
        return {key_text(slot): to_json(case) for slot, case in self.cases.items()}
