"""The verdict on the whole, derived from the ledger and the cause; never from a single confirmation."""

from __future__ import annotations

from typing import Any

from engine.coordination.case import OPEN, StepCase
from engine.coordination.desk import Desk
from engine.coordination.evaluate import evaluate
from engine.coordination.progress import Progress
from engine.coordination.unwinding import Unwinding
from engine.coordination.ways_off import WaysOff
from engine.errors import EvaluationError
from engine.model.expr import Expr
from engine.model.kinds import NUMERIC


class Judgement:
    """Ends one coordination, and amends its verdict when later evidence asks for it."""

    def __init__(self, desk: Desk, progress: Progress, ways_off: WaysOff, unwinding: Unwinding) -> None:
        self.desk = desk
        self.case = desk.case
        self.plan = desk.plan
        self.progress = progress
        self.ways_off = ways_off
        self.unwinding = unwinding

    # -- the end -----------------------------------------------------------------
    def look(self) -> None:
        """End the coordination if it has come to an end."""
        case = self.case
        if case.is_stopped:
            return
        if case.verdict:
            self.end(case.verdict, case.verdict_reason)
            return
        if self._never_started():
            return
        if self._is_busy():
            return
        if not case.is_unwinding and case.breach is None and self.is_achieved():
            in_time = case.deadline is None or self._achieved_at() <= case.deadline
            self.end("COMPLETED" if in_time else "SETTLED_LATE", case.reason)
            return
        if case.is_past_deadline and not case.is_unwinding:
            if any(step.run.has_left for step in case.steps.values()) or case.first_command_at is not None:
                self.unwinding.begin(case.reason or "DEADLINE", None)
            return
        if case.is_unwinding:
            if all(self.unwinding.is_settled(step) for step in case.steps.values()):
                self.end(self._derived(), self._reason())
            return
        if all(self._is_finished(step) for step in case.steps.values()):
            self.end(self._derived(), self._reason())

    def _achieved_at(self) -> int:
        """When the last arrival that counts was confirmed."""
        times = [s.run.confirmed_at for s in self.case.steps.values() if s.run.confirmed_at is not None]
        return max(times, default=self.desk.now)

    def _never_started(self) -> bool:
        """EXPIRED: the window to begin, or the deadline, passed before any command."""
        case = self.case
        if case.first_command_at is not None or any(s.run.status != "idle" for s in case.steps.values()):
            return False
        if case.cancelled_at is not None:
            self.end("CANCELLED", case.reason or "CANCELLED")
            return True
        is_over = case.is_past_deadline
        if case.start_before is not None:
            is_over = self.desk.later(case.start_before) or is_over
        if is_over:
            self.end("EXPIRED", self.first_unmet() or "WINDOW_CLOSED")
        return is_over

    def first_unmet(self) -> str:
        """Reason of the first term that keeps a ready step from its command."""
        for step in self.case.steps.values():
            if step.ready_at is not None and step.run.status == "idle":
                for reason in self.ways_off.unmet(step):
                    if reason:
                        return reason
        return ""

    def _is_busy(self) -> bool:
        """Something is in flight, or an alternative is being done."""
        for step in self.case.steps.values():
            run = step.run
            if step.active is not None or step.wants_retry:
                return True
            if step.undo_state in ("running", "waiting"):
                return True
            waits = run.status in OPEN and not step.is_accepted and step.undo_state not in ("undone", "stuck")
            if waits and not (step.at_once and self.case.is_unwinding):
                return True
            if run.status in ("failed", "refused") and self.progress.has_attempt_left(step):
                return True
        return False

    def _is_finished(self, step: StepCase) -> bool:
        return step.run.status == "confirmed" or step.is_accepted or step.is_dropped or step.undo_state != ""

    def is_achieved(self) -> bool:
        """Whether the intended outcome has come about."""
        condition = self.plan.outcome.achieved
        if condition is not None:
            return self._true(condition)
        steps = self.case.steps.values()
        return all(s.run.status == "confirmed" or s.is_dropped or s.is_accepted for s in steps)

    def _true(self, condition: Expr) -> bool:
        runs = [step.run for step in self.case.steps.values()]
        try:
            return bool(evaluate(condition, self.desk.around("", *runs)))
        except EvaluationError:
            return False

    # -- the verdict -----------------------------------------------------------------
    def _derived(self) -> str:
        case, ledger = self.case, self.case.ledger
        if case.breach is not None:
            return "FAILED_ORDER" if self.plan.relations[case.breach].kind == "order" else "FAILED_ATOMICITY"
        if any(step.undo_state == "stuck" for step in case.steps.values()):
            return "STRANDED"
        if not ledger.has_moved:
            return "CANCELLED" if case.cancelled_at is not None else "FAILED_SAFE"
        if self.is_achieved():
            return "COMPLETED" if case.deadline is None or self._achieved_at() <= case.deadline else "SETTLED_LATE"
        partial = self.plan.outcome.partial
        left = ledger.total("at") - ledger.total("surplus")
        if partial is not None and ledger.total("delivered") and self._true(partial) and left <= 0:
            return "COMPLETED_PARTIAL"
        is_all_back = not left and not ledger.total("delivered") and not ledger.total("exchanged_out")
        if is_all_back:
            return "REFUNDED"
        if ledger.total("delivered") and left <= 0:
            return self.plan.outcome.otherwise
        return "UNWOUND" if left <= 0 or case.is_unwinding else self._unfinished()

    def _unfinished(self) -> str:
        """All steps are confirmed, but what was intended did not come about."""
        return self.plan.outcome.otherwise

    def _reason(self) -> str:
        case = self.case
        if case.reason:
            return case.reason
        if case.cancelled_at is not None:
            return "CANCELLED"
        return self.first_unmet() or next((s.cause.upper() for s in case.steps.values() if s.cause), "")

    # -- records -------------------------------------------------------------------
    def end(self, verdict: str, reason: str) -> None:
        """Give the verdict; steps never commanded are dropped."""
        case = self.case
        for step in case.steps.values():
            if step.run.status == "idle" and not step.is_accepted:
                step.is_dropped = True
        case.ended_at = self.desk.now
        self.record(verdict, reason)

    def record(self, verdict: str, reason: str) -> None:
        """A new record; all stay."""
        case = self.case
        case.verdict, case.verdict_reason = verdict, reason
        case.is_provisional = not self._all_final()
        case.report = self._report()
        self.desk.has_changed = True
        self.desk.say("outcome", **self.outcome())

    def outcome(self) -> dict[str, Any]:
        """The record's contents."""
        case, ledger = self.case, self.case.ledger
        return {
            "verdict": case.verdict,
            "reason": case.verdict_reason,
            "provisional": case.is_provisional,
            "at": case.ended_at,
            "ledger": _told(ledger.by_place("at", "delivered", "refunded")),
            "delivered": _told(ledger.by_place("delivered")),
            "refunded": _told(ledger.by_place("refunded")),
            "fees": {asset: str(amount) for asset, amount in ledger.by_asset("fees").items()},
            "surplus": {asset: str(amount) for asset, amount in ledger.by_asset("surplus").items()},
            "report": case.report,
            "steps": [{"name": s.name, "state": self.progress.shown(s)} for s in case.steps.values()],
        }

    def _report(self) -> dict[str, Any]:
        runs = [step.run for step in self.case.steps.values()]
        around = self.desk.around("", *runs)
        made: dict[str, Any] = {}
        for name, expression in self.plan.outcome.report:
            try:
                value = evaluate(expression, around)
            except EvaluationError as error:
                made[name] = f"{error.code} {error.message}"
                continue
            made[name] = str(value) if expression.type.name in NUMERIC and abs(value) > 2**53 - 1 else value
        return made

    def _all_final(self) -> bool:
        for step in self.case.steps.values():
            for run in (step.run, step.undo):
                if run is not None and run.status == "confirmed":
                    action = self.progress.action_of(step, run)
                    if action.final is not None and not self.desk.holds(f"{run.place}.final"):
                        return False
        return True

    def amend(self) -> None:
        """After the end: finality, what a reorganisation took back, and evidence that came late."""
        case = self.case
        if case.is_stopped:
            return
        if case.is_provisional and any(s.run.status == "unconfirmed" for s in case.steps.values()):
            self.desk.say("outcome_withdrawn", verdict=case.verdict, reason="UNCONFIRMED")
            case.ended_at, case.verdict, case.verdict_reason, case.is_provisional = None, "", "", False
            self.desk.has_changed = True
            return
        if case.reason == "OVER_SETTLED" and case.verdict_reason != "OVER_SETTLED":
            self.record(case.verdict, "OVER_SETTLED")
        elif case.verdict == "STRANDED" and not case.is_upgraded and self._derived_without_stuck():
            case.is_upgraded = True
            self.record(self._derived(), self._reason())
        elif case.is_provisional and self._all_final():
            self.record(case.verdict, case.verdict_reason)

    def _derived_without_stuck(self) -> bool:
        return not any(step.undo_state == "stuck" for step in self.case.steps.values())


def _told(balances: dict[str, dict[str, int]]) -> dict[str, dict[str, str]]:
    return {place: {asset: str(amount) for asset, amount in here.items()} for place, here in balances.items()}
