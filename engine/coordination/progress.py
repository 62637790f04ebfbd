"""What evidence, reports and time make of a run: forward from any state, in whatever order they come."""

from __future__ import annotations

from typing import Final

from engine.coordination.books import Books
from engine.coordination.case import FLYING, LOST, FactName, Run, StepCase
from engine.coordination.desk import Desk
from engine.coordination.evaluate import evaluate
from engine.coordination.evidence import Evidence
from engine.errors import EvaluationError
from engine.model.plans import Action

#: Statuses of a command that has had no effect, and what its attempt is called then.
_NO_EFFECT: Final = {"failed": "failed", "refused": "refused", "expired": "failed", "withdrawn": "failed"}


class Progress:
    """Moves the runs of one coordination forward; a reorganisation, and only that, moves them back."""

    def __init__(self, desk: Desk, books: Books, evidence: Evidence) -> None:
        self.desk = desk
        self.case = desk.case
        self.plan = desk.plan
        self.books = books
        self.evidence = evidence

    def action_of(self, run: Run) -> Action:
        """What a run carries out."""
        return self.desk.outline.actions[run.place]

    # -- evidence ----------------------------------------------------------------
    def observe(self, step: StepCase | None, run: Run) -> None:
        """Bring a run to what its reports and evidence say."""
        action = self.action_of(run)
        self.evidence.prune(run)
        if self._is_shown(step, run, action) and self._confirm(step, run, action):
            return
        if run.status == "confirmed":
            return
        if run.lost != "confirmed" and self.evidence.shows_seen(run, action):
            self._see(step, run, action)
        if run.status in FLYING:
            self._follow_report(step, run, action)
        if run.status in FLYING and self.evidence.shows_failure(run, action):
            self.lose(step, run, "failed")
        self._look_at_time(run, action)
        # Neither is failed, unless it is proven that nothing left and `retry` needs to know.
        if run.status in ("unknown", "unconfirmed") and self.has_retry_left(run) and self.is_without_effect(run):
            self.lose(step, run, "failed")

    def _is_shown(self, step: StepCase | None, run: Run, action: Action) -> bool:
        """It is done, and by evidence that does not count for another action of the step."""
        if not self.evidence.shows_confirmed(run, action):
            return False
        if run.status == "confirmed" or step is None or run is step.run:
            return True
        undos = [undo for undo in step.undos.values() if undo.status == "confirmed"]
        is_undo = any(run is undo for undo in step.undos.values())
        others = undos if is_undo else [step.run] if self.desk.holds(f"{step.name}.confirmed") else []
        return not self.evidence.shows_nothing_but(run, action, {f for other in others for f in other.confirmed_on})

    def _see(self, step: StepCase | None, run: Run, action: Action) -> None:
        changed = self._bind_seen(run, action)
        if not self.books.note_left(step, run, action, is_new=changed):
            return
        if run.status != "seen":
            run.status, run.lost, changed = "seen", "", True
        if run.within_from is None:
            # Nothing was commanded: somebody else did it. Its time counts from here.
            run.within_from = self.desk.now
        run.has_left = True
        if changed:
            self.desk.has_changed = True
            self.books.rebuild()

    def _bind_seen(self, run: Run, action: Action) -> bool:
        if action.seen is None or not self.desk.holds(f"{run.place}.seen"):
            return False
        changed, facts = self.evidence.bind(f"{run.place}.seen", run)
        if facts:
            run.seen_on = facts
        return changed

    def _confirm(self, step: StepCase | None, run: Run, action: Action) -> bool:
        """False if what it moved cannot be computed yet: then it stays where it is."""
        changed = self._bind_seen(run, action)
        # What left is computed from what showed that it left: other evidence that it arrived does not change it.
        left = self.books.note_left(step, run, action, is_new=changed)
        if action.confirmed is not None:
            is_other, facts = self.evidence.bind(f"{run.place}.confirmed", run)
            changed = changed or is_other
            if facts:
                run.confirmed_on = facts
        if not left or not self.books.note_arrived(step, run, action, is_new=changed):
            return False
        if run.status != "confirmed":
            changed = True
            self._become_confirmed(step, run)
        run.has_left = run.has_arrived = True
        if changed:
            if step is not None and any(run is undo for undo in step.undos.values()):
                self.books.infer_left(step, run, action)
            self.books.rebuild()
        if step is not None and run is step.run:
            self._note_effective(step)
        return True

    def _become_confirmed(self, step: StepCase | None, run: Run) -> None:
        run.status, run.lost = "confirmed", ""
        run.confirmed_at = self.desk.now
        self.desk.has_changed = True
        if run.is_called_back:
            run.is_after_end = not self.case.is_open
        if step is None or run is not step.run:
            return
        run.is_late = run.is_timed_out or step.is_undoing
        run.is_after_end = not self.case.is_open
        run.is_surplus = any(undo.has_left for undo in step.undos.values())

    def _note_effective(self, step: StepCase) -> None:
        declared = self.plan.by_name[step.name].effective
        if declared is None or step.effective:
            return
        around = self.desk.around_run(step, step.run)
        for name in ("network", "time", "height", "index"):
            expression = getattr(declared, name)
            if expression is not None:
                try:
                    step.effective[name] = evaluate(expression, around)
                except EvaluationError as error:
                    self.desk.fault(step.run, f"{step.name}.effective", error)

    # -- failure -------------------------------------------------------------------
    def _follow_report(self, step: StepCase | None, run: Run, action: Action) -> None:
        told = self.desk.status(run.command)
        is_seen = run.status == "seen" and action.seen is not None
        if told in _NO_EFFECT and not is_seen:
            self.lose(step, run, _NO_EFFECT[told])
        elif told in ("submitted", "done") and run.status in ("commanded", "unknown"):
            run.status = "submitted"
            self.desk.has_changed = True
        elif told == "unknown" and run.status in ("commanded", "submitted"):
            run.status = "unknown"
            self.desk.has_changed = True

    def lose(self, step: StepCase | None, run: Run, status: str) -> None:
        """The last attempt is known to have had no effect."""
        told = self.desk.status(run.command)
        run.failed_on = [] if told in _NO_EFFECT else self.evidence.behind_failure(run, self.action_of(run))
        run.status, run.lost = status, ""
        run.known_at = self.desk.now
        run.has_left = run.has_arrived = False
        run.gives = run.gets = None
        self.evidence.spend(run, self.action_of(run))
        if step is not None and run is not step.run and not any(undo.has_left for undo in step.undos.values()):
            step.run.is_surplus = False
        self.books.rebuild()
        self.desk.has_changed = True

    def is_without_effect(self, run: Run) -> bool:
        """Whether it is known that the last attempt had no effect; of what is only waited for that is never known."""
        action = self.action_of(run)
        if run.status in LOST:
            return True
        if run.status in ("idle", "confirmed") or (run.has_left and action.seen is not None):
            return False
        return self.evidence.shows_unused(run, action)

    def has_retry_left(self, run: Run) -> bool:
        """Whether ``retry`` allows a further attempt."""
        return not run.is_timed_out and run.retried < len(self.action_of(run).waits_ms)

    def is_retry_due(self, run: Run) -> bool:
        """Whether the wait before the next attempt is over."""
        if run.wants_retry:
            return True
        if run.status not in LOST or run.known_at is None or not self.has_retry_left(run):
            return False
        return self.desk.later(run.known_at + self.action_of(run).waits_ms[run.retried])

    # -- time ----------------------------------------------------------------------
    def _look_at_time(self, run: Run, action: Action) -> None:
        """``within`` is inclusive. What a reorganisation took waits for its evidence, not for the clock."""
        since = run.within_from
        if action.within_ms is None or since is None or run.is_timed_out or run.status in ("confirmed", "unconfirmed"):
            return
        if self.desk.later(since + action.within_ms + 1):
            run.is_timed_out = True
            self.desk.has_changed = True

    # -- reorganisation ------------------------------------------------------------
    def reorganised(self, step: StepCase | None, run: Run, gone: set[FactName]) -> None:
        """Facts left with their blocks: what rested on one of them is unconfirmed until evidence returns."""
        action = self.action_of(run)
        took_seen = any(fact in gone for fact in run.seen_on)
        took_confirmed = any(fact in gone for fact in run.confirmed_on)
        is_seen = action.seen is None or self.evidence.shows_seen(run, action)
        if took_seen:
            run.seen_on = [fact for fact in run.seen_on if fact not in gone]
            run.chosen.pop(f"{run.place}.seen", None)
        if took_confirmed:
            run.confirmed_on = [fact for fact in run.confirmed_on if fact not in gone]
            run.chosen.pop(f"{run.place}.confirmed", None)
        if run.status == "confirmed" and took_confirmed and not self.evidence.shows_confirmed(run, action):
            self._unconfirm(step, run, "confirmed" if is_seen else "seen")
        elif run.status in ("seen", "unconfirmed") and took_seen and not is_seen:
            self._unconfirm(step, run, "seen")
        elif run.status in LOST and any(fact in gone for fact in run.failed_on):
            self._doubt_failure(run, action, gone)

    def _doubt_failure(self, run: Run, action: Action, gone: set[FactName]) -> None:
        """What showed that an attempt had no effect is gone: it may have one yet, so nothing is tried in its place."""
        run.failed_on = [fact for fact in run.failed_on if fact not in gone]
        if self.evidence.shows_failure(run, action) or self.evidence.shows_unused(run, action):
            return
        run.status, run.known_at, run.wants_retry = "commanded", None, False
        run.spent = run.spent_before
        self.desk.has_changed = True

    def _unconfirm(self, step: StepCase | None, run: Run, lost: str) -> None:
        run.status, run.lost = "unconfirmed", lost
        run.has_arrived, run.gets = False, None
        if lost == "seen":
            run.has_left, run.gives = False, None
        if step is not None and run is step.run:
            step.effective = {}
        if step is not None and run is step.undo and step.undo_state == "undone":
            step.undo_state = "running"
        self.books.rebuild()
        self.desk.has_changed = True
