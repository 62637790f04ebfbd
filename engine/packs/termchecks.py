"""What rules and plans check alike about terms, windows and priorities once these are read."""

from __future__ import annotations

from collections.abc import Iterable

from engine.errors import Problem
from engine.model.expr import Expr
from engine.model.kinds import ENGINE_KINDS, NUMERIC, Kind
from engine.model.rules import Pattern, Schedule, Term
from engine.packs.complaints import complain, did_you_mean, quoted
from engine.packs.forms import Form
from engine.packs.joins import constants_of
from engine.packs.rulescope import RuleScope

Schedules = dict[str, Schedule]


def check_schedule_names(terms: Iterable[Term], schedules: Schedules, problems: list[Problem]) -> None:
    """A ``schedule`` fact of a name that nothing declares never comes."""
    known = [schedule.local_name for schedule in schedules.values()]
    for term in terms:
        if isinstance(term, Pattern) and term.kind is ENGINE_KINDS["schedule"]:
            for field, name in constants_of(term):
                if field == "name" and name not in known:
                    hint = did_you_mean(str(name), known, "schedules") or "declare it in 'schedules:'"
                    complain(problems, term.span, "E352", f"no schedule {quoted(str(name))}", hint)


def warn_of_samples(terms: Iterable[Term], problems: list[Problem], *, has_per: bool) -> None:
    """``for`` starts again with each new fact of a kind whose every sample is one.

    Args:
        terms: of a condition that must hold ``for`` some time.
        problems: takes the warnings.
        has_per: whether ``per`` can stand beside them.
    """
    for term in terms:
        if isinstance(term, Pattern) and (why := _changes_with_samples(term.kind)):
            message = f"'for' with '{term.kind.name}', {why}: each new fact is a new match and starts again"
            hint = f"use 'latest: {term.alias}' for it" + (", or 'per: =…' for what shall hold" if has_per else "")
            complain(problems, term.span, "W302", message, hint)


def _changes_with_samples(kind: Kind) -> str:
    """Why each sample of a kind is a fact of its own; empty if it is not."""
    if kind.event:
        return "an event"
    for name in kind.key:
        if kind.field(name).type.name in {"timestamp", "hash"} or name in {"height", "block", "seq", "log_index"}:
            return f"whose key has '{name}'"
    return ""


def read_window(form: Form, pack: str, schedules: Schedules) -> str | None:
    """The full name of the schedule under ``window``."""
    given = form.scalar("window")
    if given is None:
        return None
    name = given.text if "." in given.text else f"{pack}.{given.text}"
    found = schedules.get(name)
    if found is None:
        known = [s.local_name for s in schedules.values() if s.name.startswith(f"{pack}.")]
        hint = did_you_mean(given.text, known, "schedules") or "declare it in 'schedules:'"
        complain(form.problems, given.span, "E352", f"no schedule {quoted(given.text)}", hint)
        return None
    if found.open is None:
        hint = "give it 'window: {open: …, close: …}', or match '- schedule: s'"
        complain(form.problems, given.span, "E352", f"'{given.text}' has no opening and closing", hint)
        return None
    return found.name


def read_priority(form: Form, rule: RuleScope) -> Expr | None:
    """A number or an expression; higher comes first."""
    value = rule.term_value(form.scalar("priority"))
    if value is not None and value.type.name not in NUMERIC:
        hint = "write a number, or '=raw(i.amount)'"
        complain(form.problems, form.at("priority"), "E353", f"a priority of type {value.type}", hint)
        return None
    return value
