"""The slowest, most obvious joiner, and random programs to hold the real ones to it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from random import Random

from engine.matching.joins import Join, Joiner, JoinPattern, JoinShape, Tuple

KINDS = ("a", "b", "c", "d")
FIELDS = ("p", "q", "r")


def join(field: str, other: int, other_field: str | None = None) -> Join:
    """``field`` equals the same, or another, field of an earlier pattern."""
    return Join(field, other, other_field or field)


def shape(*patterns: tuple[str, list[Join]] | str) -> JoinShape:
    """A shape from kinds and (kind, joins) pairs."""
    return JoinShape(tuple(JoinPattern(p) if isinstance(p, str) else JoinPattern(p[0], tuple(p[1])) for p in patterns))


class NaiveJoiner:
    """Tries every tuple of living facts that holds the new one."""

    def __init__(self, shapes: Sequence[JoinShape]) -> None:
        self.shapes = shapes
        self.facts: dict[int, tuple[str, dict[str, Hashable]]] = {}

    def add(self, handle: int, kind: str, values: Mapping[str, Hashable]) -> list[tuple[int, Tuple]]:
        self.facts[handle] = (kind, dict(values))
        return sorted(
            (number, handles)
            for number, shape in enumerate(self.shapes)
            for handles in product(self.facts, repeat=len(shape.patterns))
            if handle in handles and self.fits(shape, handles)
        )

    def fits(self, shape: JoinShape, handles: Tuple) -> bool:
        if len(set(handles)) != len(handles):
            return False
        facts = [self.facts[handle] for handle in handles]
        if any(pattern.kind != kind for pattern, (kind, _) in zip(shape.patterns, facts, strict=True)):
            return False
        return all(
            values.get(join.field) is not None and values.get(join.field) == facts[join.other][1].get(join.other_field)
            for pattern, (_, values) in zip(shape.patterns, facts, strict=True)
            for join in pattern.joins
        )

    def remove(self, handle: int) -> None:
        self.facts.pop(handle, None)


def slices(count: int) -> Callable[[], bool]:
    """``keep_going`` that says yes ``count`` times."""
    left = iter(range(count))
    return lambda: next(left, None) is not None


@dataclass(slots=True)
class Program:
    """Random shapes and a random history of facts that come, go and are rebuilt.

    Attributes:
        shapes: what to join.
        min_dead: how many dead start a rebuild.
        max_session_facts: room of one session.
        steps: ("add", handle, kind, values), ("remove", handle) or ("maintain", slice length).
    """

    shapes: list[JoinShape]
    min_dead: int
    max_session_facts: int
    steps: list[tuple[object, ...]] = field(default_factory=list)


def random_shape(rng: Random) -> JoinShape:
    """Two to five patterns with up to three joins each, some with none."""
    patterns: list[JoinPattern] = []
    for position in range(rng.randint(2, 5)):
        count = rng.choice((0, 1, 1, 1, 2, 3)) if position else 0
        joins = [Join(rng.choice(FIELDS), rng.randrange(position), rng.choice(FIELDS)) for _ in range(count)]
        patterns.append(JoinPattern(rng.choice(KINDS), tuple(joins)))
    return JoinShape(tuple(patterns))


def random_program(seed: int, length: int = 120) -> Program:
    """The program of that seed; up to 16 facts live at a time."""
    rng = Random(seed)
    program = Program(
        shapes=[random_shape(rng) for _ in range(rng.randint(1, 10))],
        min_dead=rng.choice((1, 3, 8)),
        max_session_facts=rng.choice((40, 60, 64**3)),
    )
    living: list[int] = []
    for handle in range(length):
        if len(living) == 16 or (living and rng.random() < 0.4):
            gone = living.pop(rng.randrange(len(living)))
            program.steps.append(("remove", gone))
        elif rng.random() < 0.2:
            program.steps.append(("maintain", rng.randint(0, 4)))
        else:
            values = {name: rng.choice((None, "x", 0, 1, 2)) for name in FIELDS}
            program.steps.append(("add", handle, rng.choice(KINDS), values))
            living.append(handle)
    return program


def run_program(program: Program, joiner: Joiner) -> list[list[tuple[int, Tuple]]]:
    """What each addition of the program grounds."""
    found = []
    for step in program.steps:
        match step:
            case ("add", int(handle), str(kind), dict(values)):
                found.append(joiner.add(handle, kind, values))
            case ("remove", int(handle)):
                joiner.remove(handle)
            case ("maintain", int(count)):
                joiner.maintain(slices(count))
    return found
