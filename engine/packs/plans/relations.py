"""Relations between the steps of a plan: in which order, how close together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from engine.model.plans import Effective, Relation, Step
from engine.packs.complaints import complain, did_you_mean, quoted
from engine.packs.forms import Form, as_map, as_scalar
from engine.packs.nodes import Node
from engine.packs.plans.alternatives import read_alternatives
from engine.packs.plans.realm import Realm

_KINDS: Final = ("order", "together")
_KEYS: Final = (*_KINDS, "within", "clock", "otherwise")


def read_relation(node: Node, known: Collection[str], steps: Sequence[Step], realm: Realm) -> Relation | None:
    """One relation, or None if it is broken (the problems are noted).

    Args:
        node: the item of ``relations``.
        known: names of all steps that are written.
        steps: those that could be read.
        realm: the plan's.
    """
    problems = realm.around.problems
    body = as_map(node, "relation", problems)
    if body is None:
        return None
    form = Form(body, "a relation", _KEYS, problems, realm.around.names.params)
    kind = next((key for key in _KINDS if key in form), None)
    if kind is None:
        complain(problems, form.span, "E619", "neither 'order' nor 'together'", "write 'order: [repay, release]'")
        return None
    if not form.only_one_of(*_KINDS):
        return None
    names = _read_steps(form, kind, known)
    within_ms, clock = 0, "effective"
    if kind == "together":
        within_ms = form.ms("within", is_positive=False) or 0 if form.need("within") else 0
        clock = form.word("clock", ("engine", "effective")) or "engine"
    else:
        for key in ("within", "clock"):
            if key in form:
                hint = "'order' compares 'effective', strictly; delete it"
                complain(problems, form.at(key), "E619", f"'{key}' does not go with 'order'", hint)
    if clock == "effective":
        _check_effective(form, kind, [step for step in steps if step.name in names])
    given = form.node("otherwise")
    otherwise = read_alternatives(given, "otherwise", realm) if given is not None else None
    return Relation(kind, names, form.at(kind), within_ms, clock, otherwise)


def _read_steps(form: Form, kind: str, known: Collection[str]) -> tuple[str, ...]:
    given = form.list(kind)
    if given is None:
        return ()
    words = [word for each in given.items if (word := as_scalar(each, kind, form.problems))]
    for word in words:
        if word.text not in known:
            hint = did_you_mean(word.text, known, "steps") or "name a step of this plan"
            complain(form.problems, word.span, "E603", f"no step {quoted(word.text)}", hint)
    names = tuple(word.text for word in words)
    if len(set(names)) < max(2, len(names)):
        complain(
            form.problems, given.span, "E619", f"'{kind}' relates two or more different steps", "as in [repay, release]"
        )
    return names


def _check_effective(form: Form, kind: str, steps: list[Step]) -> None:
    """A relation by the clocks of the networks needs to know when each step took effect there."""
    for step in steps:
        if step.effective is None or not _is_enough(step.effective, kind):
            parts = "time: …" if kind == "together" else "network: …, height: …, index: …, time: …"
            message = f"'{kind}' compares 'effective', which '{step.name}' does not tell"
            hint = f"add 'effective: {{{parts}}}' to the step"
            complain(form.problems, form.at(kind), "E618", message, hint)


def _is_enough(effective: Effective, kind: str) -> bool:
    return effective.time is not None or (kind == "order" and effective.height is not None)
