"""What steps have set aside of reported amounts: facts of the kind ``reservation``, which ``free`` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.coordination.case import StepCase
from engine.coordination.evaluate import Bound, Surroundings, evaluate
from engine.errors import EvaluationError
from engine.matching.context import reservation_target
from engine.matching.fact import key_text
from engine.model.kinds import Value
from engine.model.plans import Reserve

if TYPE_CHECKING:
    from engine.coordination.desk import Desk
    from engine.coordination.driver import Driver


def target(kind: str, key: tuple[object, ...], field: str) -> str:
    """How a reservation names what it is of."""
    return reservation_target(kind, key_text(key), field)


class Reservations:
    """All living reservations of a rule base."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def free(self, bound: Bound, field: str, amount: int) -> int:
        """The reported amount less living reservations; may be negative."""
        return amount - self._taken(target(bound.kind, bound.key, field))

    def _taken(self, of: str) -> int:
        memory = self.driver.base.memories["reservation"]
        positions = memory.kind.positions
        bucket = memory.need_index((positions["of"],)).bucket((of,))
        total = 0
        for fact in bucket.facts:
            amount = fact.values[positions["amount"]]
            total += amount if isinstance(amount, int) else 0
        return total

    def make(self, desk: Desk, step: StepCase, reserve: Reserve, around: Surroundings) -> bool:
        """Set aside, if so much is free; False (and nothing done) if not."""
        bound = around.aliases.get(reserve.alias)
        if bound is None:
            return False
        memory = self.driver.base.memories[bound.kind]
        fact = memory.facts.get(bound.key)
        position = memory.kind.positions[reserve.field]
        reported = (bound.values if fact is None else fact.values)[position]
        try:
            amount = evaluate(reserve.amount, around)
        except EvaluationError as error:
            desk.say("dropped", place=f"{step.name}.reserve", code=error.code, message=error.message)
            return False
        if not isinstance(reported, int) or not isinstance(amount, int) or amount < 0:
            return False
        if self.free(bound, reserve.field, reported) < amount:
            return False
        of = target(bound.kind, bound.key, reserve.field)
        until = desk.now + reserve.for_ms
        step.reserved, step.reserved_until, step.reserved_position = of, until, ""
        step.reserved_fact = (bound.kind, bound.key)
        row: dict[str, Value] = {
            "id": f"{desk.case.id}/{step.name}",
            "coordination": desk.case.id,
            "step": step.name,
            "of": of,
            "amount": amount,
            "until": until,
        }
        self.driver.effects.put_engine_fact("reservation", row, desk.now)
        return True

    def look(self, desk: Desk, step: StepCase) -> None:
        """End a reservation on failure or withdrawal, expiry, or the first newer sample after confirmation."""
        if not step.reserved:
            return
        until = step.reserved_until or 0
        if step.run.status in ("failed", "refused", "idle") or desk.later(until + 1) or self._is_sampled_anew(step):
            self.release(desk, step)

    def _is_sampled_anew(self, step: StepCase) -> bool:
        if step.run.status != "confirmed":
            return False
        kind, key = step.reserved_fact or ("", ())
        fact = self.driver.base.memories[kind].facts.get(key)
        position = "gone" if fact is None else str(fact.claim.position)
        if not step.reserved_position:
            step.reserved_position = position
            return False
        return position != step.reserved_position

    def release(self, desk: Desk, step: StepCase) -> None:
        """What was set aside is free again."""
        step.reserved, step.reserved_until, step.reserved_fact = "", None, None
        memory = self.driver.base.memories["reservation"]
        fact = memory.facts.get((f"{desk.case.id}/{step.name}",))
        if fact is not None:
            self.driver.base.remove(fact)
        self.driver.freed()
        desk.has_changed = True
