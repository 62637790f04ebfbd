"""Copies of what coordinations are for. Conditions read these, not the facts themselves.

A fact may go while a coordination stands on it: retracted, expired, reorganised away. Its copy stays as it was last,
so that what has begun can be ended. Each coordination has copies of its own, joined to each other by nothing but its
id: so its conditions look at the facts that it began for, whatever these say by now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from engine.coordination.case import Case, FactName
from engine.coordination.evaluate import Bound
from engine.coordination.shelf import CaseKey, slot_of
from engine.matching.fact import Claim, Fact, Key
from engine.matching.factbase import FactBase
from engine.matching.match import Match
from engine.matching.memory import KindMemory
from engine.model.expr import Compare, FieldRef
from engine.model.journal import StreamId
from engine.model.kinds import Field, Kind, Type, Value
from engine.model.plans import Plan
from engine.model.rules import Pattern

#: The field that says whose copy it is. No author can write a name like that.
_CASE: Final = "!case"
_ID: Final = Type("id")


def copied_patterns(plan: Plan) -> tuple[Pattern, ...]:
    """The patterns of ``for``, ranging over copies: joined by the coordination's id and filtered by nothing."""
    first = plan.patterns[0]
    made = []
    for pattern in plan.patterns:
        kind = _copied(plan, pattern)
        here = FieldRef(pattern.alias, _CASE, kind.positions[_CASE], _ID)
        there = FieldRef(first.alias, _CASE, len(first.kind.fields), _ID)
        where = () if pattern is first else (Compare("==", here, there, Type("bool")),)
        made.append(replace(pattern, kind=kind, where=where, fresh_ms=None, quorum=None, for_distinct=None))
    return tuple(made)


def _copied(plan: Plan, pattern: Pattern) -> Kind:
    """The kind of the copies for one pattern: its fields stand where they stand in the original."""
    kind = pattern.kind
    fields = (*kind.fields, Field(_CASE, _ID))
    return Kind(f"@{plan.name}:{pattern.alias}", fields, (_CASE,), permanent=True, engine=True, doc=kind.doc)


class CopyMemory(KindMemory):
    """Copies for one pattern of a plan, by id of their coordination. A copy's key is that of the fact it copies.

    Attributes:
        original: memory of the kind itself.
    """

    __slots__ = ("original",)

    def __init__(self, kind: Kind, original: KindMemory) -> None:
        super().__init__(kind)
        # What people are told, and what reservations are of, is the fact itself.
        self.name = original.name
        self.original = original

    def identity(self, fact: Fact) -> Key:
        """A match is known by the facts themselves."""
        return fact.key

    def waiting_for(self, fact: Fact) -> dict[tuple[Match, int], None] | None:
        """A copy is looked up by its coordination."""
        return self.waiting.get((fact.values[-1],))  # type: ignore[arg-type]

    def is_disputed(self, fact: Fact) -> bool:
        """As the fact itself is now; what is gone is not disputed."""
        real = self.living(fact.key)
        return real is not None and self.original.is_disputed(real)

    def living(self, key: Key) -> Fact | None:
        """The fact that a match knows by that key; of a schedule only while its last occurrence is the same."""
        fact = self.original.facts.get(key[: len(self.original.kind.key)])
        return fact if fact is not None and self.original.identity(fact) == key else None

    def values_of(self, values: tuple[Value, ...], identity: str) -> tuple[Value, ...]:
        """A copy's values. Kinds grow at their end alone, and the plan may be older than the kind or newer."""
        count = len(self.kind.fields) - 1
        return (*values[:count], *[None] * (count - len(values)), identity)


class Copies:
    """The copies of all coordinations in working memory."""

    def __init__(self, base: FactBase) -> None:
        self._base = base
        self._memories: dict[str, list[CopyMemory]] = {}
        self._of: dict[str, tuple[Fact, ...]] = {}
        self._by_fact: dict[FactName, dict[Fact, CaseKey]] = {}

    def declare(self, plan: Plan) -> None:
        """Make room for the copies of a plan's coordinations, before anything is seated."""
        mine = self._memories[plan.name] = []
        for pattern, copied in zip(plan.patterns, copied_patterns(plan), strict=True):
            original = self._base.memories[pattern.kind.name]
            original.is_followed = True
            memory = CopyMemory(copied.kind, original)
            self._base.copies[copied.kind.name] = memory
            mine.append(memory)

    def put(self, case: Case, plan: Plan) -> None:
        """Copy what a coordination is for: as it is, or what is gone as the coordination remembers it."""
        made = []
        for pattern, memory, key in zip(plan.patterns, self._memories[plan.name], case.keys, strict=True):
            fact = memory.living(key)
            if fact is not None:
                claim, values, at = fact.claim, fact.values, fact.at
            else:
                bound = case.bound[pattern.alias]
                values, at = bound.values, bound.at
                claim = Claim("", values, at, None, StreamId(0, 0), b"")
            copy = Fact(memory, key, claim)
            copy.values, copy.at = memory.values_of(values, case.id), at
            memory.facts[(case.id,)] = copy
            self._by_fact.setdefault((memory.name, key), {})[copy] = slot_of(case)
            made.append(copy)
        self._of[case.id] = tuple(made)
        for copy in made:
            self._base.seat(copy)

    def drop(self, case: Case) -> None:
        """A coordination leaves working memory."""
        for copy in self._of.pop(case.id, ()):
            memory = copy.memory
            copy.is_alive = False
            del memory.facts[(case.id,)]
            there = self._by_fact[(memory.name, copy.key)]
            del there[copy]
            if not there:
                del self._by_fact[(memory.name, copy.key)]
            self._base.unseat(copy)

    def follow(self, fact: Fact) -> None:
        """A fact came or says something else: so do its copies."""
        for copy in self._by_fact.get((fact.memory.name, fact.memory.identity(fact)), ()):
            before, memory = copy.values, copy.memory
            assert isinstance(memory, CopyMemory)  # noqa: S101 - only copies are noted
            values = memory.values_of(fact.values, str(before[-1]))
            copy.claim, copy.values, copy.at = fact.claim, values, fact.at
            self._base.touch(copy, before, memory.differences(before, values) | memory.observed_bit)

    def of(self, case: Case) -> tuple[Fact, ...]:
        """Those of a coordination, in the order of ``for``."""
        return self._of[case.id]

    def slots_of(self, fact: Fact) -> list[CaseKey]:
        """The coordinations that are for a fact."""
        return list(self._by_fact.get((fact.memory.name, fact.memory.identity(fact)), {}).values())

    def living(self, case: Case) -> Iterator[tuple[Fact, Fact | None]]:
        """Those of a coordination, each with the fact it copies; None: that is gone."""
        for copy in self._of[case.id]:
            memory = copy.memory
            assert isinstance(memory, CopyMemory)  # noqa: S101 - only copies are noted
            yield copy, memory.living(copy.key)

    def gone(self, case: Case) -> list[Fact]:
        """Those whose fact is gone. An occurrence of a schedule has been, and does not go."""
        return [copy for copy, fact in self.living(case) if fact is None and copy.memory.name != "schedule"]

    def bound(self, case: Case) -> Iterator[Bound]:
        """What a coordination is for, as last known."""
        for copy in self._of[case.id]:
            yield Bound(copy.memory.name, copy.key, copy.values[:-1], copy.at)
