"""One look at one coordination: everything that follows from what is known now, to the fixpoint."""

from __future__ import annotations

from typing import Any, Final

from engine import limits
from engine.coordination.bookings import Bookings
from engine.coordination.case import StepCase
from engine.coordination.desk import Desk
from engine.coordination.judgement import Judgement
from engine.coordination.ledger import Amount
from engine.coordination.progress import Progress
from engine.coordination.relations import Relations
from engine.coordination.unwinding import Unwinding
from engine.coordination.ways_off import WaysOff
from engine.errors import EvaluationError

#: Rounds of one look; each does something that is done once, so more means a fault.
_MOST_ROUNDS: Final = 10_000


class Machine:
    """Made for one look and thrown away.

    Attributes:
        changes: names of the parts that did something, for alarms.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.case = desk.case
        self.plan = desk.plan
        self.bookings = Bookings(desk)
        self.progress = Progress(desk, self.bookings)
        self.unwinding = Unwinding(desk, self.progress)
        self.ways_off = WaysOff(desk, self.progress, self.bookings, self.unwinding)
        self.relations = Relations(desk, self.unwinding)
        self.judgement = Judgement(desk, self.progress, self.ways_off, self.unwinding)
        self.changes: list[str] = []

    def bring(self) -> None:
        """Nothing yet: value that already lies somewhere when the coordination starts."""
        try:
            portions = self.desk.portions(self.plan.brings, self.desk.around())
        except EvaluationError as error:
            self.desk.say("dropped", place="brings", code=error.code, message=error.message)
            return
        self.case.ledger.bring(Amount(asset, amount, place) for asset, amount, place in portions)
        if self._has_no_time():
            self.judgement.end("EXPIRED", "NO_TIME")

    def _has_no_time(self) -> bool:
        """The parts with a bound of their own need longer than there is to the deadline."""
        if self.case.deadline is None:
            return False
        return self.desk.now + self.plan.needed_ms > self.case.deadline

    def advance(self, gone: set[tuple[str, tuple[Any, ...]]]) -> None:
        """Look until nothing changes.

        Args:
            gone: facts that left memory with their blocks in this step.
        """
        desk = self.desk
        for step in self.case.steps.values():
            for run in (step.run, step.undo, step.small):
                if run is not None and gone:
                    self.progress.reorganised(step, run, gone)
        for _ in range(_MOST_ROUNDS):
            desk.has_changed = False
            desk.deadlines = []
            for name, look in (
                ("cancel", self._cancel),
                ("steps", self._steps),
                ("unwinding", self.unwinding.look),
                ("relations", self.relations.look),
                ("deadline", self._deadline),
                ("judgement", self._judge),
            ):
                before, desk.has_changed = desk.has_changed, False
                look()
                if desk.has_changed:
                    self.changes.append(name)
                desk.has_changed = desk.has_changed or before
            if not desk.has_changed:
                return
        raise AssertionError(f"coordination {self.case.subject} does not come to rest: {self.changes[-6:]}")

    def ready(self) -> list[StepCase]:
        """Steps whose command may go out, reservations aside."""
        return [step for step in self.case.steps.values() if self.progress.may_command(step)]

    # -- parts -------------------------------------------------------------------
    def _steps(self) -> None:
        case = self.case
        for step in case.steps.values():
            if case.is_open:
                self.progress.make_ready(step)
            if step.ready_at is not None or step.run.commands:
                self.progress.observe(step, step.run, self.plan.by_name[step.name].action)
            self.desk.driver.reservations.look(self.desk, step)
            if case.is_open and not case.is_stopped and not case.verdict:
                self.ways_off.look(step)

    def _judge(self) -> None:
        case = self.case
        if case.is_open:
            self.judgement.look()
            return
        self.judgement.amend()
        is_over = case.ended_at is not None and not case.is_provisional
        if is_over and self.desk.later((case.ended_at or 0) + limits.KEEP_USED_MS + 1):
            self.desk.driver.forget(case)

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
            in_flight = step.run.status in ("commanded", "submitted", "seen", "unknown")
            if in_flight and self.plan.by_name[step.name].action.within_ms is None:
                step.run.is_timed_out = True

    def _cancel(self) -> None:
        """Heeded before the point of no return; the first time it is heard, and never again."""
        case, desk = self.case, self.desk
        if case.cancel_heard or not desk.is_declared("cancel") or not desk.holds("cancel"):
            return
        case.cancel_heard = True
        desk.has_changed = True
        if not case.is_open:
            desk.say("cancel_recorded", reason="ENDED")
            return
        last = self.plan.last_before_return
        if last is not None and case.steps[last].run.commands and not self._nothing_taken():
            desk.say("cancel_refused", reason="TOO_LATE")
            return
        case.cancelled_at = desk.now
        case.reason = "CANCELLED"
        if case.first_command_at is None:
            self.judgement.end("CANCELLED", "CANCELLED")
            return
        self.unwinding.begin("CANCELLED", None)

    def _nothing_taken(self) -> bool:
        """Whether every command of the coordination still waits for dispatch."""
        commands = [command for run in self.case.runs() for command in run.commands]
        return all(self.desk.status(command) == "queued" for command in commands)
