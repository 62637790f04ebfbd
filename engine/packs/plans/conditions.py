"""Conditions of a plan: lists of terms, as in a rule's ``when``."""

from __future__ import annotations

from collections.abc import Iterator

from engine.limits import MAX_PATTERNS
from engine.model.plans import Condition
from engine.model.rules import Aggregate, Check, Let, Pattern, Pick, Term, Without
from engine.packs.complaints import complain
from engine.packs.forms import Form
from engine.packs.joins import check_joins
from engine.packs.plans.realm import Realm
from engine.packs.rulescope import RuleScope
from engine.packs.termchecks import check_schedule_names, read_window, warn_of_samples
from engine.packs.terms import read_terms


def read_condition(
    form: Form, key: str, realm: Realm, *, is_private: bool = False
) -> tuple[Condition | None, RuleScope | None]:
    """The condition under a key, and what it binds.

    Args:
        form: what it stands in.
        key: ``when``, ``seen``, ``confirmed``, …
        realm: what it may read.
        is_private: whether no value reads what it binds.
    """
    given = form.list(key)
    if given is None:
        return None, None
    if not given.items:
        hint = "list what must hold, each term with '- ', or delete the line"
        complain(form.problems, given.span, "E305", f"'{key}' is an empty list", hint)
        return None, None
    scope = realm.for_condition(is_private=is_private)
    terms = read_terms(given, scope)
    _check_patterns(form, key, terms, scope, realm)
    check_schedule_names(terms, realm.around.schedules, form.problems)
    return Condition(terms, form.at(key)), scope


def read_lasting(form: Form, realm: Realm) -> tuple[Condition | None, RuleScope | None]:
    """A step's ``when`` with the ``for`` and the ``window`` beside it, each of which may stand alone."""
    condition, scope = read_condition(form, "when", realm)
    for_ms = form.ms("for") or 0
    window = read_window(form, realm.around.names.pack, realm.around.schedules)
    if condition is not None:
        if for_ms:
            warn_of_samples(condition.terms, form.problems, has_per=False)
        return Condition(condition.terms, condition.span, for_ms, window), scope
    if for_ms or window:
        return Condition((), form.at("for" if for_ms else "window"), for_ms, window), None
    return None, None


def reasons_of(condition: Condition | None) -> frozenset[str]:
    """Reasons that its terms carry."""
    terms = condition.terms if condition is not None else ()
    return frozenset(reason for term in terms if (reason := reason_of(term)) is not None)


def names_of(*conditions: Condition | None) -> Iterator[str]:
    """Aliases and values that they bind."""
    for condition in conditions:
        for term in condition.terms if condition is not None else ():
            if isinstance(term, Pattern | Pick):
                yield term.alias
            elif isinstance(term, Aggregate | Let):
                yield term.name


def reason_of(term: Term) -> str | None:
    """The reason named when this is the term that was missing."""
    return term.reason if isinstance(term, Pattern | Pick | Without | Aggregate | Check) else None


def _check_patterns(form: Form, key: str, terms: tuple[Term, ...], scope: RuleScope, realm: Realm) -> None:
    patterns = tuple(term for term in terms if isinstance(term, Pattern))
    given = frozenset(realm.outer.scope.aliases)
    if len(patterns) + len(given) > MAX_PATTERNS:
        message = f"{len(patterns)} patterns beside {len(given)} of 'for'; together there may be {MAX_PATTERNS}"
        complain(form.problems, form.at(key), "E329", message, "use 'latest' or 'best', or split the step")
    elif patterns and not scope.broken:
        check_joins(patterns, form.problems, given)
