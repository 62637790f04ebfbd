"""Why a step of a plan is not commanded: where its coordination stands, what it waits for, and its terms judged."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.coordination.case import LOST, Case, StepCase
from engine.coordination.desk import Desk
from engine.coordination.driver import Driver
from engine.coordination.machine import Machine
from engine.coordination.shown import shown_state
from engine.insight.why.candidates import asked_facts
from engine.insight.why.names import Asked
from engine.insight.why.reading import Scene, named
from engine.insight.why.rules import SHOWN, Question, candidates_of, paused, why_not_rule
from engine.insight.why.views import Candidate, Hold
from engine.matching.engine import Engine
from engine.matching.fact import Fact, Key
from engine.model.ids import coordination_id
from engine.model.plans import Plan, Step
from engine.model.rules import Pattern

#: What may hold a condition back, as it does a rule; all else is about firing.
_OF_CONDITIONS: Final = frozenset({"for", "missing", "window", "error"})


@dataclass(frozen=True, slots=True)
class Standing:
    """What an engine and its operators know."""

    engine: Engine
    now: int
    paused: Collection[str]


def why_not_step(standing: Standing, asked: Asked, words: Sequence[str]) -> tuple[list[Candidate], int]:
    """For each coordination asked about, newest first; for a plan alone, why none has begun.

    Args:
        standing: what is known.
        asked: a plan, or a step of one.
        words: ``alias=key`` of its ``for`` facts, or of those that its ``when`` reads.

    Raises:
        AskedError: U160 to U162, see ``asked_facts``.
    """
    plan, step = asked.plan, asked.step
    assert plan is not None  # noqa: S101 - the caller has looked
    engine = standing.engine
    patterns = (*plan.patterns, *(_patterns_of(step) if step is not None else ()))
    facts, keys = asked_facts(words, patterns, engine)
    cases = _cases(engine, plan, keys)
    own = [word for word in words if word.partition("=")[0] in {p.alias for p in plan.patterns}]
    if not cases:
        return _not_begun(standing, plan, own, keys)
    if step is None:
        return [_begun(engine, case) for case in cases[:SHOWN]], max(len(cases) - SHOWN, 0)
    found = [_Look(standing, case, step.name).candidate(facts, keys) for case in cases[:SHOWN]]
    return found, max(len(cases) - SHOWN, 0)


def _patterns_of(step: Step) -> tuple[Pattern, ...]:
    return () if step.when is None else tuple(term for term in step.when.terms if isinstance(term, Pattern))


def _cases(engine: Engine, plan: Plan, keys: Mapping[str, Key]) -> list[Case]:
    """Those of the plan whose ``for`` facts are the ones named: open ones first, then by when they began."""
    driver = engine.driver
    if not isinstance(driver, Driver):
        return []
    wanted = [keys.get(pattern.alias) for pattern in plan.patterns]
    found = [
        case
        for case in driver.cases.values()
        # One that began under an earlier revision may have been for other facts.
        if case.plan == plan.name
        and len(wanted) == len(case.keys)
        and all(w in (None, tuple(key)) for w, key in zip(wanted, case.keys, strict=True))
    ]
    return sorted(found, key=lambda case: (not case.is_open, -case.started_at, case.id))


# -- no coordination ------------------------------------------------------------------------
def _not_begun(
    standing: Standing, plan: Plan, own: Sequence[str], keys: Mapping[str, Key]
) -> tuple[list[Candidate], int]:
    engine = standing.engine
    named_keys = [keys.get(pattern.alias) for pattern in plan.patterns]
    driver = engine.driver
    if isinstance(driver, Driver) and all(key is not None for key in named_keys):
        identity = coordination_id(plan.name, tuple(named_keys))
        until = driver.shelf.ended.get(identity)
        if until is not None:
            text = f"its coordination has ended, and starts nothing again; see `lockstep coordinations {identity}`"
            return [Candidate({}, (), False, (), None, (Hold("ended", text, until=until),))], 0
    question = Question(engine, engine.nodes[f"{plan.name}#for"], Scene.of(engine, {}), standing.paused)
    found, more = why_not_rule(question, own)
    hold = Hold("not_begun", "no coordination has begun for that")
    return [replace(each, held_back=(hold, *each.held_back)) for each in found], more


def _begun(engine: Engine, case: Case) -> Candidate:
    ended = f"and ended {case.verdict}" if not case.is_open else "and is open"
    hold = Hold("begun", f"its coordination began {ended}", case.started_at)
    return Candidate({}, (), True, (), None, (hold,), _told(case))


def _told(case: Case) -> dict[str, str]:
    return {"id": case.id, "subject": case.subject, "state": "open" if case.is_open else f"ended {case.verdict}"}


# -- one coordination ---------------------------------------------------------------------
class _Look:
    """One coordination's step, seen through the parts that decide about it."""

    def __init__(self, standing: Standing, case: Case, name: str) -> None:
        driver = standing.engine.driver
        assert isinstance(driver, Driver)  # noqa: S101 - there is a coordination
        self.driver = driver
        self.standing = standing
        self.case = case
        self.machine = Machine(Desk(driver, case, driver.outline_of(case)))
        self.desk = self.machine.desk
        self.step: StepCase | None = case.steps.get(name)
        self.name = name

    def candidate(self, facts: Mapping[str, Fact | None], keys: Mapping[str, Key]) -> Candidate:
        """What the step waits for: its state first, then the terms of its ``when``."""
        step = self.step
        if step is None:
            hold = Hold("dropped", f"the coordination began under revision {self.case.revision}, without that step")
            return Candidate({}, (), False, (), None, (hold,), _told(self.case))
        held = [*self._settled(step)]
        if held:
            if self.desk.status(step.run.command) == "queued":
                held += self._paused()
            return Candidate(self._facts(), (), False, (), None, tuple(held), _told(self.case))
        held = [*self._waits(step)]
        found = self._when(facts, keys)
        if found is not None and not found.holds:
            return replace(found, held_back=(*held, *found.held_back), coordination=_told(self.case))
        held += () if found is None else found.held_back
        held += self._after_when(step)
        held += self._paused()
        terms = () if found is None else found.terms
        named_facts = self._facts() if found is None else found.facts
        return Candidate(named_facts, (), not held, terms, None, tuple(held), _told(self.case))

    def _facts(self) -> dict[str, str]:
        found = {}
        for pattern, copy in zip(self.desk.plan.patterns, self.driver.copies.of(self.case), strict=True):
            found[pattern.alias] = named(copy)
        return found

    # -- what is settled already -----------------------------------------------------
    def _settled(self, step: StepCase) -> Iterator[Hold]:
        case, run = self.case, step.run
        if case.is_stopped:
            yield Hold("stopped", "the coordination is stopped: something in it cannot be right")
        elif not case.is_open:
            reason = f" ({case.verdict_reason})" if case.verdict_reason else ""
            yield Hold("ended", f"the coordination ended {case.verdict}{reason}", case.ended_at)
        elif step.is_accepted:
            yield Hold("accepted", "its value was accepted where it is", step.since)
        elif step.is_dropped:
            others = self.desk.outline.partners[step.name]
            taken = [n for n in others if case.steps[n].run.status != "idle"]
            if taken:
                yield Hold("instead_of", f"{', '.join(taken)} was commanded instead", case.steps[taken[0]].run.first_at)
            else:
                yield Hold("dropped", "it is not needed any more")
        elif run.status == "confirmed":
            yield Hold("confirmed", "it is confirmed", run.confirmed_at)
        elif run.status not in ("idle", *LOST):
            told = f"command {run.command} is {self.desk.status(run.command) or 'no longer known'}"
            yield Hold("commanded", f"it is {shown_state(step)}: {told}", run.last_at)
        elif case.is_unwinding:
            yield Hold("unwinding", f"what moved is being taken back: {case.reason or case.unmet or case.fallback}")
        elif self.desk.plan.by_name[step.name].action.command is None:
            yield Hold("evidence", "it has no command: it waits for its evidence", step.ready_at)

    # -- what it waits for ---------------------------------------------------------------
    def _waits(self, step: StepCase) -> Iterator[Hold]:
        case, now = self.case, self.standing.now
        for name in self.desk.plan.by_name[step.name].after:
            if not self.machine.forward.is_done(name):
                other = case.steps[name]
                yield Hold("after", f"it comes after {name}, which is {shown_state(other)}", other.since)
        if case.deadline is not None and now > case.deadline:
            yield Hold("deadline", "the deadline has passed", case.deadline)
        if case.first_command_at is None and case.start_before is not None and now >= case.start_before:
            yield Hold("start", "the first command had to come before that", case.start_before)
        gone = [named(copy) for copy in self.driver.copies.gone(case)]
        if gone and self.machine.forward.waits_for_subject():
            yield Hold("gone", f"{', '.join(gone)} is gone, and what has not begun waits until it is back")
        if case.decreed is not None:
            yield Hold("ended", f"an alternative decided the verdict: {case.decreed[0]}")
        if step.run.way.active is not None:
            yield Hold("way_off", f"an alternative for '{step.run.way.active[0]}' is being done")
        yield from self._retry(step)

    def _retry(self, step: StepCase) -> Iterator[Hold]:
        run = step.run
        if run.status not in LOST or run.wants_retry:
            return
        waits = self.desk.plan.by_name[step.name].action.waits_ms
        if run.is_timed_out or run.retried >= len(waits):
            why = "'within' has passed" if run.is_timed_out else f"{run.attempt} attempts were made"
            yield Hold("retry", f"it {run.status}, and is not tried again: {why}", run.known_at)
        elif run.known_at is not None and self.standing.now < run.known_at + waits[run.retried]:
            until = run.known_at + waits[run.retried]
            yield Hold("retry", f"it {run.status}; the next attempt waits", run.known_at, until)

    # -- its terms ---------------------------------------------------------------------
    def _when(self, facts: Mapping[str, Fact | None], keys: Mapping[str, Key]) -> Candidate | None:
        """The terms of its ``when`` for this coordination; None: it has none."""
        node = self.driver.sensor(self.case, f"{self.name}.when")
        if node is None:
            return None
        width = len(self.desk.plan.patterns)
        aliases = {pattern.alias for pattern in node.rule.patterns}
        asked = {alias: fact for alias, fact in facts.items() if alias in aliases}
        all_keys = dict(keys)
        for pattern, copy in zip(self.desk.plan.patterns, self.driver.copies.of(self.case), strict=True):
            asked[pattern.alias] = copy
            all_keys[pattern.alias] = copy.key
        given: dict[str, Any] = {"coordination": self.case.id, "step": self.name, "attempt": 1}
        scene = Scene.of(self.standing.engine, given, self.case.ledger.read)
        question = Question(self.standing.engine, node, scene, (), width)
        (found, *_), _more = candidates_of(question, asked, all_keys)
        held = tuple(hold for hold in found.held_back if hold.why in _OF_CONDITIONS)
        return replace(found, held_back=held)

    # -- when its terms hold --------------------------------------------------------------
    def _after_when(self, step: StepCase) -> Iterator[Hold]:
        declared = self.desk.plan.by_name[step.name]
        when = declared.when
        if when is not None and not when.terms and step.ready_at is not None:
            until = step.ready_at + when.for_ms
            if self.standing.now < until:
                yield Hold("for", "it pauses that long after it is ready", step.ready_at, until)

    def _paused(self) -> Iterator[Hold]:
        """What is decided is sent only when it goes on."""
        command = self.desk.plan.by_name[self.name].action.command
        connector = "" if command is None else command.connector
        rule = f"{self.case.plan}.{self.name}"
        parts = rule.split(".")
        plans = [f"plan:{'.'.join(parts[:count])}" for count in range(1, len(parts) + 1)]
        for name in (*plans, f"rule:{rule}", f"connector:{connector}"):
            if name in self.standing.paused:
                yield paused(name)
