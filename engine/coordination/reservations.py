"""What steps have set aside of reported amounts: facts of the kind ``reservation``, which ``free`` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.coordination.case import LOST, Reserved, StepCase
from engine.coordination.evaluate import Bound, Surroundings, evaluate
from engine.errors import EvaluationError
from engine.matching.context import reserved
from engine.matching.fact import subject_text
from engine.model.kinds import Value
from engine.model.plans import Reserve

if TYPE_CHECKING:
    from engine.coordination.desk import Desk
    from engine.coordination.driver import Driver


class Reservations:
    """All living reservations of a rule base. Conditions that read ``free`` are judged again when these change."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def free(self, bound: Bound, field: str, amount: int) -> int:
        """The reported amount less living reservations; may be negative."""
        memory = self.driver.base.memories["reservation"]
        bucket = memory.need_index((memory.kind.positions["of"],)).bucket((subject_text(bound.key),))
        return amount - reserved(bucket.facts, bound.kind, field)

    # -- making --------------------------------------------------------------------
    def may_make(self, desk: Desk, step: StepCase, reserve: Reserve, around: Surroundings) -> bool:
        """Whether so much is free."""
        amount = self._amount(desk, step, reserve, around)
        bound = around.aliases.get(reserve.alias)
        fact = None if bound is None else self.driver.fact_of(bound.kind, bound.key)
        if amount is None or bound is None or fact is None:
            return False
        reported = fact.values[fact.memory.kind.positions[reserve.field]]
        return isinstance(reported, int) and self.free(bound, reserve.field, reported) >= amount

    def _amount(self, desk: Desk, step: StepCase, reserve: Reserve, around: Surroundings) -> int | None:
        try:
            amount = evaluate(reserve.amount, around)
        except EvaluationError as error:
            desk.fault(step.run, f"{step.name}.reserve", error)
            return None
        return amount if isinstance(amount, int) and amount >= 0 else None

    def make(self, desk: Desk, step: StepCase, reserve: Reserve, around: Surroundings) -> None:
        """Set aside; ``may_make`` has looked."""
        bound = around.aliases[reserve.alias]
        amount = self._amount(desk, step, reserve, around)
        until = desk.now + reserve.for_ms
        step.reserved = Reserved((bound.kind, bound.key), until)
        row: dict[str, Value] = {
            "id": f"{desk.case.id}/{step.name}",
            "coordination": desk.case.id,
            "step": step.name,
            "of": subject_text(bound.key),
            "amount": amount,
            "until": until,
            "kind": bound.kind,
            "field": reserve.field,
        }
        self.driver.effects.put_engine_fact("reservation", row, desk.now)

    # -- ending --------------------------------------------------------------------
    def look(self, desk: Desk, step: StepCase) -> None:
        """End a reservation on failure or withdrawal, expiry, or the first newer sample after confirmation."""
        reserved = step.reserved
        if reserved is None:
            return
        if step.run.status in LOST or desk.later(reserved.until + 1) or self._is_sampled_anew(step, reserved):
            self.release(desk, step)

    def _is_sampled_anew(self, step: StepCase, reserved: Reserved) -> bool:
        if step.run.status != "confirmed":
            return False
        kind, key = reserved.fact
        fact = self.driver.fact_of(kind, key)
        sample = "gone" if fact is None else f"{fact.claim.position}@{fact.claim.at}"
        if not reserved.sample:
            reserved.sample = sample
            return False
        return sample != reserved.sample

    def release(self, desk: Desk, step: StepCase) -> None:
        """What was set aside is free again."""
        step.reserved = None
        fact = self.driver.fact_of("reservation", (f"{desk.case.id}/{step.name}",))
        if fact is not None:
            self.driver.base.remove(fact)
        desk.has_changed = True
