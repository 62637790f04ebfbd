"""The conditions of all plans at work: rules that fire nothing and tell the driver instead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.coordination.copies import Copies
from engine.coordination.outline import Outline
from engine.coordination.sensors import Sensor, compile_sensor, reads_ledger, sensors_of
from engine.matching.fact import Fact, Key
from engine.matching.firing import Firing
from engine.matching.match import Match
from engine.matching.node import RuleNode
from engine.model.exprtools import aliases_read
from engine.model.kinds import Kind
from engine.model.plans import Plan
from engine.model.rules import RuleBase

if TYPE_CHECKING:
    from engine.matching.plans import PlanDriver


class SensorNode(RuleNode):
    """A plan's condition: its groups are coordinations."""

    __slots__ = ("sensor",)

    def __init__(self, sensor: Sensor, driver: PlanDriver) -> None:
        super().__init__(compile_sensor(sensor))
        self.sensor = sensor
        self.observer = driver
        self.follows = True

    def group_key(self, match: Match, firing: Firing) -> Key:
        """The keys of the ``for`` facts."""
        return match.key[: self.sensor.width]  # type: ignore[return-value]

    @property
    def begins(self) -> bool:
        """Whether it is the condition under which a coordination begins."""
        return self.name.endswith("#for")


class Sensing:
    """All conditions of a rule base's plans, and of earlier plans under which coordinations are still under way.

    Attributes:
        nodes: by name.
        outlines: name of a plan (an earlier one's has its revision before it) → the plan as a graph.
        bounding: kinds of ``for`` facts that some ``start`` or ``deadline`` reads.
    """

    def __init__(
        self, driver: PlanDriver, copies: Copies, rulebase: RuleBase, old_plans: dict[tuple[str, str], Plan]
    ) -> None:
        self.nodes: dict[str, SensorNode] = {}
        self.outlines: dict[str, Outline] = {}
        self.bounding: set[str] = set()
        self._readers: dict[str, list[SensorNode]] = {}
        self._driver = driver
        self._copies = copies
        found = rulebase.kinds.get("cancel")
        kind = None if found is None or found.engine else found
        now = {plan.name: plan for plan in rulebase.plans}
        for plan in now.values():
            self._add(plan, kind, is_old=False)
        for (revision, name), plan in old_plans.items():
            if now.get(name) != plan:
                self._add(replace(plan, name=f"{revision}:{name}"), kind, is_old=True)

    def _add(self, plan: Plan, cancel: Kind | None, *, is_old: bool) -> None:
        self.outlines[plan.name] = Outline(plan)
        self._copies.declare(plan)
        read = {alias for bound in (plan.start_before, plan.deadline) if bound for alias in aliases_read(bound)}
        self.bounding |= {pattern.kind.name for pattern in plan.patterns if pattern.alias in read}
        for sensor in sensors_of(plan, cancel):
            node = SensorNode(sensor, self._driver)
            if node.begins and is_old:
                continue
            self.nodes[sensor.name] = node
            if reads_ledger(sensor):
                self._readers.setdefault(plan.name, []).append(node)

    def outline_of(self, revision: str, name: str) -> Outline | None:
        """The plan as it was under that revision."""
        return self.outlines.get(f"{revision}:{name}") or self.outlines.get(name)

    def reads_ledger(self, plan: str) -> bool:
        """Whether some condition of a plan reads the ledger of its coordinations."""
        return plan in self._readers

    def readers_of(self, plan: str, first: Fact) -> Iterator[tuple[SensorNode, list[Match]]]:
        """Conditions that read the ledger of a plan's coordinations, with the matches of one.

        Args:
            plan: its name.
            first: the coordination's copy of the first ``for`` fact.
        """
        for node in self._readers.get(plan, ()):
            for seat, matches in (first.seats or {}).items():
                if seat.position == 0 and node in seat.ground.nodes:
                    yield node, list(matches)
            if first.solo is not None and node in first.solo.ground.nodes:
                yield node, [first.solo]
