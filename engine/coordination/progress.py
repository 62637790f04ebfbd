"""The good path: what evidence and reports make of a step, and when its command may go out."""

from __future__ import annotations

from engine.coordination.bookings import Bookings
from engine.coordination.case import LOST, Run, StepCase
from engine.coordination.desk import Desk
from engine.coordination.evaluate import evaluate
from engine.errors import EvaluationError
from engine.model.plans import Action, Step

#: What ends an attempt without effect, and what it is called then.
_NO_EFFECT = {"failed": "failed", "refused": "refused", "expired": "failed", "withdrawn": "failed"}
_FLYING = ("commanded", "submitted", "unknown")


class Progress:
    """Moves steps forward."""

    def __init__(self, desk: Desk, bookings: Bookings) -> None:
        self.desk = desk
        self.case = desk.case
        self.plan = desk.plan
        self.bookings = bookings

    # -- evidence ----------------------------------------------------------------
    def observe(self, step: StepCase, run: Run, action: Action) -> None:
        """Bring a run to what its reports and evidence say. Evidence moves it forward from any state."""
        desk, place = self.desk, run.place
        told = desk.status(run.command) if run.command else ""
        is_seen = desk.holds(f"{place}.seen") if action.seen is not None else told in ("submitted", "done")
        is_confirmed = desk.holds(f"{place}.confirmed") if action.confirmed is not None else told == "done"
        if is_confirmed:
            self._confirm(step, run, action)
            return
        if run.status == "confirmed":
            return
        if is_seen and run.lost != "confirmed" and run.status != "seen":
            self._see(step, run, action)
            return
        if run.status in _FLYING or run.status == "seen":
            self._follow_report(run, told, is_seen=is_seen)
            self._look_for_failure(run, action)
        self._look_at_time(step, run, action)

    def _see(self, step: StepCase, run: Run, action: Action) -> None:
        desk = self.desk
        if action.seen is not None:
            desk.bind(f"{run.place}.seen", run, as_evidence=True)
        run.status = "seen"
        run.lost = ""
        self.bookings.left(step, run, action)
        desk.has_changed = True

    def _confirm(self, step: StepCase, run: Run, action: Action) -> None:
        desk = self.desk
        is_new = run.status != "confirmed"
        if action.seen is not None:
            desk.bind(f"{run.place}.seen", run, as_evidence=True)
        if action.confirmed is not None:
            desk.bind(f"{run.place}.confirmed", run, as_evidence=True)
        if is_new:
            run.status = "confirmed"
            run.lost = ""
            run.confirmed_at = self.desk.now
            desk.has_changed = True
            if run is step.run:
                run.is_late = run.is_timed_out or step.undo is not None
        self._book_arrival(step, run, action)
        if is_new and run is step.run:
            self._note_effective(step)

    def _book_arrival(self, step: StepCase, run: Run, action: Action) -> None:
        is_returned = step.undo_state == "undone" or (step.undo is not None and bool(step.undo.gives))
        if run is step.run and is_returned:
            if not run.gets:
                self.bookings.arrived_again(step, run, action)
                self.case.reason = "OVER_SETTLED"
                self.desk.escalate(step.name, "OVER_SETTLED", run.gets[0].place if run.gets else "")
            return
        into = "back"
        if run is step.run:
            into = "at" if any(step.name in other.after for other in self.plan.steps) else "delivered"
        elif run is step.small:
            into = "at"
        before = list(run.gets)
        self.bookings.arrived(step, run, action, into=into)
        if run.gets != before:
            self.desk.has_changed = True

    def _note_effective(self, step: StepCase) -> None:
        declared = self.plan.by_name[step.name].effective
        if declared is None:
            return
        around = self.desk.around(step.name, step.run)
        for name in ("network", "time", "height", "index"):
            expression = getattr(declared, name)
            if expression is not None:
                try:
                    step.effective[name] = evaluate(expression, around)
                except EvaluationError as error:
                    self.desk.say("dropped", place=f"{step.name}.effective", code=error.code, message=error.message)

    def _follow_report(self, run: Run, told: str, *, is_seen: bool) -> None:
        if told == "submitted" and run.status in ("commanded", "unknown"):
            run.status = "submitted"
        elif told == "unknown" and run.status in ("commanded", "submitted"):
            run.status = "unknown"
        elif told in _NO_EFFECT and not (is_seen and run.status == "seen"):
            self.lose(run, _NO_EFFECT[told])
            return
        else:
            return
        self.desk.has_changed = True

    def _look_for_failure(self, run: Run, action: Action) -> None:
        place = f"{run.place}.failed"
        if action.failed is None or run.status in LOST or not self.desk.holds(place):
            return
        if run.last_at is not None and self.desk.newest_evidence(place) >= run.last_at:
            self.lose(run, "failed")

    def lose(self, run: Run, status: str) -> None:
        """The attempt is known to have had no effect."""
        run.status = status
        run.known_at = self.desk.now
        self.bookings.had_no_effect(run)
        self.desk.has_changed = True

    def _look_at_time(self, step: StepCase, run: Run, action: Action) -> None:
        since = run.first_at
        if since is None and action.command is None and run is step.run:
            since = step.ready_at
        if action.within_ms is None or since is None or run.is_timed_out or run.status == "confirmed":
            return
        if self.desk.later(since + action.within_ms + 1):
            run.is_timed_out = True
            self.desk.has_changed = True

    def reorganised(self, step: StepCase, run: Run, gone: set[tuple[str, tuple[object, ...]]]) -> None:
        """Facts left with their blocks: a run that rested on one of them is unconfirmed until evidence returns."""
        if not any(fact in gone for fact in run.evidence) or run.status not in ("seen", "confirmed"):
            return
        was_confirmed = run.status == "confirmed"
        run.evidence = [fact for fact in run.evidence if fact not in gone]
        action = self.action_of(step, run)
        is_seen = action.seen is None or self.desk.holds(f"{run.place}.seen")
        if was_confirmed and is_seen:
            self.bookings.has_not_arrived(run)
            run.lost = "confirmed"
        else:
            self.bookings.had_no_effect(run)
            run.lost = "confirmed" if was_confirmed else "seen"
        run.status = "unconfirmed"
        step.effective = {}
        self.desk.has_changed = True

    def action_of(self, step: StepCase, run: Run) -> Action:
        """What a run carries out."""
        declared = self.plan.by_name[step.name]
        if run is step.undo:
            return declared.undo[step.undo_number].action
        if run is step.small and step.active is not None:
            cause, index, _ = step.active
            alternatives = declared.action.alternatives(cause) or ()
            small = alternatives[index].action
            assert small is not None  # noqa: S101 - a small step runs because there is one
            return small
        return declared.action

    # -- readiness -----------------------------------------------------------------
    def is_done(self, name: str) -> bool:
        """Whether what comes after a step may go on."""
        step = self.case.steps[name]
        if step.run.status == "confirmed" or step.is_accepted:
            return True
        if not step.is_dropped:
            return False
        return any(self.case.steps[other].run.status == "confirmed" for other in self._partners(name))

    def _partners(self, name: str) -> list[str]:
        """Steps that stand instead of this one, or that it stands instead of."""
        mine = self.plan.by_name[name].instead_of
        return [s.name for s in self.plan.steps if s.instead_of == name or s.name == mine]

    def make_ready(self, step: StepCase) -> None:
        """A step is ready once all it comes after is done."""
        declared = self.plan.by_name[step.name]
        if step.ready_at is None and not step.is_dropped and all(self.is_done(name) for name in declared.after):
            step.ready_at = self.desk.now
            self.desk.has_changed = True

    def may_command(self, step: StepCase) -> bool:
        """Whether the step's command may go out now, reservations aside."""
        case, desk = self.case, self.desk
        declared = self.plan.by_name[step.name]
        if declared.action.command is None or step.ready_at is None or step.is_dropped or step.is_accepted:
            return False
        if case.is_unwinding or case.is_stopped or not case.is_open or step.active is not None:
            return False
        if case.deadline is not None and desk.now > case.deadline:
            return False
        if case.first_command_at is None and case.start_before is not None and desk.now >= case.start_before:
            return False
        if not self._attempt_is_open(step, declared):
            return False
        if not all(self.is_done(name) for name in declared.after):
            return False
        if any(self.case.steps[other].run.first_at is not None for other in self._partners(step.name)):
            return False
        return declared.when is None or desk.holds(f"{step.name}.when")

    def _attempt_is_open(self, step: StepCase, declared: Step) -> bool:
        run = step.run
        if step.wants_retry:
            return True
        if run.status == "idle":
            return not run.is_timed_out
        if run.status not in LOST or run.known_at is None or run.is_timed_out:
            return False
        if not self.has_attempt_left(step):
            return False
        return self.desk.later(run.known_at + declared.action.waits_ms[run.attempt - 1])

    def has_attempt_left(self, step: StepCase) -> bool:
        """Whether ``retry`` allows another attempt."""
        action = self.plan.by_name[step.name].action
        if self.case.is_past_deadline or self.case.is_unwinding or step.run.is_timed_out:
            return False
        return step.run.attempt <= len(action.waits_ms)

    def send(self, step: StepCase) -> None:
        """The step's turn in the agenda: command it if it still may, and if what it sets aside is still free."""
        declared = self.plan.by_name[step.name]
        command = declared.action.command
        if command is None or not self.may_command(step):
            return
        run, desk = step.run, self.desk
        if declared.when is not None:
            desk.bind(f"{step.name}.when", run, as_evidence=False)
        around = desk.around(step.name, run)
        if declared.reserve is not None and not desk.driver.reservations.make(desk, step, declared.reserve, around):
            return
        if not desk.command(step, run, command, around):
            return
        step.wants_retry = False
        run.is_timed_out = False
        if self.case.first_command_at is None:
            self.case.first_command_at = desk.now
        for other in self._partners(step.name):
            self.case.steps[other].is_dropped = True

    # -- the step's fact -------------------------------------------------------------
    def shown(self, step: StepCase) -> str:
        """The state the ``step`` fact tells."""
        if step.undo_state in ("undone", "stuck"):
            return step.undo_state
        if step.undo_state:
            return "undoing"
        if step.run.status != "idle":
            return step.run.status
        return "planned" if step.ready_at is None else "ready"
