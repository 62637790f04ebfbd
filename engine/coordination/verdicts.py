"""The verdict on the whole, derived from the ledger and the cause; never from a single confirmation."""

from __future__ import annotations

from collections.abc import Iterator

from engine.coordination.case import StepCase
from engine.coordination.desk import Desk
from engine.coordination.evaluate import evaluate
from engine.coordination.outline import breach_verdict
from engine.errors import EvaluationError
from engine.model.expr import Expr


class Verdicts:
    """Derives one coordination's verdict."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.case = desk.case
        self.outcome = desk.plan.outcome

    def is_achieved(self) -> bool:
        """Whether the intended outcome has come about: as the plan says, else all steps are confirmed."""
        if self.case.breach is not None:
            return False
        if self.outcome.achieved is not None:
            return self._is_true(self.outcome.achieved)
        steps = [step for step in self.case.steps.values() if not step.is_dropped]
        return bool(steps) and all(s.run.status == "confirmed" and not s.undo_state for s in steps)

    def _is_true(self, condition: Expr) -> bool:
        runs = [step.run for step in self.case.steps.values()]
        try:
            return bool(evaluate(condition, self.desk.around("", *runs)))
        except EvaluationError:
            return False

    def of_achieved(self) -> str:
        """In time, or late: by the last arrival that counts."""
        deadline = self.case.deadline
        times = [run.confirmed_at for run in self.case.runs() if run.status == "confirmed"]
        last = max((t for t in times if t is not None), default=self.desk.now)
        return "COMPLETED" if deadline is None or last <= deadline else "SETTLED_LATE"

    def derived(self) -> str:
        """When everything that could happen has."""
        case, ledger = self.case, self.case.ledger
        stranded = list(self.stranded())
        if any(step.undo_state == "stuck" for step in stranded):
            return "STRANDED"
        if case.breach is not None:
            return breach_verdict(self.desk.plan.relations[case.breach])
        if stranded:
            return "STRANDED"
        if not ledger.has_moved and not self.is_achieved():
            return "CANCELLED" if case.cancelled_at is not None else "FAILED_SAFE"
        if self.is_achieved():
            return self.of_achieved()
        delivered, astray = ledger.total("delivered"), ledger.astray()
        partial = self.outcome.partial
        if partial is not None and delivered and not astray and self._is_true(partial):
            return "COMPLETED_PARTIAL"
        # What was lost to fees as a whole is not refunded.
        if not astray and not delivered and ledger.total("refunded") and self._is_all_back():
            return "REFUNDED"
        if delivered and not astray:
            return self.outcome.otherwise
        return "UNWOUND" if case.is_unwinding else self.outcome.otherwise

    def _is_all_back(self) -> bool:
        steps = [step for step in self.case.steps.values() if step.run.has_moved]
        return all(s.undo_state == "undone" or s.is_accepted or self.case.has_gone_on(s) for s in steps)

    def stranded(self) -> Iterator[StepCase]:
        """Steps whose value lies where the plan knows no way from."""
        for step in self.case.steps.values():
            if step.undo_state == "stuck" or (self.case.is_unwinding and self._lies_astray(step)):
                yield step

    def _lies_astray(self, step: StepCase) -> bool:
        """What it moved was neither undone nor accepted, and is still on the way or at a place it did not come from."""
        run, ledger = step.run, self.case.ledger
        if not run.has_moved or step.is_accepted or step.undo_state == "undone" or run.is_surplus:
            return False
        if not run.has_arrived:
            return True
        places = [(a.place, a.asset) for a in run.gets or []]
        return any(ledger.at("at", *place) and place not in ledger.origins for place in places)

    def reason(self) -> str:
        """The plan's own, else that of the first term that did not hold, else the engine's."""
        case = self.case
        return case.reason or case.unmet or case.fallback
