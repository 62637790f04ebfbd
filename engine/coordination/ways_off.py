"""Off the good path: why a step is there, and which of its alternatives is taken."""

from __future__ import annotations

from typing import Final

from engine.coordination.bookings import Bookings
from engine.coordination.case import LOST, Run, StepCase
from engine.coordination.desk import Desk
from engine.coordination.progress import Progress
from engine.coordination.sensors import condition_name
from engine.coordination.unwinding import Unwinding
from engine.model.plans import Alternative
from engine.model.rules import Let

#: What an alternative does, in this order.
_STAGES: Final = ("retry", "undo", "hold", "action", "accept", "escalate", "end")


class WaysOff:
    """Finds the cause a step waits for and takes its alternatives."""

    def __init__(self, desk: Desk, progress: Progress, bookings: Bookings, unwinding: Unwinding) -> None:
        self.desk = desk
        self.case = desk.case
        self.plan = desk.plan
        self.progress = progress
        self.bookings = bookings
        self.unwinding = unwinding

    def look(self, step: StepCase) -> None:
        """Go on with what is being done off the good path, or see whether something must be."""
        if step.active is not None:
            self._go_on(step)
            return
        cause = self.cause_of(step)
        if cause != step.cause:
            step.cause, step.cause_since = cause, self.desk.now
            step.counting = {k: v for k, v in step.counting.items() if k.startswith(f"{cause}:")} if cause else {}
            self.desk.has_changed = True
        if cause:
            self._choose(step, cause)

    def cause_of(self, step: StepCase) -> str:
        """Why the step does not go on; empty if it does, or has."""
        run, case = step.run, self.case
        if step.is_dropped or step.is_accepted or step.undo_state in ("undone", "stuck"):
            return ""
        if run.is_late and run.status == "confirmed":
            return "late"
        if run.status == "confirmed":
            return ""
        if run.status == "unconfirmed":
            return "unconfirmed"
        if run.is_timed_out and step.undo is None and not step.at_once:
            return "timeout"
        if run.status in LOST:
            return "" if self.progress.has_attempt_left(step) or step.wants_retry or case.is_unwinding else run.status
        if run.status == "unknown":
            return "unknown"
        if case.is_unwinding or step.ready_at is None or run.status != "idle":
            return ""
        if self.plan.by_name[step.name].action.command is None or self.progress.may_command(step):
            return ""
        return "blocked" if all(self.progress.is_done(n) for n in self.plan.by_name[step.name].after) else ""

    # -- choosing ----------------------------------------------------------------
    def alternatives(self, step: StepCase, cause: str) -> tuple[Alternative, ...]:
        """Those declared for the cause, else its default."""
        declared = self.plan.by_name[step.name]
        found = declared.action.alternatives(cause)
        if found is not None:
            return found
        span = declared.span
        match cause:
            case "failed" | "refused":
                return (Alternative(span, undo=True),)
            case "timeout":
                if self.is_unused(step):
                    return (Alternative(span, undo=True),)
                return (Alternative(span, escalate=True),)
            case "unconfirmed":
                return (Alternative(span, for_ms=declared.action.within_ms or 0, escalate=True),)
            case "late":
                began_undo = step.undo is not None or step.at_once
                return (Alternative(span, undo=True) if began_undo else Alternative(span, escalate=True),)
            case _:
                return ()

    def is_unused(self, step: StepCase) -> bool:
        """Whether it is proven that nothing left with the last attempt."""
        declared = self.plan.by_name[step.name].action
        if step.run.status in LOST or not step.run.commands:
            return True
        return declared.unused is not None and self.desk.holds(f"{step.name}.unused")

    def _choose(self, step: StepCase, cause: str) -> None:
        for index, alternative in enumerate(self.alternatives(step, cause)):
            name = f"{cause}:{index}"
            if name in step.taken:
                continue
            if not self._may(step, cause, index, alternative):
                step.counting.pop(name, None)
                continue
            since = step.counting.setdefault(name, self.desk.now)
            if not self.desk.later(since + alternative.for_ms):
                continue
            step.taken.append(name)
            step.active = (cause, index, 0)
            if alternative.reason is not None:
                self.case.reason = alternative.reason
            self.desk.has_changed = True
            self._go_on(step)
            return

    def _may(self, step: StepCase, cause: str, index: int, alternative: Alternative) -> bool:
        place = f"{step.name}!{cause}{index}"
        if alternative.when is not None and not self.desk.holds(f"{place}.when"):
            return False
        if alternative.missing is not None and set(alternative.missing) != self.unmet_reasons(step):
            return False
        return not alternative.retry or self.is_unused(step)

    def unmet_reasons(self, step: StepCase) -> set[str]:
        """Reasons of the terms of the step's ``when`` that do not hold; a term without one counts as ``""``."""
        return {reason or "" for reason in self.unmet(step)}

    def unmet(self, step: StepCase) -> list[str | None]:
        """The reason of each term of the step's ``when`` that does not hold, in file order."""
        when = self.plan.by_name[step.name].when
        if when is None:
            return []
        found = []
        for number, term in enumerate(when.terms):
            if not isinstance(term, Let) and not self.desk.holds(f"{step.name}.when.{number}"):
                found.append(term.reason)
        return found

    # -- doing -------------------------------------------------------------------
    def _go_on(self, step: StepCase) -> None:
        """Do what the alternative names, stage by stage; some stages wait."""
        while step.active is not None:
            cause, index, stage = step.active
            alternatives = self.alternatives(step, cause)
            if stage >= len(_STAGES) or index >= len(alternatives):
                self._finish(step)
                return
            if not self._stage(step, cause, index, alternatives[index], _STAGES[stage]):
                return
            if step.active is not None:
                step.active = (cause, index, stage + 1)

    def _finish(self, step: StepCase) -> None:
        step.active = None
        step.small = None
        step.hold_until = None
        self.desk.has_changed = True

    def _stage(self, step: StepCase, cause: str, index: int, alternative: Alternative, stage: str) -> bool:
        """Do one stage; False while it must be waited for."""
        desk = self.desk
        match stage:
            case "retry" if alternative.retry:
                step.wants_retry = True
                step.run.is_timed_out = False
                self._finish(step)
            case "undo" if alternative.undo:
                self.unwinding.begin(alternative.reason or self.case.reason or cause.upper(), step)
            case "hold" if alternative.hold_ms:
                if step.hold_until is None:
                    step.hold_until = desk.now + alternative.hold_ms
                return desk.later(step.hold_until)
            case "action" if alternative.action is not None:
                return self._small_step(step, cause, index, alternative)
            case "accept" if alternative.accept:
                self._accept(step)
            case "escalate" if alternative.escalate:
                desk.escalate(step.name, alternative.reason or cause.upper(), desk.where(step))
            case "end" if alternative.end is not None:
                self.case.verdict_reason = alternative.reason or self.case.reason or cause.upper()
                self.case.verdict = alternative.end
        return True

    def _accept(self, step: StepCase) -> None:
        """The value stays where it is; an unwinding is over, and an undo in flight is asked back."""
        self.bookings.accepted(step)
        step.is_accepted = True
        self.case.is_unwinding = False
        for other in self.case.steps.values():
            if other.undo is not None and other.undo_state == "running":
                self.desk.withdraw(other.undo)
            if other.undo_state not in ("undone", "stuck"):
                other.undo_state = ""
            other.at_once = False
        self.desk.has_changed = True

    def _small_step(self, step: StepCase, cause: str, index: int, alternative: Alternative) -> bool:
        """Carry out a small step; True when it has ended, or the step's own evidence has come."""
        action = alternative.action
        assert action is not None  # noqa: S101 - the caller has looked
        if step.run.status == "confirmed" and cause != "late":
            return True
        if step.small is None:
            step.small = Run(f"{step.name}!{cause}{index}")
            if action.command is not None:
                self._command_small(step, step.small, alternative)
        small = step.small
        self.progress.observe(step, small, action)
        if small.status == "confirmed":
            return True
        if small.status in LOST:
            if small.attempt <= len(action.waits_ms) and action.command is not None and small.known_at is not None:
                if self.desk.later(small.known_at + action.waits_ms[small.attempt - 1]):
                    self._command_small(step, small, alternative)
                return False
            return self._small_otherwise(step, small.status, alternative)
        if small.is_timed_out:
            return self._small_otherwise(step, "timeout", alternative)
        return False

    def _command_small(self, step: StepCase, small: Run, alternative: Alternative) -> None:
        """Command a small step; its values may read what the alternative's ``when`` binds."""
        if alternative.when is not None:
            self.desk.bind(f"{small.place}.when", small, as_evidence=False)
        action = alternative.action
        assert action is not None  # noqa: S101 - the caller has looked
        assert action.command is not None  # noqa: S101 - the caller has looked
        self.desk.command(step, small, action.command, self.desk.around(step.name, step.run, small))

    def _small_otherwise(self, step: StepCase, cause: str, alternative: Alternative) -> bool:
        """A small step failed: its own ``otherwise``, as far as it needs no further small step, else go on without."""
        assert alternative.action is not None  # noqa: S101 - the caller has looked
        for number, other in enumerate(alternative.action.alternatives(cause) or ()):
            place = f"{step.small.place if step.small is not None else step.name}!{cause}{number}"
            if other.when is not None and not self.desk.holds(f"{place}.when"):
                continue
            if other.reason is not None:
                self.case.reason = other.reason
            if other.undo:
                self.unwinding.begin(other.reason or self.case.reason or cause.upper(), step)
            if other.accept:
                self._accept(step)
            if other.escalate:
                self.desk.escalate(step.name, other.reason or cause.upper(), self.desk.where(step))
            if other.end is not None:
                self.case.verdict, self.case.verdict_reason = other.end, other.reason or cause.upper()
            break
        return True

    def sensor_name(self, place: str) -> str:
        """For explanations."""
        return condition_name(self.plan, place)
