"""The agenda: what is ready to fire, best first."""

from __future__ import annotations

import heapq

from engine.matching.group import Group
from engine.matching.plans import PlanAction


class Agenda:
    """Groups that are ready, and forward commands of plans, in the one order in which they have their turn.

    Higher priority first, then the earlier moment at which it became ready, then the rule's name, then the group's key.
    What was put in again under a later version has its earlier turns void.

    Attributes:
        entries: the heap; empty when nothing can be ready. Void ones are still in it.
    """

    __slots__ = ("_serial", "entries")

    def __init__(self) -> None:
        self.entries: list[tuple[int, int, str, str, int, int, Group | PlanAction]] = []
        self._serial = 0

    def put(self, item: Group | PlanAction, priority: int, moment: int, name: str, text: str) -> None:
        """Have an item take its turn.

        Args:
            item: the group or the command; it loses its turn when its ``version`` changes.
            priority: higher is earlier.
            moment: when it became ready, ms.
            name: of the rule or the plan's step.
            text: the group's or the coordination's key, as text.
        """
        self._serial += 1
        heapq.heappush(self.entries, (-priority, moment, name, text, item.version, self._serial, item))

    def take(self) -> Group | PlanAction | None:
        """The item whose turn it is, no longer in the agenda; None when none is left."""
        entries = self.entries
        while entries:
            *_, version, _, item = heapq.heappop(entries)
            if item.version == version:
                return item
        return None
