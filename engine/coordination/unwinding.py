"""Taking back what moved: each step by its own undo, those that came later first, wherever the value is now."""

from __future__ import annotations

from engine.coordination.case import LOST, Run, StepCase
from engine.coordination.desk import Desk
from engine.coordination.progress import Progress
from engine.model.plans import Action

#: A run in one of these may still move value.
_IN_FLIGHT = ("commanded", "submitted", "seen", "unknown", "unconfirmed")


class Unwinding:
    """Runs the undo of one coordination's steps."""

    def __init__(self, desk: Desk, progress: Progress) -> None:
        self.desk = desk
        self.case = desk.case
        self.plan = desk.plan
        self.progress = progress

    def begin(self, reason: str, step: StepCase | None) -> None:
        """Nothing forward from here on; ``step`` itself is undone at once, without waiting for it."""
        case = self.case
        if step is not None and step.run.status != "idle":
            step.at_once = True
        if not case.reason:
            case.reason = reason
        if not case.is_unwinding:
            case.is_unwinding = True
            self.desk.say("unwinding", reason=reason, step="" if step is None else step.name)
            for other in case.steps.values():
                if other.run.status == "commanded" and self.desk.status(other.run.command) == "queued":
                    self.desk.withdraw(other.run)
        self.desk.has_changed = True

    def look(self) -> None:
        """Start and follow undos, as far as what comes later allows."""
        for step in self.case.steps.values():
            if step.undo is not None and step.undo_state in ("running", "stuck"):
                self._follow(step)
            if self.case.is_unwinding and self.needs_undo(step) and self._may_start(step):
                self._start(step)

    # -- which ---------------------------------------------------------------------
    def needs_undo(self, step: StepCase) -> bool:
        """Its value moved and has not been brought back, nor was it left where it is."""
        declared = self.plan.by_name[step.name]
        if step.is_accepted or step.undo_state in ("undone", "stuck", "running") or declared.irreversible:
            return False
        if not declared.undo or (step.run.is_late and step.active is not None):
            return False
        return step.run.has_left or (step.at_once and step.run.status in _IN_FLIGHT and bool(step.run.commands))

    def is_in_flight(self, step: StepCase) -> bool:
        """It is waited for: confirmed, or its own ``otherwise`` decides."""
        return step.run.status in _IN_FLIGHT and not step.at_once and not step.is_accepted

    def is_settled(self, step: StepCase) -> bool:
        """Nothing more happens to it by itself."""
        if step.undo_state in ("undone", "stuck") or step.is_accepted or step.is_dropped:
            return True
        if step.active is not None or step.undo_state == "running":
            return False
        if self.is_in_flight(step):
            return False
        return not self.needs_undo(step)

    def _may_start(self, step: StepCase) -> bool:
        if self.is_in_flight(step):
            return False
        return all(self.is_settled(self.case.steps[name]) for name in self._later(step.name))

    def _later(self, name: str) -> list[str]:
        """Steps that come after this one, directly or not."""
        found: list[str] = []
        grew = True
        while grew:
            grew = False
            for step in self.plan.steps:
                if step.name not in found and any(before == name or before in found for before in step.after):
                    found.append(step.name)
                    grew = True
        return found

    # -- one undo --------------------------------------------------------------------
    def _start(self, step: StepCase) -> None:
        """Command the first undo whose condition holds; while none does, wait."""
        declared = self.plan.by_name[step.name]
        for number, undo in enumerate(declared.undo):
            if undo.when is not None and not self.desk.holds(f"{step.name}.undo{number}.when"):
                continue
            run = Run(f"{step.name}.undo{number}")
            if undo.when is not None:
                self.desk.bind(f"{step.name}.undo{number}.when", run, as_evidence=False)
            if step.undo is not None:
                run.attempt = step.undo.attempt
            step.undo, step.undo_number, step.undo_state = run, number, "running"
            self.case.has_undone = True
            self.desk.has_changed = True
            if undo.action.command is not None:
                around = self.desk.around(step.name, step.run, run)
                self.desk.command(step, run, undo.action.command, around)
                step.undo_tries += 1
            return
        if step.undo_state != "waiting":
            step.undo_state = "waiting"
            self.desk.has_changed = True

    def _follow(self, step: StepCase) -> None:
        run = step.undo
        assert run is not None  # noqa: S101 - the caller has looked
        action = self.progress.action_of(step, run)
        self.progress.observe(step, run, action)
        if run.status == "confirmed":
            if step.undo_state != "undone":
                step.undo_state = "undone"
                self.desk.has_changed = True
            return
        if step.undo_state == "stuck":
            return
        if run.status in LOST and run.known_at is not None:
            if step.undo_tries <= len(action.waits_ms):
                if self.desk.later(run.known_at + action.waits_ms[step.undo_tries - 1]) and self.case.is_unwinding:
                    self._start(step)
                return
            self._exhausted(step, action, run.status)
        elif run.is_timed_out:
            self._exhausted(step, action, "timeout")

    def _exhausted(self, step: StepCase, action: Action, cause: str) -> None:
        """No way back is left but what the undo's own ``otherwise`` says; people are told where the value is."""
        place = self.desk.where(step)
        for number, other in enumerate(action.alternatives(cause) or ()):
            name = f"undo{step.undo_number}:{cause}:{number}"
            here = f"{step.name}.undo{step.undo_number}!{cause}{number}"
            if name in step.taken or (other.when is not None and not self.desk.holds(f"{here}.when")):
                continue
            step.taken.append(name)
            self.desk.has_changed = True
            if other.reason is not None:
                self.case.reason = other.reason
            if other.escalate:
                self.desk.escalate(step.name, other.reason or "STRANDED", place)
            if other.end is not None:
                self.case.verdict, self.case.verdict_reason = other.end, other.reason or cause.upper()
                return
            if other.retry:
                step.undo_tries = 0
                self._start(step)
                return
        step.undo_state = "stuck"
        self.desk.has_changed = True
        self.desk.escalate(step.name, "STRANDED", place)
