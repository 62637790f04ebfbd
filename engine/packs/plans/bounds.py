"""When a coordination must have begun, and by when it must have come about."""

from __future__ import annotations

from typing import Final

from engine.errors import Problem
from engine.model.expr import Arith, Const, Default, Expr, FieldRef, Now, Param
from engine.model.kinds import Type
from engine.model.plans import NEVER_MS, Plan
from engine.packs.complaints import complain, quoted
from engine.packs.forms import Form
from engine.packs.nodes import ScalarNode
from engine.packs.plans.realm import Realm
from engine.packs.rulescope import RuleScope, bare_text

_INSTANT: Final = Type("timestamp")


def read_start(form: Form, realm: Realm) -> Expr | None:
    """``start: {before: …}``: an instant; an optional field that is absent is no bound."""
    body = form.map("start")
    if body is None:
        return None
    inner = Form(body, "'start'", ("before",), form.problems, realm.around.names.params)
    given = inner.scalar("before") if inner.need("before") else None
    if given is None:
        return None
    bare = _optional_field(given, realm.bound)
    return bare or _read_instant(inner, "before", given, realm.bound)


def read_deadline(form: Form, realm: Realm) -> Expr | None:
    """``deadline: …``: an instant, or a duration that counts from the start; an optional field may be absent."""
    given = form.scalar("deadline")
    if given is None:
        return None
    return _optional_field(given, realm.bound) or _read_instant(form, "deadline", given, realm.bound)


def _read_instant(form: Form, key: str, given: ScalarNode, scope: RuleScope) -> Expr | None:
    """``=expr`` of an instant, in which ``now`` is when the coordination starts; or ``2h`` after that."""
    if given.text.startswith("="):
        value = scope.effect_value(given, scope.scope)
        if value is None or value.type.name == "timestamp":
            return value
        if value.type.name != "duration":
            hint = "write '=i.deadline', '=now + hours(2)' or '2h'"
            complain(form.problems, given.span, "E625", f"'{key}' is {value.type}, not an instant", hint)
            return None
        return Arith("+", Now(_INSTANT), value, _INSTANT)
    if not given.text[:1].isdigit():
        hint = "write '=i.deadline', '=now + hours(2)' or '2h'"
        complain(form.problems, given.span, "E625", f"'{key}' cannot be {quoted(given.text)}", hint)
        return None
    ms = form.ms_of(given, key)
    return None if ms is None else Arith("+", Now(_INSTANT), Const(ms, Type("duration")), _INSTANT)


def _optional_field(given: ScalarNode, scope: RuleScope) -> Expr | None:
    """``=alias.field`` of an instant that may be absent."""
    text, _ = bare_text(given)
    alias, _, name = text.partition(".")
    kind = scope.scope.aliases.get(alias)
    if not given.text.startswith("=") or kind is None or name not in kind.positions:
        return None
    field = kind.field(name)
    if not field.optional or field.type.name != "timestamp" or (alias, name) in scope.scope.present:
        return None
    ref = FieldRef(alias, name, kind.positions[name], field.type, optional=True)
    return Default(ref, Const(NEVER_MS, _INSTANT), _INSTANT)


def check_bounds(plan: Plan, form: Form, problems: list[Problem]) -> None:
    """A deadline that is known here leaves time for what comes before the last command.

    Others are judged when a coordination starts.
    """
    given = _after_start(plan.deadline) if plan.deadline is not None else None
    if given is not None and given < plan.needed_ms:
        message = (
            f"the deadline comes {given} ms after the start; the steps may take {plan.needed_ms} ms to the last command"
        )
        hint = "make it later, or 'within' and 'for' of the steps shorter"
        complain(problems, form.at("deadline"), "E621", message, hint)
    latest = _after_start(plan.start_before) if plan.start_before is not None else None
    if given is not None and latest is not None and latest > given:
        message = f"'start.before' is {latest} ms after the start, the deadline {given} ms"
        complain(problems, form.at("start"), "E621", message, "start before the deadline")


def _after_start(expr: Expr) -> int | None:
    """How long after the start an instant is, if constants and parameters say it."""
    found = _linear(expr)
    return found[1] if found is not None and found[0] == 1 else None


def _linear(expr: Expr) -> tuple[int, int] | None:
    """How often ``now`` is in a sum, and the rest of it, in ms."""
    match expr:
        case Now():
            return 1, 0
        case Const(int() as value, _) | Param(_, int() as value, _):
            return 0, value
        case Arith("+" | "-" as op, left, right, _):
            one, other = _linear(left), _linear(right)
            if one is None or other is None:
                return None
            sign = 1 if op == "+" else -1
            return one[0] + sign * other[0], one[1] + sign * other[1]
        case _:
            return None
