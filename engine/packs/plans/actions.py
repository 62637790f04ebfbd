"""What steps, entries of ``undo`` and small steps have in common: a command, and what shows how far it has come."""

from __future__ import annotations

from typing import Final

from engine.limits import MAX_WAITS
from engine.model.plans import Action
from engine.packs.complaints import complain, listed, quoted
from engine.packs.effects import read_command
from engine.packs.forms import Form, as_list, as_scalar
from engine.packs.nodes import MapNode
from engine.packs.plans.conditions import read_condition
from engine.packs.plans.moves import read_moves
from engine.packs.plans.realm import Realm

ACTION_KEYS: Final = (
    "command",
    "with",
    "expires",
    "seen",
    "confirmed",
    "final",
    "failed",
    "unused",
    "moves",
    "within",
    "retry",
    "otherwise",
)
#: What speaks of a command.
_OF_COMMANDS: Final = ("with", "expires", "failed", "unused")


def read_action(form: Form, realm: Realm) -> tuple[Action, Realm]:
    """The action a form describes, its ``otherwise`` left out, and what is known when it is done.

    Args:
        form: of a step, an entry of ``undo`` or an alternative; ``ACTION_KEYS`` are among its keys.
        realm: behind its ``when``.
    """
    seen, seen_scope = read_condition(form, "seen", realm)
    on_its_way = realm.after(seen_scope)
    confirmed, confirmed_scope = read_condition(form, "confirmed", on_its_way)
    done = on_its_way.after(confirmed_scope)
    values = realm.values(done)
    waits_ms = _read_waits(form)
    within_ms = form.ms("within")
    action = Action(
        read_command(form, values, values.scope) if "command" in form else None,
        seen=seen,
        confirmed=confirmed,
        final=read_condition(form, "final", realm, is_private=True)[0],
        failed=read_condition(form, "failed", realm, is_private=True)[0],
        unused=read_condition(form, "unused", realm, is_private=True)[0],
        moves=read_moves(form, on_its_way.values(done), done.values()),
        within_ms=within_ms,
        waits_ms=waits_ms,
    )
    _check_command(form)
    if within_ms is not None and sum(waits_ms) > within_ms:
        message = f"the waits of 'retry' make {sum(waits_ms)} ms, 'within' is {within_ms} ms"
        complain(form.problems, form.at("within"), "E621", message, "make it longer, or the waits shorter or fewer")
    return action, done


def _check_command(form: Form) -> None:
    """Without a command there must be evidence to wait for, and nothing that speaks of a command."""
    if "command" in form:
        return
    if "confirmed" not in form:
        hint = "add 'command: connector.verb', or 'confirmed: […]' to wait for evidence"
        complain(form.problems, form.span, "E608", "neither a command nor evidence to wait for", hint)
    strangers = [key for key in _OF_COMMANDS if key in form]
    if isinstance(form.node("retry"), MapNode):
        strangers.append("retry")
    if strangers:
        message = f"{listed([quoted(key) for key in strangers])} without a command"
        complain(form.problems, form.at(strangers[0]), "E609", message, "add 'command: connector.verb', or delete it")


def _read_waits(form: Form) -> tuple[int, ...]:
    """The ``waits`` of ``retry``, in ms; the ``retry: true`` of an alternative is none of the action's."""
    body = form.node("retry")
    if not isinstance(body, MapNode):
        return ()
    inner = Form(body, "'retry'", ("waits",), form.problems)
    given = inner.node("waits") if inner.need("waits") else None
    found = as_list(given, "waits", form.problems) if given is not None else None
    if found is None:
        return ()
    if not 0 < len(found.items) <= MAX_WAITS:
        message = f"'waits' has {len(found.items)} items"
        hint = f"from 1 to {MAX_WAITS}, each for one further attempt, as in [30s, 60s, 120s]"
        complain(form.problems, found.span, "E303", message, hint)
        return ()
    words = [as_scalar(each, "waits", form.problems) for each in found.items]
    made = [form.ms_of(word, "waits", is_positive=False) for word in words if word is not None]
    return tuple(wait for wait in made if wait is not None)
