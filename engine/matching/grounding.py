"""Keeps the matches of every shape complete and current as facts come, change and go.

Cores are enumerated by their kind's memory or joined by the joiner; the rest of a match is looked up by key, in stages,
and waits at the first key that has no fact yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from engine.matching.fact import Fact, Key
from engine.matching.joins import Joiner, JoinShape
from engine.matching.match import Match, Seat
from engine.matching.memory import KindMemory
from engine.matching.node import RuleNode
from engine.matching.shapes import GroundPlan, Lookup


class MatchSink(Protocol):
    """Who is told when matches begin and end to be."""

    def found(self, match: Match) -> None:
        """The match is complete."""
        ...

    def lost(self, match: Match) -> None:
        """The match is no longer."""
        ...


class Ground:
    """A shape at work.

    Attributes:
        plan: how it is found.
        seats: by position.
        nodes: the rules that share it.
        stages: per look-up: (look-up, memory of its kind).
        first_read: (seat, field) → first stage that reads it.
        is_solo: one pattern, enumerated by its kind: the cheapest and commonest shape.
    """

    __slots__ = ("first_read", "is_solo", "nodes", "plan", "seats", "stages")

    def __init__(self, plan: GroundPlan, memories: dict[str, KindMemory]) -> None:
        self.plan = plan
        self.seats = [Seat(self, position) for position in range(len(plan.kinds))]
        self.is_solo = len(plan.kinds) == 1 and len(plan.cores) == 1
        self.nodes: list[RuleNode] = []
        self.stages: list[tuple[Lookup, KindMemory]] = [
            (lookup, memories[plan.kinds[lookup.seat]]) for lookup in plan.lookups
        ]
        self.first_read: dict[tuple[int, int], int] = {}
        for stage, lookup in enumerate(plan.lookups):
            for part in lookup.parts:
                if part.seat >= 0:
                    self.first_read.setdefault((part.seat, part.field), stage)
                    self.seats[part.seat].source_bits |= 1 << part.field


class Grounder:
    """All grounds of a rule base over the memories of its kinds."""

    def __init__(
        self,
        plans: Iterable[GroundPlan],
        memories: dict[str, KindMemory],
        make_joiner: Callable[[list[JoinShape]], Joiner],
        sink: MatchSink,
    ) -> None:
        self.memories = memories
        self.sink = sink
        self.grounds: dict[GroundPlan, Ground] = {}
        shapes: dict[JoinShape, int] = {}
        self.by_shape: list[list[Ground]] = []
        for plan in dict.fromkeys(plans):
            ground = self.grounds[plan] = Ground(plan, memories)
            if plan.joins is not None:
                index = shapes.setdefault(plan.joins, len(shapes))
                if index == len(self.by_shape):
                    self.by_shape.append([])
                self.by_shape[index].append(ground)
                self._note_joined(ground, plan.joins)
            elif ground.is_solo:
                memories[plan.kinds[0]].solo_ground = ground.seats[0]
            elif plan.cores:
                memories[plan.kinds[plan.cores[0]]].core_seats.append(ground.seats[plan.cores[0]])
        for ground in self.grounds.values():
            for seat, name in zip(ground.seats, ground.plan.kinds, strict=True):
                memories[name].source_bits |= seat.source_bits
        self.joiner: Joiner | None = make_joiner(list(shapes)) if shapes else None
        self.handles: dict[int, Fact] = {}
        self.next_handle = 1
        self.count = 0

    def _note_joined(self, ground: Ground, shape: JoinShape) -> None:
        for place, pattern in enumerate(shape.patterns):
            names = {join.field for join in pattern.joins}
            for later in shape.patterns:
                names |= {join.other_field for join in later.joins if join.other == place}
            memory = self.memories[pattern.kind]
            fields = dict(memory.joined_fields) | {name: memory.kind.positions[name] for name in names}
            memory.joined_fields = tuple(sorted(fields.items()))
            memory.joined_bits |= sum(1 << memory.kind.positions[name] for name in names) or 1 << 62
            seat = ground.seats[ground.plan.cores[place]]
            seat.source_bits |= memory.joined_bits

    def start(self) -> None:
        """Begin the grounds that constants alone fix; call once, before the first fact."""
        for ground in self.grounds.values():
            if not ground.plan.cores:
                self._advance(Match(ground, [None] * len(ground.seats)), 0)

    # -- facts -----------------------------------------------------------------
    def added(self, fact: Fact) -> None:
        """A fact has entered its memory."""
        memory = fact.memory
        solo = memory.solo_ground
        if solo is not None:
            match = fact.solo = Match(solo.ground, [fact])
            match.is_complete = True
            self.count += 1
            self.sink.found(match)
        for seat in memory.core_seats:
            facts: list[Fact | None] = [None] * len(seat.ground.seats)
            self._begin(seat.ground, facts, {seat.position: fact})
        if memory.joined_bits:
            self._join(fact)
        waiting = memory.waiting_for(fact)
        if waiting:
            for match, stage in list(waiting):
                # An earlier turn of this loop may have moved the match on, or back.
                if len(match.keys) == stage + 1 and match.facts[match.ground.stages[stage][0].seat] is None:
                    self._retreat(match, stage)
                    self._advance(match, stage)

    def removed(self, fact: Fact) -> None:
        """A fact has left its memory."""
        if fact.solo is not None:
            match, fact.solo = fact.solo, None
            self.count -= 1
            self.sink.lost(match)
        self._unjoin(fact)
        for match in list(fact.partials or ()):
            if fact in (match.facts[core] for core in match.ground.plan.cores):
                self._drop(match)
                continue
            for stage, (lookup, _) in enumerate(match.ground.stages):
                if match.facts[lookup.seat] is fact:
                    self._retreat(match, stage)
                    self._advance(match, stage)
                    break

    def changed(self, fact: Fact, changed: int) -> None:
        """A fact's values changed in fields that look-ups or joins may read."""
        if changed & fact.memory.joined_bits:
            self._unjoin(fact)
            for match in list(fact.partials or ()):
                plan = match.ground.plan
                if plan.joins is not None and fact in (match.facts[core] for core in plan.cores):
                    self._drop(match)
            self._join(fact)
        for match in list(fact.partials or ()):
            stage = self._stage_reading(match, fact, changed)
            if stage is not None:
                self._retreat(match, stage)
                self._advance(match, stage)

    @staticmethod
    def _stage_reading(match: Match, fact: Fact, changed: int) -> int | None:
        first: int | None = None
        for (seat, field), stage in match.ground.first_read.items():
            if match.facts[seat] is fact and changed >> field & 1 and (first is None or stage < first):
                first = stage
        return first

    # -- joins -----------------------------------------------------------------
    def _join(self, fact: Fact) -> None:
        assert self.joiner is not None  # noqa: S101 - joined_bits says there is one
        handle = fact.handle = self.next_handle
        self.next_handle += 1
        self.handles[handle] = fact
        values = {name: fact.values[position] for name, position in fact.memory.joined_fields}
        for shape, handles in self.joiner.add(handle, fact.memory.kind.name, values):
            for ground in self.by_shape[shape]:
                bound = {core: self.handles[h] for core, h in zip(ground.plan.cores, handles, strict=True)}
                self._begin(ground, [None] * len(ground.seats), bound)

    def _unjoin(self, fact: Fact) -> None:
        if fact.handle and self.joiner is not None:
            self.joiner.remove(fact.handle)
            del self.handles[fact.handle]
            fact.handle = 0

    # -- matches ---------------------------------------------------------------
    def _begin(self, ground: Ground, facts: list[Fact | None], bound: dict[int, Fact]) -> None:
        match = Match(ground, facts)
        for seat, fact in bound.items():
            facts[seat] = fact
            _note(fact, match)
        self._advance(match, 0)

    def _advance(self, match: Match, stage: int) -> None:
        stages = match.ground.stages
        facts = match.facts
        while stage < len(stages):
            lookup, memory = stages[stage]
            key = _lookup_key(lookup, facts)
            if key is None:
                return
            memory.waiting.setdefault(key, {})[(match, stage)] = None
            match.keys.append(key)
            fact = memory.facts.get(key)
            if fact is None or fact in facts:
                return
            facts[lookup.seat] = fact
            _note(fact, match)
            stage += 1
        match.is_complete = True
        match.forget_key()
        self.count += 1
        for seat, held in zip(match.ground.seats, facts, strict=True):
            assert held is not None  # noqa: S101 - complete
            if held.seats is None:
                held.seats = {}
            held.seats.setdefault(seat, {})[match] = None
        self.sink.found(match)

    def _retreat(self, match: Match, stage: int) -> None:
        """Undo the look-ups from ``stage`` on."""
        if match.is_complete:
            self.sink.lost(match)
            match.is_complete = False
            self.count -= 1
            for seat, held in zip(match.ground.seats, match.facts, strict=True):
                if held is not None and held.seats is not None:
                    holders = held.seats[seat]
                    del holders[match]
                    if not holders:
                        del held.seats[seat]
        while len(match.keys) > stage:
            key = match.keys.pop()
            lookup, memory = match.ground.stages[len(match.keys)]
            waiting = memory.waiting[key]
            del waiting[(match, len(match.keys))]
            if not waiting:
                del memory.waiting[key]
            fact = match.facts[lookup.seat]
            if fact is not None:
                match.facts[lookup.seat] = None
                if fact.partials is not None:
                    fact.partials.pop(match, None)

    def _drop(self, match: Match) -> None:
        self._retreat(match, 0)
        for core in match.ground.plan.cores:
            fact = match.facts[core]
            if fact is not None and fact.partials is not None:
                fact.partials.pop(match, None)


def _note(fact: Fact, match: Match) -> None:
    if fact.partials is None:
        fact.partials = {}
    fact.partials[match] = None


def _lookup_key(lookup: Lookup, facts: list[Fact | None]) -> Key | None:
    parts = []
    for part in lookup.parts:
        if part.seat < 0:
            parts.append(part.constant)
            continue
        fact = facts[part.seat]
        value = None if fact is None else fact.values[part.field]
        if value is None or isinstance(value, tuple):
            return None
        parts.append(value)
    return tuple(parts)
