"""Books what actions do to value, with the amounts the evidence shows."""

from __future__ import annotations

from engine.coordination.case import Run, StepCase
from engine.coordination.desk import Desk
from engine.coordination.evaluate import evaluate
from engine.coordination.ledger import Amount, LedgerViolationError
from engine.errors import EvaluationError
from engine.model.plans import Action, Moves


class Bookings:
    """The ledger entries of one coordination's actions."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.ledger = desk.case.ledger

    def left(self, step: StepCase, run: Run, action: Action) -> None:
        """The action's value has left its place."""
        if run.gives or self.desk.case.is_stopped:
            return
        portions = self._gives(step, run, action)
        if portions is None:
            return
        run.gives = portions
        self.ledger.take_back(f"{run.place}.gives")
        self.ledger.give(f"{run.place}.gives", portions, run.via)
        self._check()

    def arrived(self, step: StepCase, run: Run, action: Action, *, into: str) -> None:
        """The action's value has arrived, or arrived in another amount than was booked."""
        if self.desk.case.is_stopped:
            return
        self.left(step, run, action)
        portions = self._gets(step, run, action)
        if portions is None or portions == run.gets:
            return
        self.ledger.take_back(f"{run.place}.gets")
        try:
            self.ledger.get(f"{run.place}.gets", run.gives, portions, run.via, into=into)
        except LedgerViolationError as error:
            self.desk.stop(str(error))
            return
        run.gets = portions
        self._check()

    def arrived_again(self, step: StepCase, run: Run, action: Action) -> None:
        """It arrived although it was returned already: it is owed."""
        portions = self._gets(step, run, action)
        if portions and not run.gets:
            run.gets = portions
            self.ledger.surplus(f"{run.place}.surplus", portions)
            self._check()

    def had_no_effect(self, run: Run) -> None:
        """What was booked rests on nothing any more."""
        if run.has_left:
            self.ledger.take_back(f"{run.place}.gets")
            self.ledger.take_back(f"{run.place}.gives")
            run.gives, run.gets = [], []
            self._check()

    def has_not_arrived(self, run: Run) -> None:
        """The arrival is no longer shown; that it left still is."""
        if run.gets:
            self.ledger.take_back(f"{run.place}.gets")
            run.gets = []
            self._check()

    def accepted(self, step: StepCase) -> None:
        """A step's value stays where it is and counts as delivered."""
        run = step.run
        portions = run.gets or [Amount(a.asset, a.amount, run.via) for a in run.gives]
        self.ledger.accept(f"{run.place}.accepted", portions)
        self._check()

    # -- portions ------------------------------------------------------------------
    def _gives(self, step: StepCase, run: Run, action: Action) -> list[Amount] | None:
        moves = action.moves
        if moves is None:
            if run is not step.undo:
                return None
            back = self._reverse(step)
            run.via = f"{step.name}.undo"
            return [Amount(a.asset, a.amount, a.place) for a in back]
        run.via = self._via(step, run, moves)
        return self._evaluated(step, run, moves, "gives")

    def _gets(self, step: StepCase, run: Run, action: Action) -> list[Amount] | None:
        moves = action.moves
        if moves is not None:
            return self._evaluated(step, run, moves, "gets")
        if run is not step.undo:
            return None
        return self._home(step)

    def _evaluated(self, step: StepCase, run: Run, moves: Moves, side: str) -> list[Amount] | None:
        portions = moves.gives if side == "gives" else moves.gets
        around = self.desk.around(step.name, step.run, run)
        try:
            return [Amount(a, n, p) for a, n, p in self.desk.portions(portions, around)]
        except EvaluationError as error:
            self.desk.say("dropped", place=f"{run.place}.{side}", code=error.code, message=error.message)
            return None

    def _via(self, step: StepCase, run: Run, moves: Moves) -> str:
        if moves.via is None:
            return step.name if run is step.run else run.place
        try:
            return str(evaluate(moves.via, self.desk.around(step.name, step.run, run)))
        except EvaluationError:
            return step.name

    def _reverse(self, step: StepCase) -> list[Amount]:
        """What an undo without ``moves`` takes: what the step brought, or what is still on its way."""
        if step.run.gets:
            return step.run.gets
        return [Amount(a.asset, a.amount, step.run.via) for a in step.run.gives]

    def _home(self, step: StepCase) -> list[Amount]:
        """What an undo without ``moves`` brings back: the same asset in the amount that was there, else as it left."""
        there: dict[str, int] = {}
        for taken in step.undo.gives if step.undo is not None else []:
            there[taken.asset] = there.get(taken.asset, 0) + taken.amount
        back = []
        for given in step.run.gives:
            amount = min(given.amount, there[given.asset]) if given.asset in there else given.amount
            back.append(Amount(given.asset, amount, given.place))
        return back

    def _check(self) -> None:
        wrong = self.ledger.check()
        if wrong is not None:
            self.desk.stop(wrong)
