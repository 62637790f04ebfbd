"""Ends a coordination, keeps records of how, and amends them when later evidence asks for it. All records stay."""

from __future__ import annotations

from typing import Any

from engine import limits
from engine.coordination.case import FLYING, Run, StepCase
from engine.coordination.desk import Desk
from engine.coordination.evaluate import evaluate
from engine.coordination.forward import Forward
from engine.coordination.ledger import PLACED
from engine.coordination.progress import Progress
from engine.coordination.shown import shown_state
from engine.coordination.unwinding import Unwinding
from engine.coordination.verdicts import Verdicts
from engine.errors import EvaluationError
from engine.model.kinds import NUMERIC


class Judgement:
    """Gives and amends the verdict of one coordination."""

    def __init__(self, desk: Desk, progress: Progress, forward: Forward, unwinding: Unwinding) -> None:
        self.desk = desk
        self.case = desk.case
        self.plan = desk.plan
        self.progress = progress
        self.forward = forward
        self.unwinding = unwinding
        self.verdicts = Verdicts(desk)

    # -- the end -----------------------------------------------------------------
    def look_achieved(self) -> None:
        """End as soon as the outcome has come about and nothing is in flight: nothing is undone for a bystander."""
        case = self.case
        if not case.is_open or case.is_stopped or case.is_unwinding or case.decreed is not None:
            return
        if not self._is_untouched() and not self._is_busy() and self.verdicts.is_achieved():
            self.end(self.verdicts.of_achieved(), case.reason)

    def look(self) -> None:
        """End the coordination if it has come to an end."""
        case = self.case
        if not case.is_open or case.is_stopped:
            return
        if case.decreed is not None:
            self.end(*case.decreed)
        elif case.is_unwinding:
            if self.unwinding.is_over() and case.breach_way.active is None:
                self.end(self.verdicts.derived(), self.verdicts.reason())
        elif self._is_unbegun():
            self._expire()
        elif not self._is_busy():
            if self._is_window_closed():
                self.unwinding.begin("WINDOW_CLOSED", self.forward.first_unmet())
            elif case.is_past_deadline:
                self.unwinding.begin("DEADLINE", self.forward.first_unmet())
            elif all(self._is_finished(name) for name in case.steps):
                self.end(self.verdicts.derived(), self.verdicts.reason() or "NOT_ACHIEVED")

    def _is_untouched(self) -> bool:
        """Nothing was ever commanded, and nothing came about without a command."""
        steps = self.case.steps.values()
        return self.case.first_command_at is None and all(s.run.status == "idle" and not s.is_accepted for s in steps)

    def _is_unbegun(self) -> bool:
        """Nothing was ever commanded, and nothing moves or has moved: what time alone confirmed is no beginning."""
        case = self.case
        runs = (step.run for step in case.steps.values() if not step.is_dropped)
        is_waiting = any(run.status == "idle" for run in runs) and not any(s.is_accepted for s in case.steps.values())
        return is_waiting and not case.has_begun

    def _is_window_closed(self) -> bool:
        """What others moved stands, but no command came while one might, and one is still to come."""
        case = self.case
        if case.start_before is None or case.first_command_at is not None:
            return False
        waits = any(
            step.run.status == "idle" and not step.is_dropped and not step.is_accepted
            for step in case.steps.values()
            if self.plan.by_name[step.name].action.command is not None
        )
        return waits and self.desk.later(case.start_before)

    def _expire(self) -> None:
        """The window to begin, or the deadline, passed before any command."""
        case = self.case
        is_over = case.is_past_deadline
        if case.start_before is not None:
            is_over = self.desk.later(case.start_before) or is_over
        is_busy = any(step.run.way.active is not None for step in case.steps.values())
        if is_over and not is_busy:
            self.end("EXPIRED", self.forward.first_unmet() or "WINDOW_CLOSED")

    def _is_busy(self) -> bool:
        """Something is in flight, or an alternative is being done."""
        for step in self.case.steps.values():
            if step.run.way.active is not None or step.undo_state in ("running", "waiting"):
                return True
            if self.unwinding.may_come_back(step):
                return True
            if step.run.status in FLYING and not step.is_accepted and step.undo_state not in ("undone", "stuck"):
                return True
            if self.forward.may_try_again(step):
                return True
        return self.case.breach_way.active is not None

    def _is_finished(self, name: str) -> bool:
        step = self.case.steps[name]
        return step.run.status == "confirmed" or step.is_accepted or step.is_dropped or step.undo_state != ""

    # -- records -------------------------------------------------------------------
    def end(self, verdict: str, reason: str) -> None:
        """Give the verdict; steps never commanded are dropped. What was waited for in vain may come all the same."""
        case = self.case
        for step in case.steps.values():
            if step.run.status == "idle" and not step.is_accepted and not step.run.is_timed_out:
                step.is_dropped = True
        case.ended_at = self.desk.now
        if verdict == "STRANDED":
            for step in self.verdicts.stranded():
                self.desk.escalate(step.name, "STRANDED", self.desk.where(step))
        self.record(verdict, reason)

    def close(self) -> None:
        """What was stopped ends where its value was last known to be: nobody else knows better than who closes it."""
        case = self.case
        case.ended_at = self.desk.now
        self.record("STRANDED", "LEDGER")
        case.is_provisional = False

    def record(self, verdict: str, reason: str) -> None:
        """A new record. A verdict that was final stays so, whatever comes after it: nothing is begun anew for that."""
        case = self.case
        was_final = case.verdict == verdict and not case.is_provisional
        case.verdict, case.verdict_reason = verdict, reason
        case.is_provisional = not was_final and not self._is_all_final()
        case.report = self._report()
        case.recorded_at = self.desk.now
        self.desk.has_changed = True
        self.desk.say("outcome", **self.told())

    def standing(self) -> dict[str, Any]:
        """How a coordination without a verdict stands now."""
        return self.told() | {"report": self._report()}

    def told(self) -> dict[str, Any]:
        """The record as others read it; of a coordination without a verdict, how it stands."""
        case, ledger = self.case, self.case.ledger
        return {
            "verdict": case.verdict,
            "reason": case.verdict_reason,
            "provisional": case.is_provisional,
            "at": case.ended_at,
            "ledger": _told(ledger.by_place(*PLACED)),
            "delivered": _told(ledger.by_place("delivered")),
            "refunded": _told(ledger.by_place("refunded")),
            "fees": {asset: str(amount) for asset, amount in ledger.by_asset("fees").items()},
            "surplus": {asset: str(amount) for asset, amount in ledger.by_asset("surplus").items()},
            "report": case.report,
            "steps": [{"name": s.name, "state": shown_state(s)} for s in case.steps.values()],
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
            is_large = expression.type.name in NUMERIC and abs(value) > limits.MAX_JSON_INT
            made[name] = str(value) if is_large else value
        return made

    # -- finality --------------------------------------------------------------------
    def _is_all_final(self) -> bool:
        """Of a step that was undone only the undo counts: its own value is there no more."""
        return all(self._is_final(run) for run in self._standing())

    def _standing(self) -> list[Run]:
        found: list[Run] = list(self.case.past)
        for step in self.case.steps.values():
            is_undone = step.undo_state == "undone"
            found += list(step.undos.values()) if is_undone else [step.run]
            found += step.past
        return found

    def _is_final(self, run: Run) -> bool:
        action = self.progress.action_of(run)
        return run.status != "confirmed" or action.final is None or self.desk.holds(f"{run.place}.final")

    # -- after the end -----------------------------------------------------------------
    def withdraw(self) -> None:
        """Take back a provisional verdict on which a reorganisation has left something unconfirmed."""
        case = self.case
        if case.is_stopped or not case.is_provisional:
            return
        if any(run.status == "unconfirmed" for run in self._all_runs()):
            self.desk.say("outcome_withdrawn", verdict=case.verdict, reason="UNCONFIRMED")
            case.ended_at, case.verdict, case.verdict_reason, case.is_provisional = None, "", "", False

    def amend(self) -> None:
        """Finality, and evidence that came late."""
        case = self.case
        if case.is_stopped:
            return
        self._tell_of_latecomers()
        if case.reason == "OVER_SETTLED" and case.verdict_reason != "OVER_SETTLED":
            self.record(case.verdict, "OVER_SETTLED")
        elif self._may_upgrade():
            case.is_upgraded = True
            self.record(self.verdicts.derived(), self.verdicts.reason())
        elif case.is_provisional and self._is_all_final():
            self.record(case.verdict, case.verdict_reason)

    def _may_upgrade(self) -> bool:
        """Value that was stranded has come where it should: once, and not if the plan itself named the verdict."""
        case = self.case
        if case.verdict != "STRANDED" or case.is_upgraded or case.decreed is not None:
            return False
        return next(self.verdicts.stranded(), None) is None

    def _all_runs(self) -> list[Run]:
        """Those on which the verdict rests, confirmed or not."""
        found = []
        for step in self.case.steps.values():
            found += list(step.undos.values()) if step.undos else [step.run]
        return found

    def _tell_of_latecomers(self) -> None:
        """The verdict stands, but somebody must know that value came after it."""
        for step in self.case.steps.values():
            run = step.run
            is_new = run.is_after_end and run.status == "confirmed" and run.has_moved and not run.is_surplus
            # It was called back when its value was accepted, and took that back after all.
            undone = (u for u in step.undos.values() if u.is_called_back and u.is_after_end and not u.is_extra)
            if is_new or any(undo.status == "confirmed" for undo in undone):
                self.desk.escalate(step.name, "LATE", self.desk.where(step))

    def note_surplus(self) -> None:
        """Value arrived although it was already returned: it is owed, and people are told once."""
        case = self.case
        if case.is_stopped or case.reason == "OVER_SETTLED" or not case.ledger.total("surplus"):
            return
        back = [step for step in case.steps.values() if self._is_returned(step) and step.run.has_arrived]
        if back:
            case.reason = "OVER_SETTLED"
            gets = back[0].run.gets or []
            self.desk.escalate(back[0].name, "OVER_SETTLED", gets[0].place if gets else "")
            self.desk.has_changed = True

    @staticmethod
    def _is_returned(step: StepCase) -> bool:
        extra = any(undo.is_extra and undo.status == "confirmed" for undo in step.undos.values())
        return extra or step.undo_state == "undone"

    def note_ledger(self) -> None:
        """The ledger changed after the end: the verdict stands, on a new record."""
        if not self.case.is_open and not self.case.is_stopped:
            self.record(self.case.verdict, self.case.verdict_reason)


def _told(balances: dict[str, dict[str, int]]) -> dict[str, dict[str, str]]:
    return {place: {asset: str(amount) for asset, amount in here.items()} for place, here in balances.items()}
