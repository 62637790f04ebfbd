"""What coordinations are for, as it comes, changes and goes: their copies follow, or stay as they were last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.matching.fact import Fact, subject_text

if TYPE_CHECKING:
    from engine.coordination.driver import Driver


class Subjects:
    """Told by the fact base; see ``FactBase.follower``."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def came(self, fact: Fact) -> None:
        """What was gone is back: what waited for it may begin."""
        self._driver.copies.follow(fact)
        self._look(fact, "subject_back")

    def changed(self, fact: Fact) -> None:
        """It says something else, perhaps also of when a coordination is to end, which no condition need read."""
        driver = self._driver
        driver.copies.follow(fact)
        if fact.memory.name in driver.sensing.bounding:
            for slot in driver.copies.slots_of(fact):
                driver.look_at(slot)

    def went(self, fact: Fact) -> None:
        """The coordination keeps what it was."""
        self._look(fact, "subject_gone")

    def _look(self, fact: Fact, event: str) -> None:
        driver = self._driver
        for slot in driver.copies.slots_of(fact):
            case = driver.cases[slot]
            driver.look_at(slot)
            if case.is_open:
                driver.tell(case, event, {"kind": fact.memory.name, "key": subject_text(fact.key)})
