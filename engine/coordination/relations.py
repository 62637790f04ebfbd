"""Relations between steps: order by what their chains say, togetherness within a span."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from engine.coordination.case import StepCase
from engine.coordination.desk import Desk
from engine.coordination.unwinding import Unwinding
from engine.model.plans import Alternative, Relation


class Relations:
    """Watches one coordination's relations; a breach is acted on at the first instant it is certain."""

    def __init__(self, desk: Desk, unwinding: Unwinding) -> None:
        self.desk = desk
        self.case = desk.case
        self.plan = desk.plan
        self.unwinding = unwinding

    def look(self) -> None:
        """Find breaches."""
        case = self.case
        if case.breach is not None or case.is_unwinding:
            return
        for number, relation in enumerate(self.plan.relations):
            if self._is_broken(relation):
                case.breach = number
                self._act(relation)
                return

    def _is_broken(self, relation: Relation) -> bool:
        steps = [self.case.steps[name] for name in relation.steps]
        if relation.kind == "order":
            return any(_is_out_of_order(a, b) for a, b in pairwise(steps))
        if relation.clock == "effective":
            times = [s.effective.get("time") for s in steps if s.run.status == "confirmed"]
            known = [t for t in times if isinstance(t, int)]
            return bool(known) and max(known) - min(known) > relation.within_ms
        confirmed = [
            s.run.confirmed_at for s in steps if s.run.status == "confirmed" and s.run.confirmed_at is not None
        ]
        if not confirmed:
            return False
        if len(confirmed) == len(steps):
            return max(confirmed) - min(confirmed) > relation.within_ms
        return self.desk.later(min(confirmed) + relation.within_ms + 1)

    def _act(self, relation: Relation) -> None:
        name = "FAILED_ORDER" if relation.kind == "order" else "FAILED_ATOMICITY"
        self.desk.say("breach", relation=relation.kind, steps=list(relation.steps))
        for alternative in relation.otherwise or (Alternative(relation.span, undo=True),):
            if alternative.reason is not None:
                self.case.reason = alternative.reason
            if alternative.escalate:
                self.desk.escalate("", alternative.reason or name, "")
            if alternative.end is not None:
                self.case.verdict, self.case.verdict_reason = alternative.end, alternative.reason or name
            if alternative.undo:
                self.unwinding.begin(alternative.reason or name, None)
            break
        self.desk.has_changed = True


def _is_out_of_order(first: StepCase, second: StepCase) -> bool:
    """Strictly: the first must have taken effect before the second; on one network by height and index."""
    if second.run.status != "confirmed" or not second.effective:
        return False
    if first.run.status != "confirmed" or not first.effective:
        return False
    return not _before(first.effective, second.effective)


def _before(one: dict[str, Any], other: dict[str, Any]) -> bool:
    same_network = one.get("network") is not None and one.get("network") == other.get("network")
    if same_network and one.get("height") is not None and other.get("height") is not None:
        return (one["height"], one.get("index") or 0) < (other["height"], other.get("index") or 0)
    return (one.get("time") or 0) < (other.get("time") or 0)
