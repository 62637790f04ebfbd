"""What a rule misses: the term of a match that does not hold, or the facts that no match can be made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from engine.coordination.evaluate import Bound, Surroundings, evaluate
from engine.errors import LockstepError
from engine.insight.matches import distinct_values
from engine.insight.scenario.judging import show_fact
from engine.insight.scenario.moments import after
from engine.insight.scenario.values import spelled, spelled_field
from engine.insight.terms import split, title
from engine.matching.engine import Engine
from engine.matching.fact import Fact
from engine.matching.match import Match
from engine.matching.node import RuleNode
from engine.model.expr import Expr
from engine.model.exprtools import fields_read, unparse
from engine.model.rules import Check, Pattern, Pick, Term, Without

#: Facts of one kind that are named when none of them is the right one.
_NEAR: Final = 3


def term_lines(node: RuleNode, match: Match, term: Term, at_ms: int, start_ms: int) -> Iterator[str]:
    """Which term does not hold, and on which values."""
    reason = getattr(term, "reason", None)
    yield f"{title(term)} does not hold{f' ({reason})' if reason else ''}, line {term.span.line}"
    bound = {p.alias: fact for p, fact in zip(node.rule.patterns, match.facts, strict=True) if fact is not None}
    around = Surroundings(at_ms, {alias: Bound(f.memory.name, f.key, f.values, f.at) for alias, f in bound.items()})
    where = term.where if isinstance(term, Pattern) else term.conditions if isinstance(term, Check) else ()
    for condition in split(where):
        held = _value(condition, around)
        if held is True:
            continue
        seen = [(a, n, bound[a]) for a, n in sorted(fields_read(condition)) if a in bound]
        values = ", ".join(f"{a}.{n} is {_field(f, n, start_ms)}" for a, n, f in seen)
        word = "is false" if held is False else "cannot be told from the match alone"
        yield f"  {unparse(condition)}  {word}{f': {values}' if values else ''}"
    fresh = getattr(term, "fresh_ms", None)
    if isinstance(term, Pattern):
        fact = bound[term.alias]
        if fresh is not None and at_ms - fact.at > fresh:
            yield f"  fresh: {after(fresh)}, but it was observed {after(at_ms - fact.at)} ago"
        if term.quorum is not None:
            yield f"  quorum: {term.quorum}, sources heard: {', '.join(sorted(_sources(fact)))}"
        if term.for_distinct is not None:
            seat = node.rule.patterns.index(term)
            seen_values = distinct_values(node, match.key, seat)
            yield f"  for_distinct: {term.for_distinct.count} values wanted, so far {spelled(list(seen_values))}"
    elif isinstance(term, Pick | Without):
        yield from _others(term, bound, start_ms)


def _field(fact: Fact, name: str, start_ms: int) -> str:
    kind = fact.memory.kind
    return spelled_field(fact.values[kind.positions[name]], kind.field(name).type, start_ms)


def _sources(fact: Fact) -> Iterable[str]:
    return (fact.claims or {fact.claim.source: fact.claim}).keys()


def _others(term: Pick | Without, bound: dict[str, Fact], start_ms: int) -> Iterator[str]:
    """The facts a picking or excluding term looked among."""
    memory = next((f.memory for f in bound.values() if f.memory.kind is term.kind), None)
    names = sorted({name for expr in term.where for alias, name in fields_read(expr) if alias == term.alias})
    for condition in split(term.where):
        yield f"  {unparse(condition)}"
    if memory is not None:
        for fact in list(memory.facts.values())[:_NEAR]:
            yield f"  there is {show_fact(fact, start_ms, names)}"


def lonely_lines(node: RuleNode, engine: Engine, at_ms: int, start_ms: int) -> Iterator[str]:
    """Why a rule has no match at all: the first pattern for which no fact is right, those before bound one way."""
    around = Surroundings(at_ms, {})
    aliases: dict[str, Bound] = {}
    for pattern in node.rule.patterns:
        memory = engine.base.seated(pattern.kind.name)
        candidates = [Bound(pattern.kind.name, f.key, f.values, f.at) for f in memory.facts.values()]
        if not candidates:
            yield f"there is no {pattern.kind.name} ({pattern.alias}, line {pattern.span.line})"
            return
        scored = []
        for bound in candidates:
            around = Surroundings(at_ms, {**aliases, pattern.alias: bound})
            false = [c for c in split(pattern.where) if _value(c, around) is False]
            scored.append((len(false), bound, false))
        count, best, false = min(scored, key=lambda each: each[0])
        if count:
            yield f"no {pattern.kind.name} fits ({pattern.alias}, line {pattern.span.line}); the nearest:"
            names = sorted({name for c in false for alias, name in fields_read(c) if alias == pattern.alias})
            shown = [*pattern.kind.key, *(name for name in names if name not in pattern.kind.key)]
            yield f"  {show_fact(memory.facts[best.key], start_ms, shown)}"
            for condition in false[:_NEAR]:
                yield f"  {unparse(condition)}  is false"
            return
        aliases[pattern.alias] = best
    yield "its facts are there, but none of them belong together"


def _value(condition: Expr, around: Surroundings) -> object:
    try:
        return evaluate(condition, around)
    except (LockstepError, KeyError, LookupError, TypeError):
        return None
