"""Leaving value where it is: it counts as delivered."""

from __future__ import annotations

from engine.coordination.books import Books
from engine.coordination.case import FLYING, StepCase
from engine.coordination.course import Course
from engine.coordination.desk import Desk


class Accepting:
    """Accepts for one coordination."""

    def __init__(self, desk: Desk, books: Books) -> None:
        self.desk = desk
        self.case = desk.case
        self.books = books

    def accept(self, course: Course, cause: str) -> None:
        """The value of the step (of all steps of a relation) stays. For what came late, that ends the unwinding."""
        if course.step is not None:
            steps = [course.step]
        else:
            assert self.case.breach is not None  # noqa: S101 - only a broken relation has a course
            names = self.desk.plan.relations[self.case.breach].steps
            steps = [self.case.steps[name] for name in names if self.case.steps[name].run.has_left]
        for step in steps:
            step.is_accepted = True
            self._call_back(step)
        if cause == "late" and self.case.is_unwinding:
            self.case.is_unwinding = False
            self.case.unmet = self.case.fallback = ""
            for step in self.case.steps.values():
                self._call_back(step)
        self.books.rebuild()
        self.desk.has_changed = True

    def _call_back(self, step: StepCase) -> None:
        """An undo in flight is asked to be withdrawn; what nobody has taken yet will not be done."""
        if step.undo_state not in ("undone", "stuck"):
            step.undo_state = ""
        step.at_once = False
        for undo in step.undos.values():
            undo.is_called_back = undo.status in FLYING
            self.desk.withdraw(undo)
