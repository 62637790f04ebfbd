"""A plan seen as a graph: what comes after what, who stands instead of whom, and every action by its place.

Places name conditions and runs: ``bridge``, ``bridge.undo0``, ``swap!failed1`` (a small step), ``@0!breach0`` (a small
step of a relation), and so on inwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from engine.model.plans import Action, Alternative, Plan, Relation, Step

#: The cause under which a relation's alternatives stand.
BREACH = "breach"


class Outline:
    """Made once for a plan.

    Attributes:
        plan: the plan.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    @cached_property
    def actions(self) -> dict[str, Action]:
        """Every action of the plan by its place."""
        return dict(actions_of(self.plan))

    @cached_property
    def partners(self) -> dict[str, tuple[str, ...]]:
        """Step → those that stand instead of it, or that it stands instead of."""
        steps = self.plan.steps
        return {s.name: tuple(o.name for o in steps if o.instead_of == s.name or o.name == s.instead_of) for s in steps}

    @cached_property
    def earlier(self) -> dict[str, tuple[str, ...]]:
        """Step → those it comes directly after, and what may stand instead of these."""
        return {
            step.name: tuple(dict.fromkeys(n for name in step.after for n in (name, *self.partners[name])))
            for step in self.plan.steps
        }

    @cached_property
    def later(self) -> dict[str, tuple[str, ...]]:
        """Step → those that come after it, directly or not."""
        found: dict[str, dict[str, None]] = {step.name: {} for step in self.plan.steps}
        for name in reversed(self.order):
            for before in self.earlier[name]:
                found[before] |= {name: None} | found[name]
        return {name: tuple(names) for name, names in found.items()}

    @cached_property
    def order(self) -> tuple[str, ...]:
        """All steps, each behind those it comes after; otherwise as in the file."""
        placed: dict[str, None] = {}

        def place(step: Step) -> None:
            if step.name not in placed:
                for name in self.earlier[step.name]:
                    place(self.plan.by_name[name])
                placed[step.name] = None

        for step in self.plan.steps:
            place(step)
        return tuple(placed)

    def is_followed(self, name: str) -> bool:
        """Whether some step comes after this one."""
        return bool(self.later[name])


def actions_of(plan: Plan) -> Iterator[tuple[str, Action]]:
    """(place, action) of everything that a plan may carry out."""
    for step in plan.steps:
        yield from _with_small(step.name, step.action)
        for number, undo in enumerate(step.undo):
            yield from _with_small(undo_place(step.name, number), undo.action)
    for number, relation in enumerate(plan.relations):
        yield from _small_of(relation_place(number), BREACH, relation.otherwise or ())


def undo_place(step: str, number: int) -> str:
    """Place of an entry of ``undo``."""
    return f"{step}.undo{number}"


def relation_place(number: int) -> str:
    """Place of a relation."""
    return f"@{number}"


def breach_verdict(relation: Relation) -> str:
    """The verdict when a relation was broken."""
    return "FAILED_ORDER" if relation.kind == "order" else "FAILED_ATOMICITY"


def way_place(place: str, cause: str, index: int) -> str:
    """Place of an alternative."""
    return f"{place}!{cause}{index}"


def _with_small(place: str, action: Action) -> Iterator[tuple[str, Action]]:
    yield place, action
    for cause, alternatives in action.otherwise:
        yield from _small_of(place, cause, alternatives)


def _small_of(place: str, cause: str, alternatives: tuple[Alternative, ...]) -> Iterator[tuple[str, Action]]:
    for index, alternative in enumerate(alternatives):
        if alternative.action is not None:
            yield from _with_small(way_place(place, cause, index), alternative.action)
