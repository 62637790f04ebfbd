"""The truth of one match: every term in file order. See *Terms* in docs/semantics.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from engine.model.kinds import Value
from engine.model.rules import Aggregate, Check, Let, Pattern, Pick, Rule, Term, Without
from tests.support.reference.evaluate import EvaluationFailedError, Scope, boolean, bounded, evaluate, number, satisfies
from tests.support.reference.facts import Claim, Facts
from tests.support.reference.ids import canonical
from tests.support.reference.records import FactKey

#: ``(is open, next instant at which that changes)`` of a window at a time.
Window = Callable[[str, int], tuple[bool, int | None]]


@dataclass(frozen=True)
class Judgement:
    """What a match was found to be. ``flips``: when, by time alone, it may be found otherwise."""

    at: int
    holds: bool
    scope: Scope
    priority: int
    per: Value
    flips: tuple[int, ...]


@dataclass
class Match:
    """One tuple of facts that a rule's patterns range over, whether or not it holds.

    Attributes:
        since: when it began to hold; None while it does not.
        distinct: per position of a ``for_distinct`` pattern: the values since the pattern began to hold.
    """

    rule: Rule
    keys: tuple[FactKey, ...]
    judgement: Judgement | None = None
    since: int | None = None
    distinct: dict[int, list[Value]] = field(default_factory=dict)

    @property
    def key_text(self) -> str:
        """As due items and ties order it."""
        return canonical(self.fact_keys)

    @property
    def fact_keys(self) -> tuple[tuple[Value, ...], ...]:
        """The keys alone: the patterns say the kinds."""
        return tuple(key for _, key in self.keys)

    def copy(self) -> Match:
        """An independent copy."""
        return Match(self.rule, self.keys, self.judgement, self.since, {k: list(v) for k, v in self.distinct.items()})


def kinds_named(rule: Rule) -> set[str]:
    """The kinds that a rule's terms name."""
    return {t.kind.name for t in rule.terms if isinstance(t, Pattern | Pick | Without | Aggregate)}


def fact_key(claim: Claim) -> FactKey:
    """How a match names a fact. Each occurrence of a schedule is a fact of its own."""
    if claim.kind == "schedule":
        return (claim.kind, claim.values[:2])
    return (claim.kind, claim.key)


def tuples_of(rule: Rule, facts: Facts) -> list[tuple[Claim, ...]]:
    """Every tuple of facts of the patterns' kinds, no fact twice."""
    tuples: list[tuple[Claim, ...]] = [()]
    for pattern in rule.patterns:
        of_kind = facts.of_kind(pattern.kind.name)
        tuples = [(*before, claim) for before in tuples for claim in of_kind if claim not in before]
    return tuples


def judge(match: Match, claims: tuple[Claim, ...], now: int, facts: Facts, window: Window) -> None:
    """Find whether a match holds now, with these claims as its facts, and remember it in the match."""
    rule = match.rule
    scope = Scope(now, facts, {p.alias: c for p, c in zip(rule.patterns, claims, strict=True)})
    holds = True
    if rule.window is not None:
        is_open, changes_at = window(rule.window, now)
        holds = is_open
        scope.flips.extend([] if changes_at is None else [changes_at])
    for position, term in enumerate(rule.terms):
        try:
            truth = term_holds(term, position, match, scope)
        except EvaluationFailedError:
            truth = False
        holds = holds and truth
    priority, per = 0, None
    try:
        priority = 0 if rule.priority is None else number(rule.priority, scope)
        per = None if rule.per is None else evaluate(rule.per, scope)
    except EvaluationFailedError:
        holds = False
    match.judgement = Judgement(now, holds, scope, priority, per, tuple(t for t in scope.flips if t > now))
    if not holds:
        match.since = None
    elif match.since is None:
        match.since = now


def term_holds(term: Term, position: int, match: Match, scope: Scope) -> bool:
    """Whether a term holds; binds what it binds. Terms are judged whatever became of those before."""
    match term:
        case Pattern():
            return pattern_holds(term, position, match, scope)
        case Pick():
            return pick_holds(term, scope)
        case Without():
            return not [c for c in scope.facts.of_kind(term.kind.name) if candidate(term, c, scope)]
        case Aggregate():
            return aggregate_holds(term, scope)
        case Let():
            scope.names[term.name] = evaluate(term.value, scope)
            return True
        case Check():
            return all(boolean(condition, scope) for condition in term.conditions)


def candidate(term: Pattern | Pick | Without | Aggregate, claim: Claim, scope: Scope) -> bool:
    """Whether a claim satisfies a term's ``where`` and ``fresh``."""
    return satisfies(term.where, term.fresh_ms, term.alias, claim, scope)


def pattern_holds(term: Pattern, position: int, match: Match, scope: Scope) -> bool:
    """A positive pattern, with its quorum, and without a gap over distinct values."""
    distinct = match.distinct.pop(position, [])
    holds = quorum_holds(term, scope) if term.quorum else candidate(term, scope.bound[term.alias], scope)
    if not holds or term.for_distinct is None:
        return holds
    value = evaluate(term.for_distinct.of, scope)
    match.distinct[position] = distinct if value in distinct else [*distinct, value]
    return len(match.distinct[position]) >= term.for_distinct.count


def quorum_holds(term: Pattern, scope: Scope) -> bool:
    """Enough sources say so. Binds the newest claim that does; a claim on which ``where`` fails does not count."""
    fact = scope.bound[term.alias]
    agreeing = []
    for claim in scope.facts.newest_first(fact.kind, fact.key):
        try:
            if candidate(term, claim, scope):
                agreeing.append(claim)
        except EvaluationFailedError:
            continue
    if term.quorum is None or len(agreeing) < term.quorum:
        return False
    scope.bound[term.alias] = agreeing[0]
    return True


def pick_holds(term: Pick, scope: Scope) -> bool:
    """``latest`` or ``best``; binds what it picks."""
    fits = [c for c in scope.facts.of_kind(term.kind.name) if candidate(term, c, scope)]
    if not fits:
        return False
    if term.by is None:
        scope.bound[term.alias] = max(fits, key=lambda c: (scope.facts.order(c), c.position))
        return True
    ranked = [(-number(term.by, scope.with_alias(term.alias, c)), canonical(c.key), c) for c in fits]
    scope.bound[term.alias] = min(ranked, key=lambda r: r[:2])[2]
    return True


def aggregate_holds(term: Aggregate, scope: Scope) -> bool:
    """``sum count min max``; binds the number."""
    fits = [c for c in scope.facts.of_kind(term.kind.name) if candidate(term, c, scope)]
    if term.of is None:
        scope.names[term.name] = len(fits)
        return True
    values = [number(term.of, scope.with_alias(term.alias, c)) for c in fits]
    if term.function == "sum":
        scope.names[term.name] = bounded(sum(values))
    elif not values:
        return False
    else:
        scope.names[term.name] = min(values) if term.function == "min" else max(values)
    return True
