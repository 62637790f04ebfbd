"""The truth of one match: every term in file order. See *Terms* in docs/semantics.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product

from engine.model import expr as x
from engine.model.exprtools import aliases_read, locals_read
from engine.model.kinds import Value
from engine.model.rules import Aggregate, Check, Let, Pattern, Pick, Rule, Term, Without
from tests.support.reference.evaluate import (
    EvaluationFailedError,
    Look,
    Scope,
    boolean,
    bounded,
    conjuncts,
    evaluate,
    number,
    satisfies,
)
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
    per = None
    try:
        ripe = {n for n, term in enumerate(rule.terms) if isinstance(term, Pattern) and is_ripe(n, term, match, scope)}
        holds = is_open(rule, scope, window)
        for position, term in enumerate(rule.terms):
            holds = holds and term_holds(term, position, scope) and (position in ripe or not ripens(term))
        if holds:
            per = None if rule.per is None else evaluate(rule.per, scope)
            _ = rule.priority is None or evaluate(rule.priority, scope)
    except EvaluationFailedError:
        holds = False
    match.judgement = Judgement(now, holds, scope, per, tuple(t for t in scope.flips if t > now))
    if not holds:
        match.since = None
    elif match.since is None:
        match.since = now


def is_open(rule: Rule, scope: Scope, window: Window) -> bool:
    """The rule's window, if it has one, is open."""
    if rule.window is None:
        return True
    is_open_now, changes_at = window(rule.window, scope.now)
    scope.flips.extend([] if changes_at is None else [changes_at])
    return is_open_now


def term_holds(term: Term, position: int, scope: Scope) -> bool:
    """Whether a term holds; binds what it binds."""
    match term:
        case Pattern():
            return pattern_holds(term, scope)
        case Pick():
            return pick_holds(term, position, scope)
        case Without():
            return not fitting(term, position, scope)
        case Aggregate():
            return aggregate_holds(term, position, scope)
        case Let():
            scope.names[term.name] = evaluate(term.value, scope)
            return True
        case Check():
            return all(boolean(condition, scope) for condition in conjuncts(term.conditions))


# --- patterns ---------------------------------------------------------------------------------------------------------


def pattern_holds(term: Pattern, scope: Scope) -> bool:
    """A positive pattern, with its quorum, whatever it is to have seen."""
    fact = scope.bound[term.alias]
    if term.quorum is None:
        return satisfies(term.where, term.fresh_ms, term.alias, fact, scope)
    claims = scope.facts.newest_first(fact.kind, fact.key)
    agreeing = [c for c in claims if satisfies(term.where, term.fresh_ms, term.alias, c, scope)]
    if len(agreeing) < term.quorum:
        return False
    scope.bound[term.alias] = agreeing[0]
    scope.chosen.add(term.alias)
    return True


def ripens(term: Term) -> bool:
    """The term counts distinct values."""
    return isinstance(term, Pattern) and term.for_distinct is not None


def is_ripe(position: int, term: Pattern, match: Match, scope: Scope) -> bool:
    """A ``for_distinct`` pattern has held, by itself and without a gap, over enough values."""
    if term.for_distinct is None:
        return False
    alone = Scope(scope.now, scope.facts, dict(scope.bound), {}, scope.flips, scope.looks)
    seen = match.distinct.pop(position, [])
    try:
        if not bind_needed(match.rule, position, alone) or not pattern_holds(term, alone):
            return False
        value = evaluate(term.for_distinct.of, alone)
    except EvaluationFailedError:
        return False
    match.distinct[position] = seen if value in seen else [*seen, value]
    return len(match.distinct[position]) >= term.for_distinct.count


def bind_needed(rule: Rule, position: int, scope: Scope) -> bool:
    """Bind what the pattern reads of earlier terms, and what those read in turn; False: one of them finds nothing."""
    needed = {position}
    for n in range(position, -1, -1):
        if n in needed:
            read = names_read(rule.terms[n])
            needed |= {m for m, earlier in enumerate(rule.terms[:n]) if name_bound(earlier) in read}
    for n in sorted(needed - {position}):
        holds = term_holds(rule.terms[n], n, scope) if not isinstance(rule.terms[n], Pattern) else True
        quorum = rule.terms[n]
        if isinstance(quorum, Pattern) and quorum.quorum is not None:
            pattern_holds(quorum, scope)
        if not holds:
            return False
    return True


def name_bound(term: Term) -> str:
    """What a term binds."""
    match term:
        case Pattern() | Pick():
            return term.alias
        case Aggregate() | Let():
            return term.name
    return ""


def names_read(term: Term) -> set[str]:
    """Aliases and names that a term's expressions read."""
    return {name for e in expressions(term) for name in aliases_read(e) | locals_read(e)}


def expressions(term: Term) -> list[x.Expr]:
    """Everything a term evaluates."""
    match term:
        case Pattern():
            return [*term.where, *([term.for_distinct.of] if term.for_distinct else [])]
        case Pick():
            return [*term.where, *([term.by] if term.by else [])]
        case Aggregate():
            return [*term.where, *([term.of] if term.of else [])]
        case Without():
            return list(term.where)
        case Check():
            return list(term.conditions)
        case Let():
            return [term.value]


# --- inner terms ------------------------------------------------------------------------------------------------------

Inner = Pick | Without | Aggregate


def index_part(term: Inner, condition: x.Expr) -> tuple[int, tuple[x.Expr, ...]] | None:
    """A field of the inner fact that must equal (one of) these expressions, which are of what is outside it."""
    if isinstance(condition, x.Compare) and condition.op == "==":
        for mine, other in ((condition.left, condition.right), (condition.right, condition.left)):
            if isinstance(mine, x.FieldRef) and mine.alias == term.alias and term.alias not in aliases_read(other):
                return mine.position, (other,)
    if not isinstance(condition, x.In) or any(term.alias in aliases_read(option) for option in condition.options):
        return None
    mine = condition.item
    return (mine.position, condition.options) if isinstance(mine, x.FieldRef) and mine.alias == term.alias else None


def fitting(term: Inner, position: int, scope: Scope) -> list[Claim]:
    """The facts an inner term ranges over: those that fit its equalities, of which the other conditions hold."""
    keys: dict[int, list[Value]] = {}
    tests: list[x.Expr] = []
    for condition in conjuncts(term.where):
        part = index_part(term, condition)
        if part is None or part[0] in keys:
            tests.append(condition)
            continue
        values = [evaluate(option, scope) for option in part[1]]
        is_list = isinstance(condition, x.In) and len(part[1]) == 1 and part[1][0].type.name == "list"
        keys[part[0]] = list(values[0]) if is_list and isinstance(values[0], tuple) else values
    positions = tuple(sorted(keys))
    look = Look(position, term.kind.name, positions, frozenset(product(*(keys[p] for p in positions))))
    scope.looks.append(look)
    found = [claim for claim in scope.facts.of_kind(term.kind.name) if look.finds(claim)]
    return [claim for claim in found if satisfies(tests, term.fresh_ms, term.alias, claim, scope)]


def pick_holds(term: Pick, position: int, scope: Scope) -> bool:
    """``latest`` or ``best``; binds what it picks."""
    fits = sorted(fitting(term, position, scope), key=lambda c: canonical(c.key))
    if not fits:
        return False
    if term.by is None:
        scope.bound[term.alias] = max(fits, key=lambda c: scope.facts.rank(c)[:-1])
    else:
        by = term.by
        scope.bound[term.alias] = max(fits, key=lambda c: number(by, scope.with_alias(term.alias, c)))
    return True


def aggregate_holds(term: Aggregate, position: int, scope: Scope) -> bool:
    """``sum count min max``; binds the number."""
    fits = fitting(term, position, scope)
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
