"""Two steps that wait for the same evidence: one fact would confirm both, and its value would be booked twice."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from itertools import combinations

from engine.errors import Problem
from engine.model.expr import Local
from engine.model.kinds import Kind
from engine.model.plans import Condition, Plan, Step
from engine.model.rules import Aggregate, Let, Pattern, Pick, Span, Without
from engine.packs.complaints import complain


def warn_of_shared_evidence(plan: Plan, problems: list[Problem]) -> None:
    """Say which steps have the same ``confirmed``; of two that stand instead of each other only one is commanded."""
    said = {step.name: _sense(step.action.confirmed) for step in plan.steps if step.action.confirmed is not None}
    for one, other in combinations(plan.steps, 2):
        if one.name not in said or said[one.name] != said.get(other.name) or _are_partners(one, other):
            continue
        confirmed = other.action.confirmed
        assert confirmed is not None  # noqa: S101 - it is among those that say something
        if any(isinstance(node, Local) and node.name == "step" for node in _nodes(confirmed)):
            continue
        message = f"'{one.name}' and '{other.name}' wait for the same evidence: one fact would confirm both"
        complain(
            problems, confirmed.span, "W606", message, "add what tells them apart to 'where', as in 'n.step == step'"
        )


def is_same_evidence(one: Condition, other: Condition) -> bool:
    """Whether two conditions say the same, whatever they call it."""
    return _sense(one) == _sense(other)


def _are_partners(one: Step, other: Step) -> bool:
    return one.instead_of == other.name or other.instead_of == one.name


def _nodes(part: object) -> list[object]:
    """A condition and everything in it; kinds are left whole."""
    found: list[object] = []
    todo = [part]
    while todo:
        item = todo.pop()
        if isinstance(item, tuple):
            todo.extend(item)
        elif is_dataclass(item) and not isinstance(item, type | Span):
            found.append(item)
            if not isinstance(item, Kind):
                todo.extend(getattr(item, each.name) for each in fields(item))
    return found


def _sense(condition: Condition) -> object:
    """What a condition says, whatever its names are and wherever it stands."""
    names: dict[str, str] = {}
    for term in condition.terms:
        match term:
            case Pattern() | Pick() | Without():
                names[term.alias] = f"#{len(names)}"
            case Aggregate():
                names[term.alias] = f"#{len(names)}"
                names[term.name] = f"#{len(names)}"
            case Let():
                names[term.name] = f"#{len(names)}"
    return _plain(condition, names)


def _plain(part: object, names: dict[str, str]) -> object:
    if isinstance(part, tuple):
        return tuple(_plain(item, names) for item in part)
    if isinstance(part, Kind):
        return part.name
    if isinstance(part, Span):
        return None
    if is_dataclass(part) and not isinstance(part, type):
        inner = [_plain(getattr(part, each.name), names) for each in fields(part) if each.name != "reason"]
        return (type(part).__name__, *inner)
    return names.get(part, part) if isinstance(part, str) else part
