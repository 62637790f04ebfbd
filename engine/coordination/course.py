"""Whatever may leave the good path, seen alike: a step's own action, an entry of its undo, a small step, a relation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.coordination.case import LOST, Case, Run, StepCase, Way
from engine.coordination.forward import Forward
from engine.coordination.outline import BREACH, relation_place, way_place
from engine.coordination.progress import Progress
from engine.model.plans import Alternative, Plan
from engine.model.rules import Span

STEP: Final = "step"
UNDO: Final = "undo"
SMALL: Final = "small"
RELATION: Final = "relation"

#: Causes that only matter while the plan goes forward: when it is being unwound, nothing is left to decide about them.
FORWARD_CAUSES: Final = frozenset({"blocked", "failed", "refused"})


@dataclass(frozen=True, slots=True)
class Course:
    """One thing that may leave the good path.

    Attributes:
        kind: STEP, UNDO, SMALL or RELATION.
        place: see ``outline``.
        way: what is remembered of its alternatives.
        step: whose it is; None: a relation's.
        run: the action; None: the relation itself.
        is_forward: it only makes sense while the plan goes forward.
    """

    kind: str
    place: str
    way: Way
    step: StepCase | None = None
    run: Run | None = None
    is_forward: bool = False

    @property
    def name(self) -> str:
        """Of the step; empty for a relation."""
        return "" if self.step is None else self.step.name


@dataclass(frozen=True, slots=True)
class Option:
    """An alternative that may be taken.

    Attributes:
        name: under which it is remembered.
        place: where its conditions stand; empty for a default.
        needs_proof: only if it is proven that nothing left.
    """

    name: str
    alternative: Alternative
    place: str = ""
    needs_proof: bool = False

    @property
    def only_calls(self) -> bool:
        """It does nothing but escalate, which ends no waiting."""
        a = self.alternative
        return not (a.retry or a.undo or a.hold_ms or a.action is not None or a.accept or a.end is not None)


def step_course(step: StepCase) -> Course:
    """Of a step's own action; small steps are looked at from within."""
    return Course(STEP, step.name, step.run.way, step, step.run)


def undo_course(step: StepCase, run: Run) -> Course:
    """Of the entry of ``undo`` being carried out."""
    return Course(UNDO, run.place, run.way, step, run)


def small_course(outer: Course, cause: str, run: Run) -> Course:
    """Of a small step that is taken for a cause of another course."""
    is_forward = outer.is_forward or (outer.kind == STEP and cause in FORWARD_CAUSES)
    return Course(SMALL, run.place, run.way, outer.step, run, is_forward)


def relation_course(case: Case) -> Course | None:
    """Of the relation that was broken, if any."""
    return None if case.breach is None else Course(RELATION, relation_place(case.breach), case.breach_way)


class Causes:
    """Why a course does not go on, and what may be done about it."""

    def __init__(self, case: Case, plan: Plan, progress: Progress, forward: Forward) -> None:
        self.case = case
        self.plan = plan
        self.progress = progress
        self.forward = forward

    def cause_of(self, course: Course) -> str:
        """Empty if it does go on, or has."""
        if course.run is None:
            return BREACH
        step = course.step
        if course.kind == STEP and step is not None:
            return self._of_step(step)
        may_retry = self.progress.has_retry_left(course.run)
        if course.is_forward and not self.forward.may_go_forward():
            may_retry = False
        return _cause_of_run(course.run, may_retry=may_retry)

    def _of_step(self, step: StepCase) -> str:
        run = step.run
        if step.is_dropped or step.is_accepted or step.undo_state in ("undone", "stuck"):
            return ""
        if run.status == "confirmed":
            return "late" if run.is_late and not run.is_surplus else ""
        if step.is_undoing and run.status != "unconfirmed":
            return ""
        cause = _cause_of_run(run, may_retry=self.forward.may_try_again(step))
        if cause in LOST and self.case.is_unwinding:
            return ""
        if cause in ("", "timeout") and run.status in ("idle", *LOST):
            if self.case.is_unwinding:
                return ""
            return "blocked" if self.forward.is_blocked(step) else cause
        return cause

    # -- alternatives ----------------------------------------------------------------
    def options(self, course: Course, cause: str) -> list[Option]:
        """Those declared for the cause, else its default."""
        declared = self._declared(course, cause)
        if declared is not None:
            places = [way_place(course.place, cause, index) for index in range(len(declared))]
            return [Option(f"{cause}:{n}", each, places[n]) for n, each in enumerate(declared)]
        span = self.plan.span
        undo, escalate = Alternative(span, undo=True), Alternative(span, escalate=True)
        match cause:
            case "timeout" if course.kind == STEP:
                return [Option("timeout:unused", undo, "", needs_proof=True), Option("timeout:escalate", escalate)]
            case "timeout" if course.kind == SMALL and not self.is_harmless(course):
                return [Option("timeout:escalate", escalate)]
            case "unconfirmed":
                return self._patient(course, span)
            case "late":
                is_undoing = course.step is not None and course.step.is_undoing
                return [Option("late:undo", undo) if is_undoing else Option("late:escalate", escalate)]
            case "breach":
                return [Option("breach:undo", undo)]
            case "failed" | "refused" if course.kind == STEP:
                return [Option(f"{cause}:undo", undo)]
            case _:
                return []

    def _declared(self, course: Course, cause: str) -> tuple[Alternative, ...] | None:
        if course.run is None:
            return None if self.case.breach is None else self.plan.relations[self.case.breach].otherwise
        return self.progress.action_of(course.run).alternatives(cause)

    def option(self, course: Course, cause: str, name: str) -> Option | None:
        """The one of that name; None if there is none any more."""
        return next((option for option in self.options(course, cause) if option.name == name), None)

    def is_exhausted(self, course: Course) -> bool:
        """Everything there was to do about a cause has been done, and it remains."""
        way = course.way
        if way.active is not None or way.cause not in ("failed", "refused", "timeout"):
            return False
        options = self.options(course, way.cause)
        if any(option.name not in way.taken for option in options):
            return False
        if way.cause != "timeout" or course.kind != SMALL:
            return True
        return self.is_harmless(course) or not all(option.only_calls for option in options)

    def _patient(self, course: Course, span: Span) -> list[Option]:
        """People are called after another ``within``; what has none is bounded by the plan's deadline."""
        within_ms = None if course.run is None else self.progress.action_of(course.run).within_ms
        if within_ms is None and not self.case.is_past_deadline:
            return []
        return [Option("unconfirmed:escalate", Alternative(span, for_ms=within_ms or 0, escalate=True))]

    def is_harmless(self, course: Course) -> bool:
        """A small step that moves nothing, or is known to have moved nothing, may be given up without asking."""
        run = course.run
        if run is None:
            return True
        return self.progress.action_of(run).moves is None or self.progress.is_without_effect(run)


def _cause_of_run(run: Run, *, may_retry: bool) -> str:
    match run.status:
        case "confirmed":
            return ""
        case "unconfirmed":
            return "unconfirmed"
        case "failed" | "refused":
            return "" if may_retry else run.status
    if run.is_timed_out:
        return "timeout"
    return "unknown" if run.status == "unknown" else ""
