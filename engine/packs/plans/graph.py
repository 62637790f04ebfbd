"""Which step waits for which: names that exist, no circles, no step that can never come."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from engine.errors import Problem
from engine.model.plans import Step
from engine.packs.complaints import complain, did_you_mean, quoted


def check_graph(steps: Sequence[Step], known: Collection[str], problems: list[Problem]) -> bool:
    """Whether ``after`` and ``instead_of`` make sense; says where not.

    Args:
        steps: those that could be read.
        known: names of all that are written.
        problems: takes what is wrong.
    """
    before = len(problems)
    by_name = {step.name: step for step in steps}
    for step in steps:
        named = (*step.after, *([step.instead_of] if step.instead_of is not None else []))
        for name in named:
            if name not in known:
                hint = did_you_mean(name, known, "steps") or "name a step of this plan"
                complain(problems, step.span, "E603", f"'{step.name}' names no step {quoted(name)}", hint)
    if not by_name.keys() >= set(known):
        return False
    if len(problems) == before:
        _check_circles(by_name, problems)
    if len(problems) == before:
        _check_reachable(by_name, problems)
    return len(problems) == before


def _check_circles(steps: dict[str, Step], problems: list[Problem]) -> None:
    """Names each circle once, at its first step in the file."""
    done: set[str] = set()
    for start in steps:
        path: list[str] = []
        _walk(start, steps, path, done, problems)


def _walk(name: str, steps: dict[str, Step], path: list[str], done: set[str], problems: list[Problem]) -> None:
    if name in path:
        circle = [*path[path.index(name) :], name]
        message = f"steps that wait for each other: {' after '.join(circle)}"
        complain(problems, steps[name].span, "E605", message, "take one of them out of 'after'")
        return
    if name in done:
        return
    path.append(name)
    for earlier in steps[name].after:
        _walk(earlier, steps, path, done, problems)
    path.pop()
    done.add(name)


def earlier_steps(name: str, steps: dict[str, Step]) -> set[str]:
    """All steps that must be done before, directly or through others; ``after`` has no circle."""
    found: set[str] = set()
    pending = list(steps[name].after)
    while pending:
        one = pending.pop()
        if one not in found:
            found.add(one)
            pending.extend(steps[one].after)
    return found


def _check_reachable(steps: dict[str, Step], problems: list[Problem]) -> None:
    """Of two steps joined by ``instead_of`` only one is ever commanded: neither can wait for the other.

    What comes after one of them goes on after the other as well, so a third step may wait for either or both.
    """
    for step in steps.values():
        other = step.instead_of
        if other is None:
            continue
        if other == step.name:
            complain(problems, step.span, "E606", f"'{step.name}' stands instead of itself", "name the other step")
        for one, before in ((step.name, other), (other, step.name)):
            if before in earlier_steps(one, steps):
                message = (
                    f"'{one}' can never come: it comes after '{before}', of which and itself only one is commanded"
                )
                complain(problems, steps[one].span, "E606", message, "take it out of 'after', or 'instead_of' away")
