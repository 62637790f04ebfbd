"""The good path: when a step is ready, when its command may go out, and its turn in the agenda."""

from __future__ import annotations

from engine.coordination.case import LOST, StepCase
from engine.coordination.desk import Desk
from engine.coordination.evidence import Evidence
from engine.coordination.progress import Progress
from engine.model.plans import Step
from engine.model.rules import Let


class Forward:
    """Readiness and commands of one coordination's steps."""

    def __init__(self, desk: Desk, progress: Progress, evidence: Evidence) -> None:
        self.desk = desk
        self.case = desk.case
        self.plan = desk.plan
        self.progress = progress
        self.evidence = evidence

    # -- readiness -----------------------------------------------------------------
    def is_done(self, name: str) -> bool:
        """Whether what comes after a step may go on."""
        step = self.case.steps[name]
        if step.run.status == "confirmed" or step.is_accepted:
            return True
        partners = [self.case.steps[other] for other in self.desk.outline.partners[name]]
        return step.is_dropped and any(other.run.status == "confirmed" or other.is_accepted for other in partners)

    def follows_done(self, step: StepCase) -> bool:
        """Whether all that the step comes after is done."""
        return all(self.is_done(name) for name in self.plan.by_name[step.name].after)

    def make_ready(self, step: StepCase) -> None:
        """A step is ready once all it comes after is done; one without a command waits from then on."""
        if step.ready_at is not None or step.is_dropped or self.case.is_unwinding or not self.follows_done(step):
            return
        step.ready_at = self.desk.now
        if self.plan.by_name[step.name].action.command is None:
            step.run.first_at = step.run.within_from = self.desk.now
        self.desk.has_changed = True

    def note_begun(self, step: StepCase) -> None:
        """Of two steps that stand instead of each other, only the first that began goes on."""
        if step.run.status == "idle":
            return
        for name in self.desk.outline.partners[step.name]:
            other = self.case.steps[name]
            if other.run.status == "idle" and not other.is_dropped:
                other.is_dropped = True
                self.desk.has_changed = True

    # -- what is missing -------------------------------------------------------------
    def is_blocked(self, step: StepCase) -> bool:
        """The step waits to be commanded, all it comes after is done, and its ``when`` does not hold.

        While only the ``for`` of the condition has yet to pass it is not blocked.
        """
        declared = self.plan.by_name[step.name]
        if declared.action.command is None or declared.when is None or step.ready_at is None:
            return False
        waits = step.run.status == "idle" or self.may_try_again(step)
        if not waits or not self.follows_done(step):
            return False
        return self.waits_for_subject() or not self._terms_hold(step, declared)

    def _terms_hold(self, step: StepCase, declared: Step) -> bool:
        assert declared.when is not None  # noqa: S101 - the caller has looked
        place = f"{step.name}.when"
        if declared.when.for_ms:
            place = f"{place}.{len(declared.when.terms)}"
        return self.desk.holds(place)

    def unmet(self, step: StepCase) -> list[str | None]:
        """The reason of each term of the step's ``when`` that does not hold, in file order.

        A term that reads what another binds is not judged while that other does not hold.
        """
        when = self.plan.by_name[step.name].when
        if when is None:
            return []
        found = []
        for number, term in enumerate(when.terms):
            place = f"{step.name}.when.{number}"
            if isinstance(term, Let) or self.desk.holds(place):
                continue
            needs = self.desk.driver.needs(self.case, place)
            if all(self.desk.holds(f"{step.name}.when.{other}") for other in needs):
                found.append(term.reason)
        return found

    def first_unmet(self) -> str:
        """Reason of the first term that keeps a ready step from its command."""
        for step in self.case.steps.values():
            waits = step.run.status == "idle" or step.run.status in LOST
            if step.ready_at is not None and waits and not step.is_dropped and not step.is_accepted:
                for reason in self.unmet(step):
                    if reason:
                        return reason
        return ""

    # -- commanding ------------------------------------------------------------------
    def waits_for_subject(self) -> bool:
        """Something that the coordination is for is gone, and it has not begun: it does not until that is back."""
        return not self.case.has_begun and bool(self.desk.driver.copies.gone(self.case))

    def may_go_forward(self) -> bool:
        """Whether anything forward may still be commanded."""
        case = self.case
        if case.is_unwinding or case.is_stopped or not case.is_open or case.decreed is not None:
            return False
        if self.is_too_late_to_begin():
            return False
        return case.deadline is None or self.desk.now <= case.deadline

    def is_too_late_to_begin(self) -> bool:
        """The window for the first command of a step has closed, and none came."""
        case = self.case
        return case.first_command_at is None and case.start_before is not None and self.desk.now >= case.start_before

    def may_try_again(self, step: StepCase) -> bool:
        """Whether a step whose last attempt had no effect is to be tried again."""
        if step.run.wants_retry:
            return self.may_go_forward()
        return step.run.status in LOST and self.may_go_forward() and self.progress.has_retry_left(step.run)

    def may_command(self, step: StepCase) -> bool:
        """Whether the step's command may go out now, reservations aside."""
        declared = self.plan.by_name[step.name]
        if declared.action.command is None or step.ready_at is None or step.is_dropped or step.is_accepted:
            return False
        is_deciding = step.run.way.active is not None and not step.run.wants_retry
        if not self.may_go_forward() or is_deciding or not self.follows_done(step) or self.waits_for_subject():
            return False
        is_first = step.run.status == "idle" and not step.run.commands
        if not is_first and not self.progress.is_retry_due(step.run):
            return False
        return declared.when is None or (self._has_waited(step) and self.desk.holds(f"{step.name}.when"))

    def _has_waited(self, step: StepCase) -> bool:
        """A ``for`` beside no terms is a pause from when the step is ready; terms may have held before that."""
        when = self.plan.by_name[step.name].when
        if when is None or when.terms or step.ready_at is None:
            return True
        return self.desk.later(step.ready_at + when.for_ms)

    def send(self, step: StepCase) -> None:
        """The step's turn in the agenda: command it if it still may, and if what it sets aside is still free."""
        if not self.may_command(step):
            return
        run, desk = step.run, self.desk
        kept, has_changed = (dict(run.bound), dict(run.values), dict(run.chosen)), desk.has_changed
        self.bind_when(step)
        # What was bound for nothing is no change: it would have the step offered again, without end.
        desk.has_changed = has_changed
        if self._send(step):
            if self.case.first_command_at is None:
                self.case.first_command_at = desk.now
            self.note_begun(step)
        else:
            run.bound, run.values, run.chosen = kept

    def _send(self, step: StepCase) -> bool:
        """Set aside and command; False if it cannot be."""
        declared, run, desk = self.plan.by_name[step.name], step.run, self.desk
        around = desk.around_run(step, run)
        reserve, reservations = declared.reserve, desk.driver.reservations
        if reserve is not None and not reservations.may_make(desk, step, reserve, around):
            return False
        command = declared.action.command
        if command is None or not desk.command(step.name, run, command, around):
            return False
        if reserve is not None:
            reservations.make(desk, step, reserve, around)
        return True

    def bind_when(self, step: StepCase) -> None:
        """Values may read what the step's ``when`` binds, as it is now."""
        place = f"{step.name}.when"
        if self.plan.by_name[step.name].when is not None and self.desk.holds(place):
            step.run.chosen.pop(place, None)
            self.evidence.bind(place, step.run)
