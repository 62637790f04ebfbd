"""Conclusions that follow the facts: what they come to say, and a bound to how long they follow one another."""

from __future__ import annotations

from typing import NamedTuple

from engine.matching.group import Group
from engine.matching.memory import KindMemory
from engine.model.kinds import Value


class Saying(NamedTuple):
    """A conclusion says something else than before.

    Attributes:
        group: whose conclusion it is.
        number: of the effect.
        memory: of the concluded kind.
        values: what it says now.
    """

    group: Group
    number: int
    memory: KindMemory
    values: tuple[Value, ...]


class Following:
    """Counts, between two firings of a step, how often a rule's conclusions have changed.

    Conclusions that read one another in a circle may change for ever. The rule that has changed too often is suspended;
    in a step, a suspended rule's conclusions follow once.
    """

    __slots__ = ("_spent", "_turns")

    def __init__(self) -> None:
        self._turns: dict[str, int] = {}
        self._spent: set[Group] = set()

    def begin_step(self) -> None:
        """Another step."""
        self.begin()
        if self._spent:
            self._spent.clear()

    def begin(self) -> None:
        """Something fires: what follows is caused by that."""
        if self._turns:
            self._turns.clear()

    def count(self, rules: set[str], most: int) -> tuple[str, ...]:
        """Note a turn in which conclusions of these rules change; gives those of which it is more than ``most``."""
        for rule in rules:
            self._turns[rule] = self._turns.get(rule, 0) + 1
        return tuple(sorted(rule for rule in rules if self._turns[rule] > most))

    def is_spent(self, group: Group) -> bool:
        """Whether the conclusions of this group of a suspended rule have followed already."""
        return bool(self._spent) and group in self._spent

    def spend(self, group: Group) -> None:
        """They have."""
        self._spent.add(group)
