"""Taking back what moved: each step by its own undo, those that came later first, wherever the value is now."""

from __future__ import annotations

from engine.coordination.case import FLYING, LOST, Run, StepCase
from engine.coordination.desk import Desk
from engine.coordination.evidence import Evidence
from engine.coordination.outline import undo_place
from engine.coordination.progress import Progress


class Unwinding:
    """Decides which of one coordination's steps are taken back, and when."""

    def __init__(self, desk: Desk, progress: Progress, evidence: Evidence) -> None:
        self.desk = desk
        self.case = desk.case
        self.plan = desk.plan
        self.progress = progress
        self.evidence = evidence

    def begin(self, fallback: str, unmet: str = "", step: StepCase | None = None) -> None:
        """Nothing forward from here on.

        Args:
            fallback: the engine's reason.
            unmet: reason of the first term that did not hold, if that is why.
            step: is undone at once, without waiting for its evidence.
        """
        case = self.case
        if step is not None and step.run.status in FLYING | {"confirmed"}:
            step.at_once = True
        if not case.is_unwinding:
            case.is_unwinding = True
            case.fallback, case.unmet = fallback, unmet
            self.desk.say("unwinding", reason=case.reason or unmet or fallback, step="" if step is None else step.name)
            for other in case.steps.values():
                for run in other.run.with_small():
                    self.desk.withdraw(run)
        self.desk.has_changed = True

    # -- which ---------------------------------------------------------------------
    def needs_undo(self, step: StepCase) -> bool:
        """Its value moved and has not been brought back, nor was it left where it is, nor has it gone on from there."""
        if step.is_accepted or step.undo_state or not self.plan.by_name[step.name].undo or self._is_late_open(step):
            return False
        run = step.run
        if self.case.has_gone_on(step):
            return False
        if run.has_moved or (step.at_once and run.status in FLYING and run.commands):
            return True
        return run.status in ("seen", "confirmed") and self.progress.action_of(run).moves is None

    @staticmethod
    def _is_late_open(step: StepCase) -> bool:
        """What came late is left alone while its alternatives are being done, or may be soon."""
        way = step.run.way
        return way.cause == "late" and (way.active is not None or bool(way.counting))

    def is_in_flight(self, step: StepCase) -> bool:
        """It is waited for, until it is confirmed or its own ``otherwise`` decides."""
        run = step.run
        if step.is_accepted or step.undo_state in ("undone", "stuck"):
            return False
        if run.way.small is not None and run.way.small.status in FLYING:
            return True
        if run.status not in FLYING:
            return False
        return not step.at_once or self.desk.status(run.command) == "queued"

    def is_settled(self, step: StepCase) -> bool:
        """Nothing more happens to it by itself."""
        way = step.run.way
        is_over = step.undo_state in ("undone", "stuck") or step.is_dropped
        is_deciding = way.active is not None and not way.awaits_end
        return is_over or (not is_deciding and self._is_back(step))

    def _is_back(self, step: StepCase) -> bool:
        """It holds nothing back any more; what its alternative does behind the undo (a hold, a call) does not."""
        if step.undo_state in ("undone", "stuck") or step.is_dropped:
            return True
        if self.may_come_back(step):
            return False
        if step.undo_state or self.is_in_flight(step) or self._is_late_open(step) or step.run.way.small is not None:
            return False
        return not self.needs_undo(step)

    def may_come_back(self, step: StepCase) -> bool:
        """An undo that was called back is on its way, and may take effect all the same: until its time is over."""
        flying = list(step.called_back())
        if any(undo.is_timed_out or undo.status == "unknown" for undo in flying):
            self.desk.escalate(step.name, "UNDO_IN_FLIGHT", self.desk.where(step))
        return any(not undo.is_timed_out for undo in flying)

    def is_over(self) -> bool:
        """Whether everything that can be taken back has been."""
        return all(self.is_settled(step) for step in self.case.steps.values())

    def _may_start(self, step: StepCase) -> bool:
        if self.is_in_flight(step):
            return False
        return all(self._is_back(self.case.steps[name]) for name in self.desk.outline.later[step.name])

    # -- undoing -------------------------------------------------------------------
    def look(self) -> None:
        """Start undos, as far as what comes later allows, and those that are to be tried again."""
        if not self.case.is_unwinding or self.case.is_stopped or not self.case.is_open:
            return
        for step in self.case.steps.values():
            if step.at_once and step.run.status in FLYING:
                self.desk.withdraw(step.run)
            if step.undo_state == "":
                if self.needs_undo(step) and self._may_start(step):
                    self._begin_undo(step)
            elif step.undo_state in ("running", "waiting") and self._is_to_be_tried(step.undo):
                self._try(step)

    def _begin_undo(self, step: StepCase) -> None:
        """One that was called back and is on its way all the same goes on."""
        undo = step.undo
        if undo is not None and undo.status in FLYING:
            step.undo_state, undo.is_called_back = "running", False
            self.desk.has_changed = True
            return
        self._try(step)

    def _is_to_be_tried(self, undo: Run | None) -> bool:
        if undo is None:
            return True
        return (undo.wants_retry or undo.status in LOST) and self.progress.is_retry_due(undo)

    def _try(self, step: StepCase) -> None:
        """Carry out the first entry of ``undo`` that may be, judged anew; while none may, wait."""
        for number, undo in enumerate(self.plan.by_name[step.name].undo):
            place = undo_place(step.name, number)
            if undo.when is not None and not self.desk.holds(f"{place}.when"):
                continue
            run = step.undos.get(number) or Run(place, faults=list(step.run.faults))
            if undo.when is not None:
                run.chosen.pop(f"{place}.when", None)
                self.evidence.bind(f"{place}.when", run)
            if undo.action.command is None:
                if run.first_at is None:
                    run.first_at = run.within_from = self.desk.now
            elif not self.desk.command(step.name, run, undo.action.command, self.desk.around_run(step, run)):
                # So that it is said once, not at each look; and people are told, for nothing else will be tried.
                step.run.faults = list(dict.fromkeys([*step.run.faults, *run.faults]))
                self.desk.escalate(step.name, "UNDO_NOT_COMPUTABLE", self.desk.where(step))
                continue
            self._chosen(step, number, run)
            return
        if step.undo_state != "waiting":
            step.undo_state = "waiting"
            self.desk.has_changed = True

    def _chosen(self, step: StepCase, number: int, run: Run) -> None:
        before = step.undo
        if before is not None and before is not run:
            before.wants_retry = False
        step.undos[number] = run
        step.undo_number, step.undo_state = number, "running"
        self.desk.has_changed = True

    def follow(self, step: StepCase) -> None:
        """See how the undos of a step have come along."""
        for undo in sorted(step.undos.values(), key=lambda undo: undo is not step.undo):
            self.progress.observe(step, undo)
        # What was called back and had nothing left to take has paid twice: what goes forward is not taken back for it.
        is_back = any(undo.status == "confirmed" and not undo.is_extra for undo in step.undos.values())
        if is_back and step.undo_state != "undone":
            step.undo_state, step.is_accepted = "undone", False
            self.desk.has_changed = True
            for undo in step.undos.values():
                self.desk.withdraw(undo)
            if not self.case.is_unwinding and self.case.is_open:
                self.begin("UNDONE")

    def give_up(self, step: StepCase) -> None:
        """The plan knows no way back: people are told where the value is."""
        step.undo_state = "stuck"
        self.desk.has_changed = True
        self.desk.escalate(step.name, "STRANDED", self.desk.where(step))
