"""A cancel: heeded before the point of no return; the first time it is heard, and never again."""

from __future__ import annotations

from engine.coordination.desk import Desk
from engine.coordination.unwinding import Unwinding


class Cancelling:
    """Hears the cancel of one coordination."""

    def __init__(self, desk: Desk, unwinding: Unwinding) -> None:
        self.desk = desk
        self.case = desk.case
        self.unwinding = unwinding

    def look(self) -> None:
        """Heed it, refuse it, or write down that it came."""
        case, desk = self.case, self.desk
        if case.cancel_heard or not desk.holds("cancel"):
            return
        case.cancel_heard = True
        desk.has_changed = True
        if not case.is_open or case.is_stopped:
            desk.say("cancel_recorded", reason="ENDED" if not case.is_open else "STOPPED")
        elif case.is_unwinding:
            desk.say("cancel_recorded", reason="UNWINDING")
        elif self._is_too_late() and not self._is_nothing_taken():
            desk.say("cancel_refused", reason="TOO_LATE")
        else:
            case.cancelled_at = desk.now
            case.reason = "CANCELLED"
            self.unwinding.begin("CANCELLED")

    def _is_too_late(self) -> bool:
        """The step after which there is no return was commanded, or what stands instead of it."""
        last = self.desk.plan.last_before_return
        if last is None:
            return False
        names = (last, *self.desk.outline.partners[last])
        return any(self.case.steps[name].run.status != "idle" for name in names)

    def _is_nothing_taken(self) -> bool:
        """Every command of the coordination still waits for dispatch."""
        commands = [command for run in self.case.runs() for command in run.commands]
        return bool(commands) and all(self.desk.status(command) == "queued" for command in commands)
