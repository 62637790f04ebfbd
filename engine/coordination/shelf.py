"""All coordinations of a rule base, and what they refer to."""

from __future__ import annotations

from collections.abc import Iterable

from engine import limits
from engine.coordination.case import Case, FactName
from engine.matching.fact import Key

#: (plan, keys of the ``for`` facts).
CaseKey = tuple[str, tuple[Key, ...]]


class Shelf:
    """Coordinations by plan and key, by command and by fact.

    Attributes:
        cases: (plan, keys of the ``for`` facts) → coordination.
        ended: id → until when it is remembered that it was, so that it is not begun again.
    """

    def __init__(self) -> None:
        self.cases: dict[CaseKey, Case] = {}
        self.ended: dict[str, int] = {}
        self._by_command: dict[str, CaseKey] = {}
        self._by_fact: dict[FactName, dict[CaseKey, None]] = {}
        self._facts_of: dict[CaseKey, dict[FactName, None]] = {}
        self._subjects: dict[FactName, dict[CaseKey, None]] = {}

    def put(self, case: Case, kinds: Iterable[str]) -> None:
        """Take a coordination.

        Args:
            case: the coordination.
            kinds: of its ``for`` facts.
        """
        slot = slot_of(case)
        self.cases[slot] = case
        names = list(zip(kinds, case.keys, strict=True))
        self._subjects.setdefault(names[0], {})[slot] = None
        self._refer(slot, names)

    def note(self, case: Case) -> None:
        """Index what a coordination refers to by now."""
        slot = slot_of(case)
        for run in case.runs():
            for command in run.commands:
                self._by_command[command] = slot
            self._refer(slot, (*run.seen_on, *run.confirmed_on, *run.failed_on))

    def _refer(self, slot: CaseKey, facts: Iterable[FactName]) -> None:
        mine = self._facts_of.setdefault(slot, {})
        for fact in facts:
            if fact not in mine:
                mine[fact] = None
                self._by_fact.setdefault(fact, {})[slot] = None

    def of_command(self, command: str) -> CaseKey | None:
        """Whose command it is."""
        return self._by_command.get(command)

    def of_fact(self, fact: FactName) -> Iterable[CaseKey]:
        """The coordinations that refer to a fact."""
        return self._by_fact.get(fact, ())

    def is_used(self, fact: FactName) -> bool:
        """Whether an open coordination's key or evidence refers to a fact."""
        return any(self.cases[slot].is_open or self.cases[slot].is_provisional for slot in self.of_fact(fact))

    def is_subject(self, fact: FactName) -> bool:
        """Whether an open coordination is about that fact: it is the first of its ``for`` facts."""
        slots = self._subjects.get(fact, ())
        return any(self.cases[slot].is_open or self.cases[slot].is_provisional for slot in slots)

    def subjects(self) -> Iterable[FactName]:
        """What the coordinations kept here are about."""
        return self._subjects

    def drop(self, case: Case, now: int) -> int:
        """Let a coordination go; that it was is remembered until the instant given back."""
        slot = slot_of(case)
        del self.cases[slot]
        for run in case.runs():
            for command in run.commands:
                self._by_command.pop(command, None)
        for fact in self._facts_of.pop(slot, {}):
            for index in (self._by_fact, self._subjects):
                slots = index.get(fact, {})
                slots.pop(slot, None)
                if not slots:
                    index.pop(fact, None)
        until = now + limits.DONE_KEEP_MS
        self.ended[case.id] = until
        return until


def slot_of(case: Case) -> CaseKey:
    """Where a coordination stands."""
    return case.plan, case.keys
