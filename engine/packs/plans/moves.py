"""What an action does to value: ``gives``, ``gets``, ``via``, ``owes``; and ``brings`` of a plan."""

from __future__ import annotations

from typing import Final

from engine.model.expr import Expr
from engine.model.kinds import Type
from engine.model.plans import Moves, Portion
from engine.packs.complaints import complain
from engine.packs.effects import read_value
from engine.packs.expressions import asset_term
from engine.packs.forms import Form, as_map
from engine.packs.nodes import ListNode, Node, ScalarNode
from engine.packs.rulescope import RuleScope

_ID: Final = Type("id")
_AMOUNT: Final = Type("amount")


def read_moves(form: Form, before: RuleScope, after: RuleScope) -> Moves | None:
    """The ``moves`` of an action.

    Args:
        form: the action's.
        before: what is known when value has left: ``gives`` is booked then.
        after: what is known when it is done: ``gets`` and ``owes`` are booked then.
    """
    body = form.map("moves")
    if body is None:
        return None
    inner = Form(body, "'moves'", ("gives", "gets", "via", "owes"), form.problems)
    gives, gets = read_portions(inner, "gives", before), read_portions(inner, "gets", after)
    owes = read_portions(inner, "owes", after)
    given = inner.node("via")
    via = read_value(given, "via", _ID, before, before.scope) if given is not None else None
    if "gives" not in inner and "gets" not in inner:
        hint = "add 'gives: {asset: …, amount: …, place: …}', 'gets', or both"
        complain(form.problems, form.at("moves"), "E302", "'moves' that moves nothing", hint)
        return None
    return Moves(gives, gets, via, owes)


def read_portions(form: Form, key: str, scope: RuleScope) -> tuple[Portion, ...]:
    """One portion, or a list of them."""
    given = form.node(key)
    if given is None:
        return ()
    if isinstance(given, ScalarNode) and given.is_empty:
        complain(form.problems, given.span, "E305", f"'{key}' is empty", "give it a value, or delete the line")
        return ()
    items = given.items if isinstance(given, ListNode) else (given,)
    if not items:
        complain(form.problems, given.span, "E305", f"'{key}' is an empty list", "list what it is, or delete the line")
    made = [_read_portion(each, key, form, scope) for each in items]
    return tuple(portion for portion in made if portion is not None)


def _read_portion(node: Node, key: str, form: Form, scope: RuleScope) -> Portion | None:
    body = as_map(node, key, form.problems)
    if body is None:
        return None
    inner = Form(body, f"'{key}'", ("asset", "amount", "place"), form.problems)
    if not inner.need("asset", "amount", "place"):
        return None
    asset = _value(inner, "asset", _ID, scope)
    amount = _value(inner, "amount", _AMOUNT, scope)
    place = _value(inner, "place", _ID, scope)
    if asset is None or amount is None or place is None:
        return None
    check_asset(inner, "amount", amount, asset, scope)
    return Portion(asset, amount, place)


def _value(form: Form, name: str, kind: Type, scope: RuleScope) -> Expr | None:
    given = form.node(name)
    return read_value(given, name, kind, scope, scope.scope) if given is not None else None


def check_asset(form: Form, key: str, amount: Expr, asset: Expr, scope: RuleScope) -> None:
    """An amount must be one of the asset it is booked under, as far as both are named."""
    of, named = scope.scope.asset_of(amount), asset_term(asset)
    if of is None or named is None or scope.scope.are_same_asset(of, named):
        return
    hint = f"state '{of} == {named}' in a condition before it, or write raw(…) for a bare number"
    complain(form.problems, form.at(key), "W605", f"an amount of {of} booked as one of {named}", hint)
