"""Off the good path: which alternative is taken, and what it does, stage by stage. One way for all courses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.coordination.accepting import Accepting
from engine.coordination.case import LOST, STAGES, Run
from engine.coordination.course import (
    FORWARD_CAUSES,
    RELATION,
    STEP,
    UNDO,
    Causes,
    Course,
    Option,
    small_course,
)
from engine.coordination.desk import Desk
from engine.coordination.evidence import Evidence
from engine.coordination.forward import Forward
from engine.coordination.outline import breach_verdict
from engine.coordination.progress import Progress
from engine.coordination.unwinding import Unwinding
from engine.model.plans import Action

#: What became of a stage.
_DONE: Final = "done"
_WAITS: Final = "waits"
_BROKEN: Final = "broken"


class WaysOff:
    """Takes alternatives for one coordination."""

    def __init__(
        self,
        desk: Desk,
        progress: Progress,
        forward: Forward,
        evidence: Evidence,
        causes: Causes,
        unwinding: Unwinding,
        accepting: Accepting,
    ) -> None:
        self.desk = desk
        self.case = desk.case
        self.progress = progress
        self.forward = forward
        self.evidence = evidence
        self.causes = causes
        self.unwinding = unwinding
        self.accepting = accepting

    def look(self, course: Course) -> None:
        """Go on with what is being done, or see whether something must be."""
        if course.way.active is not None:
            self._count(course)
            self._go_on(course)
            return
        cause = self.note_cause(course)
        if cause:
            self._choose(course, cause)

    def note_cause(self, course: Course) -> str:
        """Why the course does not go on; what counted for another cause counts no longer."""
        way = course.way
        cause = self.causes.cause_of(course)
        if cause != way.cause:
            way.cause, way.counting = cause, {}
            self.desk.has_changed = True
        return cause

    def _count(self, course: Course) -> None:
        """While one alternative is being done, what the others count goes on, or begins anew after a gap."""
        cause = self.note_cause(course)
        if not cause:
            return
        for option in self.causes.options(course, cause):
            if option.name in course.way.taken:
                continue
            if self._may(course, option):
                course.way.counting.setdefault(option.name, self.desk.now)
            else:
                course.way.counting.pop(option.name, None)

    # -- choosing ----------------------------------------------------------------
    def _choose(self, course: Course, cause: str) -> None:
        """Take the first that may be taken; each is taken once."""
        way = course.way
        for option in self.causes.options(course, cause):
            if option.name in way.taken:
                continue
            if not self._may(course, option):
                way.counting.pop(option.name, None)
                continue
            since = way.counting.setdefault(option.name, self.desk.now)
            if not self.desk.later(since + option.alternative.for_ms):
                continue
            self._take(course, cause, option)
            return

    def _take(self, course: Course, cause: str, option: Option) -> None:
        way = course.way
        way.counting.pop(option.name, None)
        way.taken.append(option.name)
        way.active = (cause, option.name, 0)
        self.desk.has_changed = True
        reason, does = option.alternative.reason, list(_does(option))
        missing = sorted(self._missing(course)) if cause == "blocked" else []
        self.desk.say(
            "way_off", step=course.name, place=course.place, off_path=cause, reason=reason, does=does, missing=missing
        )
        self._go_on(course)

    def _may(self, course: Course, option: Option) -> bool:
        alternative = option.alternative
        if alternative.when is not None and not self.desk.holds(f"{option.place}.when"):
            return False
        if alternative.missing is not None and set(alternative.missing) != self._missing(course):
            return False
        run = course.run
        if option.needs_proof and (run is None or not self.progress.is_without_effect(run)):
            return False
        if alternative.retry:
            is_free = run is not None and self.progress.is_without_effect(run)
            return is_free and (self.forward.may_go_forward() or not (course.is_forward or course.kind == STEP))
        is_sending = alternative.action is not None and alternative.action.command is not None
        return not is_sending or self._may_send(course, course.way.cause)

    def _may_send(self, course: Course, cause: str) -> bool:
        """What serves to go forward is commanded as long as anything forward is; what serves to go back, always."""
        is_forward = course.is_forward or (course.kind == STEP and cause in FORWARD_CAUSES)
        return not is_forward or self.forward.may_go_forward()

    def _missing(self, course: Course) -> set[str]:
        """Reasons of the terms of the step's ``when`` that do not hold; a term without one counts as ``""``."""
        return set() if course.step is None else {reason or "" for reason in self.forward.unmet(course.step)}

    # -- doing -------------------------------------------------------------------
    def _go_on(self, course: Course) -> None:
        """Do what the alternative names, stage by stage; some stages wait."""
        way = course.way
        while way.active is not None:
            cause, name, stage = way.active
            option = self.causes.option(course, cause, name)
            if option is None or stage >= len(STAGES):
                self._finish(course)
                return
            if self._is_overtaken(course, cause, option):
                small = way.small
                if small is not None and self.evidence.shows_confirmed(small, self.progress.action_of(small)):
                    self._give_reason(option)
                self._finish(course)
                return
            result = self._stage(course, cause, option, STAGES[stage])
            if result == _WAITS:
                return
            if result == _BROKEN:
                self._finish(course)
                return
            way.active = (cause, name, stage + 1)

    def _is_overtaken(self, course: Course, cause: str, option: Option) -> bool:
        """Its own evidence has come, or the plan goes back: then there is nothing left to do about the cause."""
        run = course.run
        if run is not None and run.status == "confirmed" and cause != "late":
            return True
        is_over = self.case.is_unwinding and course.kind == STEP and cause in FORWARD_CAUSES
        # After the deadline, or before any command once it is too late for one, nothing is blocked any more.
        is_over = is_over or (cause == "blocked" and not self.forward.may_go_forward())
        return is_over and not option.alternative.undo and course.way.small is None

    def _finish(self, course: Course) -> None:
        way = course.way
        if way.small is not None:
            self._put_aside(course, way.small)
        way.active = way.hold_until = None
        self.desk.has_changed = True

    def _put_aside(self, course: Course, small: Run) -> None:
        """A small step is over; what it moved, or may yet move, stays in the books."""
        past = self.case.past if course.step is None else course.step.past
        for run in small.with_small():
            self.desk.withdraw(run)
            if run.commands or run.has_left:
                past.append(run)
        for run in past:
            run.way.small = None
        course.way.small = None

    def _stage(self, course: Course, cause: str, option: Option, stage: str) -> str:
        desk, alternative = self.desk, option.alternative
        match stage:
            case "retry" if alternative.retry:
                self._ask_for_retry(course)
            case "undo" if alternative.undo:
                self._give_reason(option)
                self._undo(course, cause, option)
            case "hold" if alternative.hold_ms:
                if course.way.hold_until is None:
                    course.way.hold_until = desk.now + alternative.hold_ms
                    desk.has_changed = True
                return _DONE if desk.later(course.way.hold_until) else _WAITS
            case "action" if alternative.action is not None:
                return self._small_step(course, cause, option, alternative.action)
            case "accept" if alternative.accept:
                self._give_reason(option)
                self.case.unmet = self.case.unmet or self._unmet(course, cause)
                self.accepting.accept(course, cause)
            case "escalate" if alternative.escalate:
                place = "" if course.step is None else desk.where(course.step)
                desk.escalate(course.name, alternative.reason or self._missing_first(course, cause), place)
            case "end" if alternative.end is not None:
                if alternative.undo and not self.unwinding.is_over():
                    return _WAITS
                self._give_reason(option)
                self.case.decreed = (
                    alternative.end,
                    self.case.reason or self.case.unmet or self._missing_first(course, cause),
                )
                desk.has_changed = True
        return _DONE

    def _give_reason(self, option: Option) -> None:
        """What decides gives the verdict its reason."""
        self.case.reason = option.alternative.reason or self.case.reason

    def _unmet(self, course: Course, cause: str) -> str:
        """Reason of the first term that blocks the course's step; empty if none has one."""
        if cause != "blocked" or course.step is None:
            return ""
        return next((reason for reason in self.forward.unmet(course.step) if reason), "")

    def _missing_first(self, course: Course, cause: str) -> str:
        """Of what is blocked the first term that does not hold says why, else the cause itself."""
        return self._unmet(course, cause) or self.reason_of(course, cause)

    def reason_of(self, course: Course, cause: str) -> str:
        """The engine's own word for it."""
        if course.kind != RELATION or self.case.breach is None:
            return cause.upper()
        return breach_verdict(self.desk.plan.relations[self.case.breach])

    def _ask_for_retry(self, course: Course) -> None:
        run = course.run
        assert run is not None  # noqa: S101 - `_may` has looked
        if run.status not in LOST:
            self.progress.lose(course.step, run, "failed")
        run.wants_retry = True
        self.desk.has_changed = True

    def _undo(self, course: Course, cause: str, option: Option) -> None:
        step, run = course.step, course.run
        if course.kind == UNDO:
            return
        # What is proven never to have left is not sent back.
        if course.kind == STEP and run is not None and run.status not in LOST and self.progress.is_without_effect(run):
            self.progress.lose(step, run, "failed")
        self.unwinding.begin(self.reason_of(course, cause), self._unmet(course, cause), step)
        # What goes back is commanded before people are called, as the stages stand.
        self.unwinding.look()

    # -- small steps ---------------------------------------------------------------
    def _small_step(self, course: Course, cause: str, option: Option, action: Action) -> str:
        """Carry out a small step; broken if it comes to nothing."""
        way = course.way
        if way.small is None:
            way.small = Run(option.place)
            self.desk.has_changed = True
            if option.alternative.when is not None:
                self.evidence.bind(f"{option.place}.when", way.small)
            if action.command is None:
                way.small.first_at = way.small.within_from = self.desk.now
        small = way.small
        inner = small_course(course, cause, small)
        if not self._send_small(inner, small, action):
            return _BROKEN
        self.progress.observe(course.step, small)
        if small.status == "confirmed":
            self._give_reason(option)
            self._put_aside(course, small)
            return _DONE
        self.look(inner)
        if way.small is small and self.causes.is_exhausted(inner):
            return _BROKEN
        return _WAITS

    def _send_small(self, inner: Course, small: Run, action: Action) -> bool:
        """Command a small step, again if it is to be tried again; False if it cannot be."""
        is_first = small.status == "idle" and not small.commands
        if action.command is None or not (is_first or self.progress.is_retry_due(small)):
            return True
        if inner.is_forward and not self.forward.may_go_forward():
            small.wants_retry = False
            return not is_first
        around = self.desk.around_run(inner.step, small)
        return self.desk.command(inner.name, small, action.command, around) or not is_first


def _does(option: Option) -> Iterator[str]:
    """What an alternative names, in the order in which it is done."""
    alternative = option.alternative
    command = alternative.action.command if alternative.action is not None else None
    waits = "wait for evidence" if command is None else f"command {command.connector}.{command.verb}"
    named = {
        "retry": alternative.retry,
        "undo": alternative.undo,
        f"hold {alternative.hold_ms} ms": alternative.hold_ms,
        waits: alternative.action,
        "accept": alternative.accept,
        "escalate": alternative.escalate,
        f"end {alternative.end}": alternative.end,
    }
    return (name for name, is_named in named.items() if is_named)
