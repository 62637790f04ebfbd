"""Ways to take a step back."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from engine.model.plans import Undo
from engine.packs.complaints import complain
from engine.packs.forms import Form, as_map
from engine.packs.nodes import Node
from engine.packs.plans.actions import ACTION_KEYS, read_action
from engine.packs.plans.alternatives import read_otherwise
from engine.packs.plans.conditions import read_condition, reasons_of
from engine.packs.plans.realm import Realm

_KEYS: Final = ("when", *ACTION_KEYS)


def read_undo(form: Form, realm: Realm) -> tuple[Undo, ...]:
    """The entries of a step's ``undo``; the first whose ``when`` holds is taken.

    Args:
        form: the step's.
        realm: behind all its conditions.
    """
    given = form.list("undo")
    if given is None:
        return ()
    if not given.items:
        hint = "list how it is taken back, or write 'irreversible: true'"
        complain(form.problems, given.span, "E305", "'undo' is an empty list", hint)
    made = [_read_entry(each, realm) for each in given.items]
    for node, entry in list(zip(given.items, made, strict=True))[:-1]:
        if entry is not None and entry.when is None:
            hint = "put it last, or give it a 'when'"
            complain(form.problems, node.span, "W602", "always taken, so the entries below it never are", hint)
    return tuple(entry for entry in made if entry is not None)


def _read_entry(node: Node, realm: Realm) -> Undo | None:
    body = as_map(node, "undo", realm.around.problems)
    if body is None:
        return None
    form = Form(body, "an entry of 'undo'", _KEYS, realm.around.problems, realm.around.names.params)
    form.map("retry")
    when, scope = read_condition(form, "when", realm)
    here = replace(realm.after(scope), reasons=reasons_of(when), has_command="command" in form)
    action, done = read_action(form, here)
    return Undo(when, replace(action, otherwise=read_otherwise(form, done)))
