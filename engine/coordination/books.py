"""A coordination's ledger, made anew from what its actions are known to have moved, in an order of its own.

So it does not matter in which order evidence came: the same movements give the same ledger.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.coordination.case import Run, StepCase
from engine.coordination.desk import Desk
from engine.coordination.evaluate import evaluate
from engine.coordination.ledger import Amount, Ledger, LedgerViolationError
from engine.errors import EvaluationError
from engine.model.plans import Action, Moves

#: Where value from outside came from, when the plan does not say what it is to be paid back with.
OUTSIDE = "outside"


class Books:
    """Amounts of one coordination's actions, and the ledger that follows from them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.case = desk.case
        self.outline = desk.outline

    # -- amounts -------------------------------------------------------------------
    def note_left(self, step: StepCase | None, run: Run, action: Action, *, is_new: bool) -> bool:
        """Compute what left, when it is first known to have, and when what it is computed from is another.

        Returns:
            False if it cannot be computed yet: its evidence has not come.
        """
        moves = action.moves
        if moves is None or not moves.gives:
            run.via = self._via(step, run, moves)
            run.gives = [] if run.gives is None else run.gives
            return True
        if run.gives is None or is_new:
            found = self._computed(step, run, moves, "gives")
            if found is None:
                return False
            run.via = self._via(step, run, moves)
            run.gives = found
        return True

    def note_arrived(self, step: StepCase | None, run: Run, action: Action, *, is_new: bool) -> bool:
        """Compute what arrived; as ``note_left``."""
        moves = action.moves
        if moves is None:
            run.gets = []
            return True
        if run.gets is None or is_new:
            found = self._computed(step, run, moves, "gets")
            owes = self._computed(step, run, moves, "owes")
            if found is None or owes is None:
                return False
            run.gets, run.owes = found, owes
        return True

    def _computed(self, step: StepCase | None, run: Run, moves: Moves, side: str) -> list[Amount] | None:
        """The portions of one side, with the ledger as it is without this run's own bookings."""
        portions = {"gives": moves.gives, "gets": moves.gets, "owes": moves.owes}[side]
        if not portions:
            return []
        try:
            ledger = self._before(run, side)
        except LedgerViolationError as error:
            self.desk.stop(str(error))
            return None
        around = self.desk.around_run(step, run, ledger=ledger.read)
        try:
            return self.desk.portions(portions, around)
        except EvaluationError as error:
            self.desk.fault(run, f"{run.place}.{side}", error)
            if error.code != "X105":
                self.desk.stop(f"what {run.place} {side} cannot be computed: {error.message}")
            return None

    def _via(self, step: StepCase | None, run: Run, moves: Moves | None) -> str:
        """Where value is in between; an undo that does not say what it moves goes the step's way, back."""
        name = run.place if step is None else step.name
        if moves is None and step is not None and any(run is undo for undo in step.undos.values()):
            moves = self.desk.plan.by_name[step.name].action.moves
        if moves is None or moves.via is None:
            return name
        try:
            return str(evaluate(moves.via, self.desk.around_run(step, run)))
        except EvaluationError as error:
            self.desk.fault(run, f"{run.place}.via", error)
            return name

    def infer_left(self, step: StepCase, undo: Run, action: Action) -> None:
        """Value came back, so it had left, though nothing told so: as much as the step gives, else as came back."""
        run = step.run
        if run.has_left or run.has_arrived or action.moves is None or not undo.gets:
            return
        declared = self.desk.plan.by_name[step.name].action
        if declared.moves is None:
            return
        run.via = self._via(step, run, declared.moves)
        found = self._computed(step, run, declared.moves, "gives")
        run.gives = list(undo.gets) if found is None else found
        run.has_left = True

    # -- the ledger ------------------------------------------------------------------
    def rebuild(self) -> None:
        """Bring the ledger to what is known; what does not add up stops the coordination."""
        if self.case.is_stopped:
            return
        try:
            ledger = self._built()
        except LedgerViolationError as error:
            self.desk.stop(str(error))
            return
        wrong = ledger.check()
        if wrong is not None:
            self.desk.stop(wrong)
        elif ledger != self.case.ledger:
            self.case.ledger = ledger
            self.desk.has_changed = True

    def _before(self, run: Run, side: str) -> Ledger:
        """The ledger as it was before this run; what it gave is at ``via`` when what arrives is computed."""
        ledger = self._built(skip=run.place)
        if side != "gives":
            ledger.show_under_way(run.gives or [], run.via)
        return ledger

    def _built(self, skip: str = "") -> Ledger:
        ledger = Ledger()
        ledger.bring(self.case.brings)
        steps = [self.case.steps[name] for name in self.outline.order]
        for step in steps:
            self._forward(ledger, step, skip)
        for step in reversed(steps):
            self._back(ledger, step, skip)
        for step in steps:
            if step.run.has_arrived and step.run.is_surplus and step.run.place != skip:
                ledger.surplus(step.run.gets or [])
        for run in (*self.case.past, *_inner(self.case.breach_way.small)):
            if run.place != skip:
                _book(ledger, run, into="at", missing="in")
        return ledger

    def _forward(self, ledger: Ledger, step: StepCase, skip: str) -> None:
        run = step.run
        into = "at" if self.outline.is_followed(step.name) else "delivered"
        if run.place != skip:
            if run.has_left:
                ledger.give(run.gives or [], run.via)
            if run.has_arrived and not run.is_surplus:
                ledger.get(run.gives or [], run.gets or [], run.via, into=into)
                ledger.owe(run.owes)
        for small in self._smalls(step, is_undo=False):
            if small.place != skip:
                _book(ledger, small, into=into, missing="in")
        if step.is_accepted:
            ledger.accept(self.value_of(step))

    def _back(self, ledger: Ledger, step: StepCase, skip: str) -> None:
        # A loan may cost more than it brought: then the rest comes from outside, as the loan did.
        missing = "surplus" if step.run.gives else "in"
        for number, undo in step.undos.items():
            if undo.place == skip or not undo.has_left:
                continue
            moves = self.desk.plan.by_name[step.name].undo[number].action.moves
            gives = undo.gives or [] if moves is not None and moves.gives else self._reverse(step, ledger)
            if undo.is_called_back:
                undo.is_extra = not any(ledger.lying(a.place, a.asset) for a in step.run.gets or [])
                if moves is None or not moves.gives:
                    gives = self._taken_all_the_same(step, undo, gives)
            ledger.give(gives, undo.via, missing=missing)
            if undo.has_arrived:
                gets = undo.gets or [] if moves is not None and moves.gets else self._home(step, gives)
                ledger.origins |= {(a.place, a.asset) for a in gets if a.place == OUTSIDE}
                ledger.get(gives, gets, undo.via, into="at", is_return=True)
        for small in self._smalls(step, is_undo=True):
            if small.place != skip:
                _book(ledger, small, into="at", missing="in")

    def _smalls(self, step: StepCase, *, is_undo: bool) -> Iterator[Run]:
        head = f"{step.name}.undo"
        active = (*_inner(step.run.way.small), *(r for u in step.undos.values() for r in _inner(u.way.small)))
        return (run for run in (*step.past, *active) if run.place.startswith(head) == is_undo)

    # -- what an undo takes and brings, unless it says so -----------------------------
    @staticmethod
    def _reverse(step: StepCase, ledger: Ledger) -> list[Amount]:
        """What the step brought (a loan: what is owed) as far as it is still there, or what is still on its way."""
        run = step.run
        if not run.has_left:
            return []
        if run.has_arrived and not run.is_surplus:
            gets = run.gets or []
            lent = {a.asset: a.place for a in gets}
            if run.owes and all(a.asset in lent for a in run.owes):
                return [Amount(a.asset, a.amount, lent[a.asset]) for a in run.owes]
            return [Amount(a.asset, min(a.amount, ledger.lying(a.place, a.asset)), a.place) for a in gets]
        return [Amount(a.asset, a.amount, run.via) for a in run.gives or []]

    @staticmethod
    def _taken_all_the_same(step: StepCase, undo: Run, gives: list[Amount]) -> list[Amount]:
        """What an undo took that was called back: what it brought home, if more than was there for it to take.

        An undo that does not say what it brings brings what the step had brought.
        """
        if not step.run.has_arrived or not undo.has_arrived:
            return gives
        come = {a.asset: a.amount for a in undo.gets or step.run.gets or []}
        taken = {a.asset: a.amount for a in gives}
        return [Amount(a.asset, max(taken.get(a.asset, 0), come.get(a.asset, 0)), a.place) for a in step.run.gets or []]

    @staticmethod
    def _home(step: StepCase, taken: list[Amount]) -> list[Amount]:
        """Back to where it left: as much of an asset as was taken, for another asset the amount that it was got for.

        What was paid as a fee does not come back.
        """
        run = step.run
        if not run.gives:
            return list(run.owes) or [Amount(a.asset, a.amount, OUTSIDE) for a in taken]
        there: dict[str, int] = {}
        for a in taken:
            there[a.asset] = there.get(a.asset, 0) + a.amount
        was_exchanged = not there.keys() <= {a.asset for a in run.gives}
        home = []
        for a in run.gives:
            amount = min(a.amount, there.get(a.asset, a.amount if was_exchanged else 0))
            if a.asset in there:
                there[a.asset] -= amount
            if amount:
                home.append(Amount(a.asset, amount, a.place))
        return home

    # -- where a step's value is ------------------------------------------------------
    def value_of(self, step: StepCase) -> list[Amount]:
        """What the step has to do with, where it is: what it moved, else what those before it brought."""
        run = step.run
        if run.has_left:
            return (
                (run.gets or []) if run.has_arrived else [Amount(a.asset, a.amount, run.via) for a in run.gives or []]
            )
        before = [self.case.steps[name].run for name in self.outline.earlier[step.name]]
        if not self.desk.plan.by_name[step.name].after:
            return self.case.brings
        return [amount for other in before if other.has_arrived for amount in other.gets or []]


def _inner(run: Run | None) -> Iterator[Run]:
    return iter(()) if run is None else run.with_small()


def _book(ledger: Ledger, run: Run, *, into: str, missing: str) -> None:
    """A small step: what it brings to where it first left is back, the rest as its step would have brought it."""
    if run.has_left:
        ledger.give(run.gives or [], run.via, missing=missing)
    if run.has_arrived:
        ledger.get(run.gives or [], run.gets or [], run.via, into=into, is_return=True)
        ledger.owe(run.owes)
