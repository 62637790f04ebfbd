"""What a step sets aside of a reported amount when it is commanded."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from engine.model.expr import Compare, Expr, FieldRef, Free
from engine.model.kinds import Kind, Type
from engine.model.plans import Condition, Reserve
from engine.model.rules import Check, Pattern, Pick
from engine.packs.complaints import complain, did_you_mean, listed, quoted
from engine.packs.forms import Form
from engine.packs.nodes import ScalarNode
from engine.packs.plans.realm import Realm
from engine.packs.rulescope import RuleScope

_RESERVABLE: Final = ("amount", "uint256")


def read_reserve(form: Form, when: Condition | None, realm: Realm) -> Reserve | None:
    """The ``reserve`` of a step.

    Args:
        form: the step's.
        when: its condition; something is reserved of one of its facts, or of one the plan is for.
        realm: behind that condition.
    """
    body = form.map("reserve")
    if body is None:
        return None
    inner = Form(body, "'reserve'", ("of", "field", "amount", "for"), form.problems, realm.around.names.params)
    if not inner.need("of", "field", "amount", "for"):
        return None
    scope = realm.bound
    alias, kind = _read_alias(inner, when, realm)
    field = _read_field(inner, kind, alias, scope) if kind is not None else None
    amount = _read_amount(inner, alias, field, scope)
    for_ms = inner.ms("for")
    if field is None or amount is None or for_ms is None:
        return None
    return Reserve(alias, field.field, amount, for_ms)


def require_free(when: Condition | None, reserve: Reserve | None, form: Form, realm: Realm) -> Condition | None:
    """A step that reserves waits until what it reserves is free: the condition with that term.

    It has the reason of the term that binds the fact: to whoever reads it, the same thing is missing.
    """
    if reserve is None:
        return when
    terms = when.terms if when is not None else ()
    term = next((t for t in terms if isinstance(t, Pattern | Pick) and t.alias == reserve.alias), None)
    kind = term.kind if term is not None else realm.outer.scope.aliases[reserve.alias]
    ref = _field_ref(reserve.alias, reserve.field, kind)
    free = Compare(">=", Free(ref, ref.type), reserve.amount, Type("bool"))
    check = Check((free,), form.at("reserve"), None) if term is None else Check((free,), term.span, term.reason)
    return Condition((check,), form.at("reserve")) if when is None else replace(when, terms=(*terms, check))


def _field_ref(alias: str, name: str, kind: Kind) -> FieldRef:
    field = kind.field(name)
    return FieldRef(alias, name, kind.positions[name], field.type, field.optional)


def _read_alias(form: Form, when: Condition | None, realm: Realm) -> tuple[str, Kind | None]:
    given = form.scalar("of")
    if given is None:
        return "", None
    known = dict(realm.outer.scope.aliases)
    known |= {t.alias: t.kind for t in (when.terms if when else ()) if isinstance(t, Pattern | Pick)}
    if given.text not in known and given.text not in realm.bound.broken:
        hint = did_you_mean(given.text, list(known), "aliases") or "bind it there, as in '- liquidity: pool'"
        message = f"no fact of its 'when' or of 'for' is called {quoted(given.text)}"
        complain(form.problems, given.span, "E615", message, hint)
    return given.text, known.get(given.text)


def _read_field(form: Form, kind: Kind, alias: str, scope: RuleScope) -> FieldRef | None:
    given = form.scalar("field")
    if given is None:
        return None
    fitting = [field.name for field in kind.fields if field.type.name in _RESERVABLE]
    if given.text not in fitting:
        hint = did_you_mean(given.text, fitting, "amounts") or f"'{kind.name}' has no amount and no uint256"
        complain(form.problems, given.span, "E616", f"nothing can be reserved of {alias}.{given.text}", hint)
        return None
    ref = _field_ref(alias, given.text, kind)
    if ref.optional and (alias, given.text) not in scope.scope.present:
        hint = f"add 'has({alias}.{given.text})' to its 'when'"
        complain(form.problems, given.span, "E616", f"{alias}.{given.text} may be absent", hint)
        return None
    return ref


def _read_amount(form: Form, alias: str, field: FieldRef | None, scope: RuleScope) -> Expr | None:
    given = form.scalar("amount")
    if given is None:
        return None
    # As a condition reads it, for its being free is one: without 'now'.
    amount = scope.term_value(ScalarNode(given.text, given.style, given.span))
    if amount is None or field is None:
        return amount
    if amount.type.name not in {"amount", "int", "uint256"} or (amount.type.name == "amount") > (
        field.type.name == "amount"
    ):
        message = f"'{given.text.removeprefix('=')}' is {amount.type}, {alias}.{field.field} is {field.type}"
        complain(form.problems, given.span, "E616", message, f"write one of {listed(_RESERVABLE)}, or raw(…)")
        return None
    of, other = scope.scope.asset_of(field), scope.scope.asset_of(amount)
    if of is not None and other is not None and not scope.scope.are_same_asset(of, other):
        message = f"an amount of {other} is reserved of {alias}.{field.field}, an amount of {of}"
        complain(form.problems, given.span, "E617", message, f"add '{of} == {other}' to its 'when'")
    return amount
