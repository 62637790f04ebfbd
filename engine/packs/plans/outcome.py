"""How the end of a coordination is judged."""

from __future__ import annotations

from typing import Final

from engine.model.expr import Expr
from engine.model.plans import OutcomeRule
from engine.packs.complaints import complain
from engine.packs.effects import read_free_value
from engine.packs.forms import Form
from engine.packs.names import check_identifier
from engine.packs.plans.alternatives import read_verdict
from engine.packs.plans.realm import Realm

_KEYS: Final = ("achieved", "partial", "report", "otherwise")


def read_outcome(form: Form, realm: Realm) -> OutcomeRule:
    """The ``outcome`` of a plan; without one, all steps must be confirmed and relations hold."""
    body = form.map("outcome")
    if body is None:
        return OutcomeRule()
    inner = Form(body, "'outcome'", _KEYS, form.problems)
    report: list[tuple[str, Expr]] = []
    for entry in inner.map("report") or ():
        name = check_identifier(entry.key, "value of the report", form.problems)
        value = read_free_value(entry.value, entry.key.text, realm.bound, realm.bound.scope)
        if name is not None and value is not None:
            report.append((name, value))
    given = inner.scalar("otherwise")
    return OutcomeRule(
        achieved=_read_test(inner, "achieved", realm),
        partial=_read_test(inner, "partial", realm),
        report=tuple(report),
        otherwise=(read_verdict(given, inner) if given else None) or OutcomeRule().otherwise,
    )


def _read_test(form: Form, key: str, realm: Realm) -> Expr | None:
    value = realm.bound.term_value(form.scalar(key))
    if value is not None and value.type.name != "bool":
        hint = "compare something, as in '=delivered(i.target, i.asset_out) >= i.min_out'"
        complain(form.problems, form.at(key), "E622", f"'{key}' is {value.type}, not true or false", hint)
        return None
    return value
