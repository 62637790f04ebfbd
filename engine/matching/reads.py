"""Which expressions of a rule are read when: by its judgement, while it stands, by its effects."""

from __future__ import annotations

from collections.abc import Iterable

from engine.model.expr import Expr, Free
from engine.model.exprtools import walk
from engine.model.rules import (
    Aggregate,
    AssertEffect,
    Check,
    CommandEffect,
    ConcludeEffect,
    Effect,
    Let,
    Pattern,
    Pick,
    RetractEffect,
    Rule,
    Term,
    Without,
)


def standing_values(rule: Rule) -> Iterable[Expr]:
    """Values that follow the facts while the rule stands: groups, priorities, conclusions, what ``ended`` will say."""
    if rule.per is not None:
        yield rule.per
    if rule.priority is not None:
        yield rule.priority
    for effect in (*rule.then, *rule.exhausted):
        if isinstance(effect, ConcludeEffect):
            for _, value in effect.values:
                yield value
    for effect in rule.ended:
        yield from effect_values(effect)


def effect_values(effect: Effect) -> Iterable[Expr]:
    """What an effect evaluates."""
    match effect:
        case AssertEffect() | ConcludeEffect():
            for _, value in effect.values:
                yield value
        case RetractEffect():
            yield from effect.key
        case CommandEffect():
            for _, value in effect.args:
                yield value


def reads_free(rule: Rule) -> bool:
    """Whether it looks at reservations."""
    expressions = [e for term in rule.terms for e in term_values(term)] + list(standing_values(rule))
    expressions += [e for effect in (*rule.then, *rule.exhausted) for e in effect_values(effect)]
    if rule.once is not None:
        expressions.append(rule.once.key)
    if rule.throttle is not None and rule.throttle.per is not None:
        expressions.append(rule.throttle.per)
    return any(isinstance(node, Free) for expression in expressions for node in walk(expression))


def name_bound(term: Term) -> str:
    """The alias or name that later terms read it by; empty if they cannot."""
    match term:
        case Pattern() | Pick():
            return term.alias
        case Aggregate() | Let():
            return term.name
    return ""


def term_values(term: Term) -> Iterable[Expr]:
    """What a term evaluates."""
    match term:
        case Pattern():
            yield from term.where
            if term.for_distinct is not None:
                yield term.for_distinct.of
        case Pick():
            yield from term.where
            if term.by is not None:
                yield term.by
        case Aggregate():
            yield from term.where
            if term.of is not None:
                yield term.of
        case Without():
            yield from term.where
        case Let():
            yield term.value
        case Check():
            yield from term.conditions
