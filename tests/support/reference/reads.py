"""What a match reads: a change of it has the match judged. See *When a guard is judged* in docs/semantics.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from engine.model import expr as x
from engine.model.exprtools import walk
from engine.model.kinds import Kind
from engine.model.rules import AssertEffect, CommandEffect, ConcludeEffect, Effect, Pick, RetractEffect, Rule
from tests.support.reference.facts import Change
from tests.support.reference.rules import Inner, Match, expressions

#: Beside the names of fields: the newest claim's observed_at, and the set of claims.
OBSERVED_AT, CLAIMS = "@", "*"


def reads(match: Match, change: Change) -> bool:
    """Whether the change bears on the match: on one of its facts, or where its inner terms looked."""
    differing = fields_changed(change, match.rule)
    for pattern, (_, key) in zip(match.rule.patterns, match.keys, strict=True):
        is_bound = (pattern.kind.name, key[: len(change.key)]) == (change.kind, change.key)
        if is_bound and (differing is None or differing & pattern_reads(match.rule, pattern.alias)):
            return True
    if match.judgement is None:
        return True
    for look in match.judgement.scope.looks:
        if look.kind != change.kind or not (look.finds(change.before) or look.finds(change.after)):
            continue
        if differing is None or not (look.finds(change.before) and look.finds(change.after)):
            return True
        term = match.rule.terms[look.term]
        assert isinstance(term, Inner)
        has_moved = any(change.before.values[p] != change.after.values[p] for p in look.positions)  # type: ignore[union-attr]
        if has_moved or differing & inner_reads(match.rule, look.term):
            return True
    return False


def pattern_reads(rule: Rule, alias: str) -> frozenset[str]:
    """See ``find_pattern_reads``."""
    return remembered(rule, alias, lambda: find_pattern_reads(rule, alias))


def inner_reads(rule: Rule, position: int) -> frozenset[str]:
    """See ``find_inner_reads``."""
    return remembered(rule, position, lambda: find_inner_reads(rule, position))


def fields_changed(change: Change, rule: Rule) -> frozenset[str] | None:
    """Names of what differs; None: the fact came or went."""
    if change.before is None or change.after is None:
        return None
    kinds: dict[str, Kind] = {t.kind.name: t.kind for t in rule.terms if hasattr(t, "kind")}
    kind = kinds.get(change.kind)
    if kind is None:
        return frozenset()
    pairs = zip(kind.fields, change.before.values, change.after.values, strict=True)
    names = {f.name for f, before, after in pairs if before != after}
    if change.before.observed_at != change.after.observed_at:
        names.add(OBSERVED_AT)
    return frozenset(names | {CLAIMS} if kind.per_source else names)


def remembered(rule: Rule, what: str | int, find: Callable[[], frozenset[str]]) -> frozenset[str]:
    """What was found out about a rule before, for it is asked again and again."""
    kept: dict[str | int, frozenset[str]] = vars(rule).setdefault("reads", {})
    if what not in kept:
        kept[what] = find()
    return kept[what]


def find_pattern_reads(rule: Rule, alias: str) -> frozenset[str]:
    """What the rule's terms and its values that follow the facts read of a pattern's fact."""
    pattern = next(p for p in rule.patterns if p.alias == alias)
    names = {name for e in all_expressions(rule) for name in named(e, alias)}
    if pattern.fresh_ms is not None or pattern.quorum is not None:
        names.add(OBSERVED_AT)
    if pattern.quorum is not None:
        names.add(CLAIMS)
    return frozenset(names)


def find_inner_reads(rule: Rule, position: int) -> frozenset[str]:
    """What is read of the facts that an inner term ranges over."""
    term = rule.terms[position]
    assert isinstance(term, Inner)
    around = all_expressions(rule) if isinstance(term, Pick) else expressions(term)
    names = {name for e in around for name in named(e, term.alias)}
    if isinstance(term, Pick) and term.by is None:
        return frozenset({OBSERVED_AT, CLAIMS, *(f.name for f in term.kind.fields)})
    return frozenset(names if term.fresh_ms is None else names | {OBSERVED_AT})


def all_expressions(rule: Rule) -> Iterator[x.Expr]:
    """Of the terms, the group, the priority, conclusions and ``ended``."""
    for term in rule.terms:
        yield from expressions(term)
    yield from (e for e in (rule.per, rule.priority) if e is not None)
    for effect in (*rule.then, *rule.exhausted):
        if isinstance(effect, ConcludeEffect):
            yield from (value for _, value in effect.values)
    for effect in rule.ended:
        yield from effect_expressions(effect)


def effect_expressions(effect: Effect) -> Iterator[x.Expr]:
    """Everything an effect evaluates."""
    match effect:
        case AssertEffect() | ConcludeEffect():
            yield from (value for _, value in effect.values)
        case RetractEffect():
            yield from effect.key
        case CommandEffect():
            yield from (value for _, value in effect.args)


def named(e: x.Expr, alias: str) -> Iterator[str]:
    """What an expression reads of the fact bound to an alias."""
    for node in walk(e):
        match node:
            case x.FieldRef() if node.alias == alias:
                yield node.field
            case x.Age() | x.ObservedAt() if node.alias == alias:
                yield OBSERVED_AT
            case x.Disputed() if node.alias == alias:
                yield CLAIMS
