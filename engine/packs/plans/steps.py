"""One step of a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from engine.model.expr import Const, Expr
from engine.model.kinds import Type
from engine.model.plans import Effective, Step
from engine.packs.complaints import complain, quoted
from engine.packs.effects import read_value
from engine.packs.forms import Form, as_map, as_scalar
from engine.packs.names import check_dashed
from engine.packs.nodes import ListNode, Node, ScalarNode
from engine.packs.plans.actions import ACTION_KEYS, read_action
from engine.packs.plans.alternatives import read_otherwise
from engine.packs.plans.conditions import read_lasting, reasons_of
from engine.packs.plans.realm import Realm
from engine.packs.plans.reserve import read_reserve, require_free
from engine.packs.plans.undo import read_undo
from engine.packs.rulescope import RuleScope
from engine.packs.termchecks import read_priority

_KEYS: Final = (
    "step",
    "doc",
    "when",
    "for",
    "window",
    "priority",
    "after",
    "instead_of",
    "reserve",
    *ACTION_KEYS,
    "effective",
    "undo",
    "irreversible",
)
_EFFECTIVE: Final = {"network": Type("id"), "time": Type("timestamp"), "height": Type("int"), "index": Type("int")}


def read_step(node: Node, plan: Realm) -> Step | None:
    """One step, or None if it is broken (the problems are noted).

    Args:
        node: the item of ``steps``.
        plan: the plan's realm.
    """
    problems = plan.around.problems
    body = as_map(node, "step", problems)
    if body is None:
        return None
    named = body.get("step")
    what = f"the step {quoted(named.text)}" if isinstance(named, ScalarNode) else "a step"
    form = Form(body, what, _KEYS, problems, plan.around.names.params)
    name_node = form.scalar("step") if form.need("step") else None
    name = check_dashed(name_node, "step", problems) if name_node else None
    form.map("retry")
    realm = plan.in_step()
    when, scope = read_lasting(form, realm)
    realm = replace(realm.after(scope), reasons=reasons_of(when), has_command="command" in form)
    action, done = read_action(form, realm)
    reserve = read_reserve(form, when, realm)
    step = Step(
        name or "?",
        replace(action, otherwise=read_otherwise(form, done)),
        name_node.span if name_node else form.span,
        when=require_free(when, reserve, form, realm),
        priority=read_priority(form, realm.bound),
        after=_read_names(form, "after"),
        instead_of=given.text if (given := form.scalar("instead_of")) else None,
        reserve=reserve,
        effective=_read_effective(form, done.values()),
        undo=read_undo(form, done),
        irreversible=form.flag("irreversible"),
    )
    _check_way_back(form, step)
    if "reserve" in form and "command" not in form:
        complain(problems, form.at("reserve"), "E609", "'reserve' without a command", "add 'command: connector.verb'")
    return step if name else None


def _read_names(form: Form, key: str) -> tuple[str, ...]:
    """Names of steps: one, or a list of them; whether they exist is seen when all steps are read."""
    given = form.node(key)
    if given is None:
        return ()
    items = given.items if isinstance(given, ListNode) else (given,)
    words = [word for each in items if (word := as_scalar(each, key, form.problems))]
    return tuple(dict.fromkeys(word.text for word in words))


def _check_way_back(form: Form, step: Step) -> None:
    """What moves value says how it comes back, or that it cannot."""
    if "undo" in form and step.irreversible:
        message = "'undo' of what is irreversible"
        complain(form.problems, form.at("irreversible"), "E306", message, "keep one of them")
    elif "moves" in form and "undo" not in form and _is_left_open(form):
        hint = "add 'undo: [{command: …}]', or 'irreversible: true'"
        complain(form.problems, form.at("moves"), "E607", f"'{step.name}' moves value and has no way back", hint)


def _is_left_open(form: Form) -> bool:
    """Nothing says that the step is irreversible; of a word that is neither true nor false that is told elsewhere."""
    given = form.node("irreversible")
    return given is None or (isinstance(given, ScalarNode) and given.text == "false")


def _read_effective(form: Form, scope: RuleScope) -> Effective | None:
    body = form.map("effective")
    if body is None:
        return None
    inner = Form(body, "'effective'", tuple(_EFFECTIVE), form.problems)
    made: dict[str, Expr] = {}
    for key, kind in _EFFECTIVE.items():
        given = inner.node(key)
        if given is not None:
            # What is wrong is told; something stands there all the same, so that no relation misses it.
            made[key] = read_value(given, key, kind, scope, scope.scope) or Const("", kind)
    for key, needed in (("height", "network"), ("index", "height")):
        if key in inner and needed not in inner:
            complain(
                form.problems, inner.at(key), "E620", f"'{key}' means nothing without '{needed}'", f"add '{needed}: …'"
            )
    if "time" not in inner and "height" not in inner:
        hint = "add 'time: =t.chain_time', or 'network' and 'height'"
        complain(form.problems, form.at("effective"), "E620", "'effective' that says nothing of when", hint)
    return Effective(**made)
