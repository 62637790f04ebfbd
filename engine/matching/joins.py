"""What joining is (shapes, groundings, the contract of a joiner) and the plain joiner in Python.

The plain joiner is the fallback when the joining library cannot be trusted with a rule base, and what it is tested
against. Both give the same groundings in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

#: A grounding: fact handles in pattern order.
Tuple = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """This pattern's ``field`` equals ``other_field`` of the earlier pattern ``other``."""

    field: str
    other: int
    other_field: str


@dataclass(frozen=True, slots=True)
class JoinPattern:
    """One fact of ``kind``; without joins it stands beside every other fact (a cross product)."""

    kind: str
    joins: tuple[Join, ...] = ()


@dataclass(frozen=True, slots=True)
class JoinShape:
    """Two or more patterns, each joined to earlier ones by equality or not at all.

    Raises:
        ValueError: fewer than two patterns, or a join that does not point to an earlier pattern.
    """

    patterns: tuple[JoinPattern, ...]

    def __post_init__(self) -> None:
        if len(self.patterns) < 2:
            raise ValueError("a shape joins two or more patterns; a single one is grounded by its key index")
        for position, pattern in enumerate(self.patterns):
            for join in pattern.joins:
                if not 0 <= join.other < position:
                    raise ValueError(f"pattern {position} joins pattern {join.other}, which is not an earlier one")


@dataclass(frozen=True, slots=True)
class JoinStats:
    """What a joiner holds.

    Attributes:
        living: facts added and not removed, of kinds that some shape names.
        dead: removed facts that still take room until the next rebuild.
        rebuilds: how often the dead have been let go.
        sessions: sessions of the joining library in use; two while a rebuild catches up, 0 without the library.
    """

    living: int
    dead: int
    rebuilds: int
    sessions: int


class Joiner(Protocol):
    """Finds the groundings of a fixed list of shapes, forward: each when its last fact is added."""

    def add(self, handle: int, kind: str, values: Mapping[str, Hashable]) -> list[tuple[int, Tuple]]:
        """Take a fact and return the groundings it completes, ordered by (shape index, handles).

        Args:
            handle: chosen by the caller, 0 or more, never used twice. A fact whose joined fields change is removed
                and added again under a new handle.
            kind: facts of a kind that no shape names are ignored.
            values: every joined field of the kind. ``None`` or absent joins with nothing, not even with itself.

        Returns:
            (shape index, handles in pattern order); the same fact never stands at two places of one grounding.
        """
        ...

    def remove(self, handle: int) -> None:
        """Forget a fact: no later grounding has it. The caller drops the earlier ones. Unknown handles are ignored."""
        ...

    def maintain(self, keep_going: Callable[[], bool]) -> bool:
        """Do upkeep until ``keep_going()`` is false or all is done; returns whether more is to be done."""
        ...

    def stats(self) -> JoinStats:
        """Counts for metrics."""
        ...

    def close(self) -> None:
        """Let everything go; the joiner must not be used again. Called when a rule base is replaced."""
        ...


def joined_fields(shapes: Iterable[JoinShape]) -> dict[str, tuple[str, ...]]:
    """For each kind that some shape names, the fields that joins read, sorted; kinds in sorted order too."""
    fields: dict[str, set[str]] = {}
    for shape in shapes:
        for pattern in shape.patterns:
            fields.setdefault(pattern.kind, set()).update(join.field for join in pattern.joins)
            for join in pattern.joins:
                fields[shape.patterns[join.other].kind].add(join.other_field)
    return {kind: tuple(sorted(fields[kind])) for kind in sorted(fields)}


#: Facts of one kind by the values of some of its fields; a fact without one of the values is not in it.
_Buckets = dict[tuple[Hashable, ...], dict[int, None]]


@dataclass(frozen=True, slots=True)
class _Index:
    fields: tuple[str, ...]
    buckets: _Buckets


@dataclass(frozen=True, slots=True)
class _Step:
    """Bind ``position`` to each fact in ``buckets`` under the values of ``sources``: (bound position, field)."""

    position: int
    buckets: _Buckets
    sources: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the groundings of a shape are found when a fact arrives at ``position``."""

    shape: int
    position: int
    steps: tuple[_Step, ...]


_UNBOUND = -1


class PythonJoiner:
    """A nested loop over hash indexes. Needs no upkeep and keeps nothing of a removed fact."""

    def __init__(self, shapes: Sequence[JoinShape]) -> None:
        """Plan, for each pattern of each shape, in which order the others are bound when a fact arrives there."""
        self._indexes: dict[str, dict[tuple[str, ...], _Index]] = {kind: {} for kind in joined_fields(shapes)}
        self._plans: dict[str, list[_Plan]] = {kind: [] for kind in self._indexes}
        self._facts: dict[int, tuple[str, Mapping[str, Hashable]]] = {}
        for number, shape in enumerate(shapes):
            for position, pattern in enumerate(shape.patterns):
                steps = self._order(shape, position)
                self._plans[pattern.kind].append(_Plan(number, position, steps))

    def add(self, handle: int, kind: str, values: Mapping[str, Hashable]) -> list[tuple[int, Tuple]]:
        """See ``Joiner.add``.

        Raises:
            ValueError: the handle is in use or negative.
        """
        if handle in self._facts or handle < 0:
            raise ValueError(f"handle {handle} is in use or negative")
        plans = self._plans.get(kind)
        if plans is None:
            return []
        self._facts[handle] = (kind, dict(values))
        found: list[tuple[int, Tuple]] = []
        for plan in plans:
            bound = [_UNBOUND] * (len(plan.steps) + 1)
            bound[plan.position] = handle
            self._extend(plan, 0, bound, found)
        # Only now, so that no step above could bind the fact a second time.
        for index in self._indexes[kind].values():
            key = tuple(values.get(field) for field in index.fields)
            if None not in key:
                index.buckets.setdefault(key, {})[handle] = None
        found.sort()
        return found

    def remove(self, handle: int) -> None:
        """See ``Joiner.remove``."""
        known = self._facts.pop(handle, None)
        if known is None:
            return
        kind, values = known
        for index in self._indexes[kind].values():
            key = tuple(values.get(field) for field in index.fields)
            bucket = index.buckets.get(key)
            if bucket is not None:
                del bucket[handle]
                if not bucket:
                    del index.buckets[key]

    def maintain(self, keep_going: Callable[[], bool]) -> bool:
        """See ``Joiner.maintain``; there is never anything to do."""
        del keep_going
        return False

    def stats(self) -> JoinStats:
        """See ``Joiner.stats``."""
        return JoinStats(living=len(self._facts), dead=0, rebuilds=0, sessions=0)

    def close(self) -> None:
        """See ``Joiner.close``."""
        self._facts.clear()

    def _order(self, shape: JoinShape, start: int) -> tuple[_Step, ...]:
        """From ``start``, bind next the pattern most tied to the bound ones, so that cross products come last."""
        ties: dict[int, list[tuple[str, int, str]]] = {position: [] for position in range(len(shape.patterns))}
        for position, pattern in enumerate(shape.patterns):
            for join in pattern.joins:
                ties[position].append((join.field, join.other, join.other_field))
                ties[join.other].append((join.other_field, position, join.field))
        bound = {start}
        steps: list[_Step] = []
        while len(bound) < len(shape.patterns):
            free = [position for position in ties if position not in bound]
            chosen = max(free, key=lambda position: sum(tie[1] in bound for tie in ties[position]))
            tied = [tie for tie in ties[chosen] if tie[1] in bound]
            buckets = self._buckets(shape.patterns[chosen].kind, tuple(tie[0] for tie in tied))
            steps.append(_Step(chosen, buckets, tuple((tie[1], tie[2]) for tie in tied)))
            bound.add(chosen)
        return tuple(steps)

    def _buckets(self, kind: str, fields: tuple[str, ...]) -> _Buckets:
        return self._indexes[kind].setdefault(fields, _Index(fields, {})).buckets

    def _extend(self, plan: _Plan, depth: int, bound: list[int], found: list[tuple[int, Tuple]]) -> None:
        if depth == len(plan.steps):
            found.append((plan.shape, tuple(bound)))
            return
        step = plan.steps[depth]
        key = tuple(self._facts[bound[position]][1].get(field) for position, field in step.sources)
        for handle in step.buckets.get(key, ()):
            if handle not in bound:
                bound[step.position] = handle
                self._extend(plan, depth + 1, bound, found)
                bound[step.position] = _UNBOUND
