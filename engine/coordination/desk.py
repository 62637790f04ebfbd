"""What a coordination may do: look at its conditions, send commands, call for people, say what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.coordination.case import Case, Run, StepCase
from engine.coordination.evaluate import Bound, Surroundings, evaluate, wire
from engine.errors import EvaluationError
from engine.matching.fact import key_text
from engine.matching.node import Group, State
from engine.model.ids import activation_id, command_id
from engine.model.kinds import Value
from engine.model.plans import Plan, Portion
from engine.model.rules import CommandEffect

if TYPE_CHECKING:
    from engine.coordination.driver import Driver


class Desk:
    """One coordination being advanced, at one instant.

    Attributes:
        case: the coordination.
        plan: as declared, of the revision it began under.
        now: time of the step, ms.
        has_changed: whether anything was done since it was last set to False.
    """

    def __init__(self, driver: Driver, case: Case, plan: Plan) -> None:
        self.driver = driver
        self.case = case
        self.plan = plan
        self.has_changed = False
        self.deadlines: list[int] = []

    @property
    def now(self) -> int:
        """Time of the step."""
        return self.driver.firing.now

    def later(self, at: int) -> bool:
        """Whether an instant has come; if not, it is noted as one to look again at."""
        if self.now >= at:
            return True
        self.deadlines.append(at)
        return False

    # -- conditions ----------------------------------------------------------------
    def _group(self, place: str) -> Group | None:
        node = self.driver.sensor(self.case, place)
        return None if node is None else node.groups.get(self.case.keys)

    def holds(self, place: str) -> bool:
        """Whether a condition of the plan holds, its ``for`` included."""
        group = self._group(place)
        return group is not None and bool(group.members) and group.state is State.DONE

    def is_declared(self, place: str) -> bool:
        """Whether the plan has that condition at all."""
        return self.driver.sensor(self.case, place) is not None

    def bind(self, place: str, run: Run, *, as_evidence: bool) -> None:
        """Remember what a condition that holds binds, for the values that read it."""
        group = self._group(place)
        if group is None or not group.members:
            return
        node = group.node
        match = min(group.members, key=lambda m: (group.members[m], m.text))
        found = node.bound(match, self.driver.firing)
        chosen: dict[str, Any] = {}
        for (label, what), value in zip(node.compiled.labels, found, strict=False):
            if what == "value":
                run.values[label] = value
            else:
                chosen[label] = value
        width = len(self.plan.patterns)
        for seat, (pattern, fact) in enumerate(zip(node.rule.patterns, match.facts, strict=True)):
            if seat < width or fact is None:
                continue
            claim = chosen.pop(pattern.alias, None) or fact.claim
            run.bound[pattern.alias] = Bound(fact.memory.name, fact.key, claim.values, claim.at)
            if as_evidence and (fact.memory.name, fact.key) not in run.evidence:
                run.evidence.append((fact.memory.name, fact.key))
        for alias, fact in chosen.items():
            run.bound[alias] = Bound(fact.memory.name, fact.key, fact.values, fact.at)

    def newest_evidence(self, place: str) -> int:
        """When the newest fact of a condition that holds was observed."""
        group = self._group(place)
        if group is None or not group.members:
            return -1
        width = len(self.plan.patterns)
        return max((f.at for m in group.members for f in m.facts[width:] if f is not None), default=self.now)

    # -- values ------------------------------------------------------------------
    def around(self, step: str = "", *runs: Run | None) -> Surroundings:
        """What the plan's values may read: ``for`` facts as they are now, and what these runs have bound."""
        case = self.case
        aliases = dict(case.bound)
        for pattern, key in zip(self.plan.patterns, case.keys, strict=True):
            fact = self.driver.base.memories[pattern.kind.name].facts.get(key)
            if fact is not None:
                aliases[pattern.alias] = Bound(pattern.kind.name, fact.key, fact.values, fact.at)
        values: dict[str, Value] = {"coordination": case.id, "step": step, "attempt": 1}
        for run in runs:
            if run is not None:
                aliases.update(run.bound)
                values.update(run.values)
                values["attempt"] = max(run.attempt, 1)
        return Surroundings(self.now, aliases, values, case.ledger.read, self.driver.reservations.free)

    def portions(self, portions: tuple[Portion, ...], around: Surroundings) -> list[tuple[str, int, str]]:
        """(asset, amount, place) of each.

        Raises:
            EvaluationError: one of them cannot be computed.
        """
        return [
            (str(evaluate(p.asset, around)), int(evaluate(p.amount, around)), str(evaluate(p.place, around)))
            for p in portions
        ]

    # -- acting --------------------------------------------------------------------
    def command(self, step: StepCase | None, run: Run, effect: CommandEffect, around: Surroundings) -> bool:
        """Send the command of an action; False (and the step stuck with an alarm) if its values cannot be computed."""
        attempt = run.attempt + 1
        around.locals = {**around.locals, "attempt": attempt}
        try:
            args = {name: wire(value, around) for name, value in effect.args}
            expires = None if effect.expires is None else evaluate(effect.expires, around)
        except EvaluationError as error:
            self.say("dropped", place=run.place, code=error.code, message=error.message)
            return False
        run.attempt = attempt
        name = "" if step is None else step.name
        run.command = self.emit(effect.connector, effect.verb, args, run.place, name, attempt, expires)
        run.commands.append(run.command)
        run.status = "commanded"
        run.known_at = None
        run.last_at = self.now
        if run.first_at is None:
            run.first_at = self.now
        self.has_changed = True
        return True

    def emit(
        self, connector: str, verb: str, args: dict[str, Any], place: str, step: str, attempt: int, expires: int | None
    ) -> str:
        """Make a command of this coordination; returns its id."""
        firing = self.driver.firing
        rule = f"{self.case.plan}.{step}" if step else self.case.plan
        activation = activation_id(f"{self.case.plan}#{place}", self.case.keys, firing.cause, firing.fired)
        firing.fired += 1
        identity = command_id(activation, 0, attempt)
        effects = self.driver.effects
        said = {
            "event": "fired",
            "rule": rule,
            "revision": self.case.revision,
            "activation": activation,
            "attempt": attempt,
            "coordination": self.case.id,
            "group": self.case.keys,
            "match": self.case.keys,
            "facts": self.driver.facts_behind(self.case, place),
            "bindings": {},
            "commands": [],
            "asserts": [],
            "retracts": [],
            "concludes": [],
        }
        effects.events.append(said)
        effects.make_command(identity, connector, verb, args, rule, attempt, expires, said, self.case.id, step)
        return identity

    def status(self, command: str) -> str:
        """What is known of a command."""
        memory = self.driver.base.memories["command"]
        fact = memory.facts.get((command,))
        return "" if fact is None else str(fact.values[memory.kind.positions["status"]])

    def withdraw(self, run: Run) -> None:
        """Ask for the run's command to be withdrawn; until a result says so it stays commanded."""
        if run.command and self.status(run.command) in ("queued", "sent", "submitted"):
            self.driver.changes.withdrawn.append(run.command)
            self.say("withdraw_asked", command=run.command, place=run.place)

    def escalate(self, step: str, reason: str, place: str) -> None:
        """Call for people, once per reason."""
        case = self.case
        if reason in case.escalated:
            return
        case.escalated.append(reason)
        self.has_changed = True
        self.say("escalated", step=step, reason=reason, place=place)
        if self.plan.escalation is None:
            return
        connector, verb = self.plan.escalation
        args = {"coordination": case.id, "subject": case.subject, "step": step, "reason": reason, "place": place}
        self.emit(connector, verb, args, f"{step}!escalate:{reason}", step, 1, None)

    def say(self, event: str, **details: Any) -> None:  # noqa: ANN401 - JSON
        """Into the audit."""
        said = {"event": event, "coordination": self.case.id, "plan": self.case.plan, "subject": self.case.subject}
        self.driver.effects.events.append(said | details)

    def stop(self, why: str) -> None:
        """Value does not add up: nothing more is done for this coordination, and people are told."""
        if not self.case.is_stopped:
            self.case.is_stopped = True
            self.say("alarm", message=f"the ledger of {self.case.subject} does not add up: {why}")
            self.escalate("", "LEDGER", "")
            self.has_changed = True

    def where(self, step: StepCase) -> str:
        """The place where a step's value is now."""
        run = step.run
        if run.gets:
            return run.gets[0].place
        return run.via if run.gives else ""

    def key_text(self) -> str:
        """For items in the timeline."""
        return key_text(self.case.keys)
