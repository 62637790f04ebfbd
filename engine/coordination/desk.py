"""What a coordination may do: look at its conditions, send commands, call for people, say what happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.coordination.behind import facts_behind
from engine.coordination.case import Case, Run, StepCase
from engine.coordination.evaluate import Surroundings, evaluate, wire
from engine.coordination.ledger import Amount
from engine.coordination.outline import Outline
from engine.coordination.story import note
from engine.errors import EvaluationError
from engine.matching.fact import key_text
from engine.matching.group import Group, State
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
        outline: the plan as a graph.
        has_changed: whether anything was done since it was last set to False.
        deadlines: instants at which it must be looked at again.
    """

    def __init__(self, driver: Driver, case: Case, outline: Outline) -> None:
        self.driver = driver
        self.case = case
        self.outline = outline
        self.plan: Plan = outline.plan
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
    def group(self, place: str) -> Group | None:
        """A condition's group for this coordination; None while nothing satisfies it."""
        node = self.driver.sensor(self.case, place)
        group = None if node is None else node.groups.get(self.case.keys)
        return group if group is not None and group.members else None

    def holds(self, place: str) -> bool:
        """Whether a condition of the plan holds, its ``for`` included."""
        group = self.group(place)
        return group is not None and group.state is State.DONE and self._is_its_moment(group)

    def _is_its_moment(self, group: Group) -> bool:
        """What names an occurrence of a schedule holds in that instant (after its ``for``), and at no other."""
        node = group.node
        if not node.occurrences:
            return True
        began, is_current = self.now - node.rule.for_ms, self.driver.effects.is_current_occurrence
        return any(all(is_current(match, seat, began) for seat in node.occurrences) for match in group.members)

    def is_declared(self, place: str) -> bool:
        """Whether the plan has that condition at all."""
        return self.driver.sensor(self.case, place) is not None

    # -- values ------------------------------------------------------------------
    def around(self, step: str = "", *runs: Run | None, ledger: Callable[..., int] | None = None) -> Surroundings:
        """What the plan's values may read: ``for`` facts as last known, and what these runs have bound.

        Args:
            step: name of the step.
            runs: outer to inner; ``attempt`` is the last one's.
            ledger: reads another ledger than the coordination's own.
        """
        case = self.case
        bound = self.driver.copies.bound(case)
        aliases = {pattern.alias: each for pattern, each in zip(self.plan.patterns, bound, strict=True)}
        values: dict[str, Value] = {"coordination": case.id, "step": step, "attempt": 1}
        for run in runs:
            if run is not None:
                aliases.update(run.bound)
                values.update(run.values)
                values["attempt"] = max(run.attempt, 1)
        driver = self.driver
        read = ledger or case.ledger.read
        return Surroundings(self.now, aliases, values, read, driver.reservations.free, driver.is_disputed)

    def around_run(self, step: StepCase | None, run: Run, *, ledger: Callable[..., int] | None = None) -> Surroundings:
        """What a run's values may read: what its step bound, the small steps it stands in, and itself."""
        if step is None:
            return self.around("", run, ledger=ledger)
        outer = [step.run]
        for chain in (step.run, *step.undos.values()):
            inner = list(chain.with_small())
            if any(each is run for each in inner):
                outer += [each for each in inner if each is not step.run]
                outer = outer[: next(n for n, each in enumerate(outer) if each is run)]
        return self.around(step.name, *outer, run, ledger=ledger)

    @staticmethod
    def portions(portions: tuple[Portion, ...], around: Surroundings) -> list[Amount]:
        """What these come to.

        Raises:
            EvaluationError: one of them cannot be computed.
        """
        return [
            Amount(str(evaluate(p.asset, around)), int(evaluate(p.amount, around)), str(evaluate(p.place, around)))
            for p in portions
        ]

    # -- acting --------------------------------------------------------------------
    def command(self, step: str, run: Run, effect: CommandEffect, around: Surroundings) -> bool:
        """Send the command of an action; False (and nothing done) if its values cannot be computed."""
        attempt = run.attempt + 1
        around.locals = {**around.locals, "attempt": attempt}
        try:
            args = {name: wire(value, around) for name, value in effect.args}
            expires = None if effect.expires is None else evaluate(effect.expires, around)
        except EvaluationError as error:
            self.fault(run, f"{run.place}.with", error)
            return False
        command = self.emit(effect.connector, effect.verb, args, run.place, step, attempt, expires)
        run.begin_attempt(command, self.now)
        group = self.group(f"{run.place}.failed")
        run.stale = [] if group is None else sorted(match.text for match in group.members)
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
            "step": step,
            "place": place,
            "group": self.case.keys,
            "match": self.case.keys,
            "facts": facts_behind(self.driver, self.case, step),
            "bindings": {},
            "commands": [],
            "asserts": [],
            "retracts": [],
            "concludes": [],
        }
        effects.events.append(said)
        effects.make_command(identity, connector, verb, args, rule, attempt, expires, said, self.case.id, step)
        details = {
            "command": identity,
            "sends": f"{connector}.{verb}",
            "step": step,
            "place": place,
            "attempt": attempt,
        }
        note(self.case, self.now, firing.cause, "commanded", details)
        return identity

    def status(self, command: str) -> str:
        """What is known of a command."""
        memory = self.driver.base.memories["command"]
        fact = memory.facts.get((command,))
        return "" if fact is None else str(fact.values[memory.kind.positions["status"]])

    def withdraw(self, run: Run) -> bool:
        """Ask for a command that nobody has taken yet to be withdrawn; until a result says so it stays commanded."""
        if not run.command or self.status(run.command) != "queued":
            return False
        if run.asked != run.command:
            run.asked = run.command
            self.has_changed = True
            self.driver.changes.withdrawn.append(run.command)
            self.say("withdraw_asked", command=run.command, place=run.place)
        return True

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

    # -- saying --------------------------------------------------------------------
    def say(self, event: str, **details: Any) -> None:  # noqa: ANN401 - JSON
        """Into the audit, and into what the coordination keeps of its course."""
        self.driver.tell(self.case, event, details)

    def fault(self, run: Run, place: str, error: EvaluationError) -> None:
        """A value cannot be computed; said once."""
        name = f"{place}:{error.code}"
        if name not in run.faults:
            run.faults.append(name)
            self.has_changed = True
            self.say("dropped", place=place, code=error.code, message=error.message)

    def stop(self, why: str) -> None:
        """Something cannot be right: nothing more is done for this coordination, and people are told."""
        if not self.case.is_stopped:
            self.case.is_stopped = True
            self.say("alarm", message=f"coordination {self.case.plan} {self.case.subject} is stopped: {why}")
            self.escalate("", "LEDGER", "")
            self.has_changed = True

    def where(self, step: StepCase) -> str:
        """The place where a step's value is now; of one that moved nothing, where what it would move lies."""
        run = step.run
        for undo in (undo for undo in step.undos.values() if undo.has_left and run.has_moved):
            if not undo.has_arrived:
                return undo.via
            home = undo.gets or run.gives or run.owes
            return home[0].place if home else undo.via
        if run.has_arrived and run.gets:
            return run.gets[0].place
        return run.via if run.has_moved else self._where_before(step)

    def _where_before(self, step: StepCase) -> str:
        """Where that is which the steps before it brought, or the plan; empty if nothing of it is there any more."""
        before = [self.case.steps[name].run for name in self.outline.earlier[step.name]]
        brought = [amount for run in before if run.has_arrived for amount in run.gets or []]
        if not self.plan.by_name[step.name].after:
            brought = self.case.brings
        ledger = self.case.ledger
        return next((a.place for a in brought if ledger.read("holding", a.place, a.asset)), "")

    def key_text(self) -> str:
        """For items in the timeline."""
        return key_text(self.case.keys)
