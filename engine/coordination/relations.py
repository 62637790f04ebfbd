"""Relations between steps: order by what their chains say, togetherness within a span."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from engine.coordination.case import StepCase
from engine.coordination.desk import Desk
from engine.model.plans import Relation


class Relations:
    """Watches one coordination's relations; a breach is acted on at the first instant it is certain."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.case = desk.case
        self.plan = desk.plan

    def look(self) -> None:
        """Find the first breach; when the plan goes back already, there is none to find."""
        case = self.case
        if case.breach is not None or case.is_unwinding or not case.is_open or case.is_stopped:
            return
        for number, relation in enumerate(self.plan.relations):
            if self._is_broken(relation):
                case.breach = number
                self.desk.say("breach", relation=relation.kind, steps=list(relation.steps))
                self.desk.has_changed = True
                return

    def _is_broken(self, relation: Relation) -> bool:
        steps = [self._standing(name) for name in relation.steps]
        if relation.kind == "order":
            return any(_is_out_of_order(a, b) for a, b in pairwise(steps))
        if relation.clock == "effective":
            return self._is_effective_apart(steps, relation.within_ms)
        return self._is_apart(steps, relation.within_ms)

    def _standing(self, name: str) -> StepCase:
        """The step, or what was commanded instead of it."""
        step = self.case.steps[name]
        partners = [self.case.steps[other] for other in self.desk.outline.partners[name]]
        return next((other for other in partners if step.is_dropped and not other.is_dropped), step)

    def _is_apart(self, steps: list[StepCase], within_ms: int) -> bool:
        """By the engine's clock it is certain as soon as the others can only come too late."""
        times = [s.run.confirmed_at for s in steps if s.run.status == "confirmed"]
        known = [t for t in times if t is not None]
        if not known:
            return False
        if len(known) == len(steps) or max(known) - min(known) > within_ms:
            return max(known) - min(known) > within_ms
        return self.desk.later(min(known) + within_ms + 1)

    @staticmethod
    def _is_effective_apart(steps: list[StepCase], within_ms: int) -> bool:
        """By the networks' clocks it is certain between steps that have taken effect: a report may come late."""
        times = [s.effective.get("time") for s in steps if s.run.status == "confirmed"]
        known = [t for t in times if isinstance(t, int)]
        return bool(known) and max(known) - min(known) > within_ms


def _is_out_of_order(first: StepCase, second: StepCase) -> bool:
    """Strictly: the first must have taken effect before the second."""
    if first.run.status != "confirmed" or second.run.status != "confirmed":
        return False
    return _is_before(first.effective, second.effective) is False


def _is_before(one: dict[str, Any], other: dict[str, Any]) -> bool | None:
    """On one network by height and index, else by time; None if neither is known of both."""
    heights = one.get("height"), other.get("height")
    same_network = one.get("network") is not None and one.get("network") == other.get("network")
    if same_network and None not in heights:
        return (heights[0], one.get("index") or 0) < (heights[1], other.get("index") or 0)
    if one.get("time") is None or other.get("time") is None:
        return None
    return bool(one["time"] < other["time"])
