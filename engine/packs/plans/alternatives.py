"""Ways off the good path: what ``otherwise`` maps a cause to."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from engine.model.plans import CAUSES, VERDICTS, Action, Alternative
from engine.packs.complaints import complain, did_you_mean, listed, quoted
from engine.packs.forms import Form, as_list, as_map, as_scalar
from engine.packs.names import check_reason
from engine.packs.nodes import Node, ScalarNode
from engine.packs.plans.actions import ACTION_KEYS, read_action
from engine.packs.plans.conditions import read_condition, reasons_of
from engine.packs.plans.realm import Realm

_OWN: Final = ("when", "missing", "for", "retry", "undo", "hold", "accept", "escalate", "end", "reason")
_KEYS: Final = tuple(dict.fromkeys((*_OWN, *ACTION_KEYS)))
_DEEDS: Final = ("retry", "undo", "hold", "command", "confirmed", "accept", "escalate", "end")


def read_otherwise(form: Form, realm: Realm) -> tuple[tuple[str, tuple[Alternative, ...]], ...]:
    """Cause → alternatives, as an action declares them.

    Args:
        form: the action's.
        realm: behind all its conditions.
    """
    body = form.map("otherwise")
    made: list[tuple[str, tuple[Alternative, ...]]] = []
    for entry in body or ():
        cause = entry.key.text
        if cause not in CAUSES:
            hint = did_you_mean(cause, CAUSES, "causes")
            complain(form.problems, entry.key.span, "E610", f"no cause {quoted(cause)}", hint)
            continue
        made.append((cause, read_alternatives(entry.value, cause, realm)))
    return tuple(made)


def read_alternatives(node: Node, what: str, realm: Realm) -> tuple[Alternative, ...]:
    """The alternatives for one cause, or for a relation that was broken."""
    problems = realm.around.problems
    found = as_list(node, what, problems)
    if found is None:
        return ()
    if not found.items:
        hint = "list at least one alternative, as in [{escalate: true}], or delete the line for the default"
        complain(problems, found.span, "E305", f"'{what}' is an empty list", hint)
    made = [_read_alternative(each, what, realm) for each in found.items]
    return tuple(alternative for alternative in made if alternative is not None)


def _read_alternative(node: Node, cause: str, realm: Realm) -> Alternative | None:
    body = as_map(node, "alternative", realm.around.problems)
    if body is None:
        return None
    form = Form(body, "an alternative", _KEYS, realm.around.problems, realm.around.names.params)
    when, scope = read_condition(form, "when", realm)
    made = Alternative(
        form.span,
        when=when,
        missing=_read_missing(form, realm),
        for_ms=form.ms("for") or 0,
        retry=_read_retry(form, cause, realm),
        undo=form.flag("undo"),
        hold_ms=form.ms("hold") or 0,
        action=_read_small_step(form, replace(realm.after(scope), reasons=reasons_of(when))),
        accept=form.flag("accept"),
        escalate=form.flag("escalate"),
        end=_read_end(form),
        reason=check_reason(reason, form.problems) if (reason := form.scalar("reason")) else None,
    )
    if not any(key in form for key in _DEEDS):
        complain(form.problems, form.span, "E611", "an alternative that does nothing", f"add one of {listed(_DEEDS)}")
    if made.undo and made.accept:
        complain(form.problems, form.at("accept"), "E306", "'undo' and 'accept' in one alternative", "keep one of them")
    return made


def _read_small_step(form: Form, realm: Realm) -> Action | None:
    """A ``command … confirmed … within …`` among an alternative's deeds."""
    own = [
        key for key in ACTION_KEYS if key in form and not (key == "retry" and isinstance(form.node(key), ScalarNode))
    ]
    if not own:
        return None
    if "command" not in form and "confirmed" not in form:
        message = f"{listed([quoted(key) for key in own])} without a command"
        complain(form.problems, form.at(own[0]), "E609", message, "add 'command: connector.verb', or delete it")
        return None
    realm = replace(realm, has_command="command" in form)
    action, done = read_action(form, realm)
    return replace(action, otherwise=read_otherwise(form, done))


def _read_retry(form: Form, cause: str, realm: Realm) -> bool:
    """``retry: true`` is one further attempt of the action whose alternative this is."""
    given = form.node("retry")
    if not isinstance(given, ScalarNode) or not form.flag("retry"):
        return False
    if not realm.has_command:
        complain(form.problems, given.span, "E614", "nothing is commanded here that could be tried again", "delete it")
    elif cause == "blocked":
        hint = "a blocked step has not been commanded; it is when its 'when' holds"
        complain(form.problems, given.span, "E614", "'retry' of what has not been tried", hint)
    return True


def _read_missing(form: Form, realm: Realm) -> tuple[str, ...] | None:
    """Reasons of the terms that must be exactly those that do not hold."""
    given = form.list("missing")
    if given is None:
        return None
    words = [word for each in given.items if (word := as_scalar(each, "missing", form.problems))]
    if not given.items:
        hint = "name the reasons of the terms that may fail, as in [FAR_LIQUIDITY]"
        complain(form.problems, given.span, "E305", "'missing' is an empty list", hint)
    for word in words:
        if word.text not in realm.reasons:
            known = sorted(realm.reasons)
            hint = did_you_mean(word.text, known, "reasons") or f"add 'reason: {word.text}' to a term of its 'when'"
            message = f"no term of its 'when' has the reason {quoted(word.text)}"
            complain(form.problems, word.span, "E613", message, hint)
    return tuple(word.text for word in words)


def _read_end(form: Form) -> str | None:
    given = form.scalar("end")
    return read_verdict(given, form) if given else None


def read_verdict(node: ScalarNode, form: Form) -> str | None:
    """One of the verdicts a coordination may end with."""
    if node.text in VERDICTS:
        return node.text
    complain(
        form.problems,
        node.span,
        "E612",
        f"no verdict {quoted(node.text)}",
        did_you_mean(node.text, VERDICTS, "verdicts"),
    )
    return None
