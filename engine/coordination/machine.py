"""One look at one coordination: everything that follows from what is known now, to the fixpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine import limits
from engine.coordination.accepting import Accepting
from engine.coordination.books import Books
from engine.coordination.bounds import read_bounds, remember_facts
from engine.coordination.cancelling import Cancelling
from engine.coordination.case import FactName, StepCase
from engine.coordination.course import FORWARD_CAUSES, Causes, relation_course, step_course, undo_course
from engine.coordination.desk import Desk
from engine.coordination.evidence import Evidence
from engine.coordination.forward import Forward
from engine.coordination.judgement import Judgement
from engine.coordination.ledger import Ledger
from engine.coordination.progress import Progress
from engine.coordination.relations import Relations
from engine.coordination.unwinding import Unwinding
from engine.coordination.ways_off import WaysOff
from engine.errors import EvaluationError

#: Rounds of one look; each does something that is done once, so more means a fault.
_MOST_ROUNDS: Final = 10_000
#: In flight, when a deadline passes.
_UNDER_WAY: Final = ("commanded", "submitted", "seen", "unknown")


class Machine:
    """Made for one look and thrown away.

    Attributes:
        changes: names of the parts that did something, for alarms.
        is_over: the coordination ended so long ago that it may leave working memory.
        is_ahead: the ledger is another than conditions know; they must be judged before this goes on.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.case = desk.case
        self.books = Books(desk)
        self.evidence = Evidence(desk)
        self.progress = Progress(desk, self.books, self.evidence)
        self.forward = Forward(desk, self.progress, self.evidence)
        self.unwinding = Unwinding(desk, self.progress, self.evidence)
        self.causes = Causes(desk.case, desk.plan, self.progress, self.forward)
        accepting = Accepting(desk, self.books)
        self.ways_off = WaysOff(
            desk, self.progress, self.forward, self.evidence, self.causes, self.unwinding, accepting
        )
        self.relations = Relations(desk)
        self.cancelling = Cancelling(desk, self.unwinding)
        self.judgement = Judgement(desk, self.progress, self.forward, self.unwinding)
        self.changes: list[str] = []
        self.is_over = False
        self.is_ahead = False

    def advance(self, gone: set[FactName]) -> None:
        """Look until nothing changes.

        Args:
            gone: facts that left memory with their blocks in this step.
        """
        case = self.case
        ledger, recorded = case.ledger, (case.ended_at, case.recorded_at, case.verdict_reason)
        if remember_facts(self.desk):
            self._move_bounds()
        if gone:
            self._reorganised(gone)
            self.judgement.withdraw()
        self._look_until_quiet(ledger)
        is_told = recorded != (case.ended_at, case.recorded_at, case.verdict_reason)
        if case.ledger.balances != ledger.balances and not is_told:
            self.judgement.note_ledger()

    def _move_bounds(self) -> None:
        """What the coordination is for says something else now, perhaps also of when it is to end."""
        try:
            read_bounds(self.desk)
        except EvaluationError as error:
            self.desk.say("dropped", place="deadline", code=error.code, message=error.message)

    def _look_until_quiet(self, ledger: Ledger) -> None:
        """Look until nothing changes, or until conditions that read the ledger must be judged before going on.

        Args:
            ledger: as it was when the conditions were judged.
        """
        case, desk = self.case, self.desk
        reads_ledger = desk.driver.sensing.reads_ledger(desk.plan.name)
        parts = self._parts()
        for _ in range(_MOST_ROUNDS):
            desk.has_changed = False
            desk.deadlines = []
            for name, look in parts:
                if reads_ledger and case.is_open and not case.is_stopped and case.ledger is not ledger:
                    self.is_ahead = True
                    return
                before, desk.has_changed = desk.has_changed, False
                look()
                if desk.has_changed:
                    self.changes.append(name)
                desk.has_changed = desk.has_changed or before
            if not desk.has_changed:
                return
        desk.stop(f"it does not come to rest: {', '.join(self.changes[-6:])}")

    def _parts(self) -> tuple[tuple[str, Callable[[], None]], ...]:
        return (
            ("cancel", self.cancelling.look),
            ("deadline", self._deadline),
            ("steps", self._steps),
            ("relations", self.relations.look),
            ("ways off", self._ways_off),
            ("achieved", self.judgement.look_achieved),
            ("ways off forward", self._forward_ways_off),
            ("unwinding", self.unwinding.look),
            ("judgement", self._judge),
        )

    def _reorganised(self, gone: set[FactName]) -> None:
        """Under a final verdict only what came after it goes back with its evidence: it does not rest on that."""
        is_final = not self.case.is_open and not self.case.is_provisional
        for step in self.case.steps.values():
            for run in step.runs():
                if not is_final or run.is_after_end:
                    self.progress.reorganised(step, run, gone)
        for run in self.case.past:
            if not is_final:
                self.progress.reorganised(None, run, gone)

    # -- parts -------------------------------------------------------------------
    def _steps(self) -> None:
        case = self.case
        if case.is_stopped:
            # What it has set aside is not lost to the others.
            for step in case.steps.values():
                self.desk.driver.reservations.look(self.desk, step)
            return
        for step in case.steps.values():
            if case.is_open:
                self.forward.make_ready(step)
            if not step.is_dropped and (step.ready_at is not None or step.run.commands):
                self.progress.observe(step, step.run)
                self.forward.note_begun(step)
            for run in step.past:
                self.progress.observe(step, run)
            self.unwinding.follow(step)
            self.desk.driver.reservations.look(self.desk, step)
        for run in case.past:
            self.progress.observe(None, run)
        self.judgement.note_surplus()

    def _may_decide(self) -> bool:
        return self.case.is_open and not self.case.is_stopped and self.case.decreed is None

    def _ways_off(self) -> None:
        """What came late or is not known is seen to first; then what is being done already."""
        for step in self.case.steps.values():
            course = step_course(step)
            if not self._may_decide():
                return
            if course.way.active is not None:
                self.ways_off.look(course)
            # What came late meanwhile is seen to before an outcome that it brought about ends it all.
            is_free = course.way.active is None and self._may_decide()
            if is_free and self.ways_off.note_cause(course) not in FORWARD_CAUSES:
                self.ways_off.look(course)
            self._undo_ways_off(step)
        relation = relation_course(self.case)
        if relation is not None and self._may_decide():
            self.ways_off.look(relation)

    def _undo_ways_off(self, step: StepCase) -> None:
        undo = step.undo
        if undo is None or step.undo_state not in ("running", "waiting") or not self.case.is_unwinding:
            return
        course = undo_course(step, undo)
        self.ways_off.look(course)
        if step.undo_state == "running" and self.causes.is_exhausted(course):
            self.unwinding.give_up(step)

    def _forward_ways_off(self) -> None:
        """A failure matters only if the outcome has not come about without the step."""
        for step in self.case.steps.values():
            if not self._may_decide():
                return
            course = step_course(step)
            if course.way.active is None and self.ways_off.note_cause(course) in FORWARD_CAUSES:
                self.ways_off.look(course)

    def _judge(self) -> None:
        case = self.case
        if case.is_open:
            self.judgement.look()
            return
        self.judgement.amend()
        if case.ended_at is not None and not case.is_provisional:
            self.is_over = self.desk.later(case.recorded_at + limits.KEEP_USED_MS + 1)

    def _deadline(self) -> None:
        """A forward command may still come at exactly the deadline, none after."""
        case = self.case
        if case.deadline is None or case.is_past_deadline or not case.is_open:
            return
        if not self.desk.later(case.deadline + 1):
            return
        case.is_past_deadline = True
        self.desk.has_changed = True
        for step in case.steps.values():
            step.run.wants_retry = False
            for run in step.run.with_small():
                if run.status in _UNDER_WAY and self.progress.action_of(run).within_ms is None:
                    run.is_timed_out = True
