"""Judges every term of a rule for one tuple of facts, and says on which values.

Whether a match holds is for the rule's own compiled guard to say, the one that decides live; what is told here of its
terms explains that and never overrules it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from engine.coordination.evaluate import evaluate
from engine.errors import EvaluationError
from engine.insight.matches import distinct_values
from engine.insight.terms import split, title
from engine.insight.why.reading import Scene, holds_since, named, shown, truth, view
from engine.insight.why.views import ConditionView, NearView, TermView
from engine.matching.engine import Engine
from engine.matching.fact import Claim, Fact
from engine.matching.node import RuleNode
from engine.model.expr import Expr
from engine.model.exprtools import unparse
from engine.model.rules import Aggregate, Check, Let, Pattern, Pick, Term, Without

#: Facts named that are in the way, or almost fit.
_NEAR: Final = 3
#: Facts of one kind that a term is judged on here; live, an index finds the few that count.
_LOOK_AT: Final = 100_000


class Judging:
    """One rule, or one condition of a plan, judged on tuples of facts."""

    def __init__(self, engine: Engine, node: RuleNode, scene: Scene) -> None:
        """Makes it.

        Args:
            engine: whose facts they are.
            node: the rule.
            scene: the instant, and what is bound beforehand.
        """
        self.engine = engine
        self.node = node
        self.start = scene
        self.now = scene.now

    def terms(self, facts: Sequence[Fact | None]) -> tuple[TermView, ...]:
        """Every term, in file order, for these facts by pattern; None: there is no such fact."""
        scene = replace(self.start, facts=dict(self.start.facts), locals=dict(self.start.locals))
        seats = iter(zip(range(len(facts)), facts, strict=True))
        found = []
        for term in self.node.rule.terms:
            if isinstance(term, Pattern):
                seat, fact = next(seats)
                found.append(self._pattern(term, seat, fact, facts, scene))
            else:
                found.append(self._other(term, scene))
        return tuple(found)

    # -- patterns ----------------------------------------------------------------
    def _pattern(
        self, term: Pattern, seat: int, fact: Fact | None, facts: Sequence[Fact | None], scene: Scene
    ) -> TermView:
        told = _term(term)
        if fact is None:
            return replace(told, holds=False, notes=(f"there is no such {term.kind.name}",))
        claim, quorum = self._claim(term, fact, scene)
        scene.facts[term.alias] = (fact, claim)
        conditions = tuple(view(each, scene) for each in split(term.where))
        notes: list[str] = []
        sinces: list[int] = []
        holds = _all(each.holds for each in conditions)
        if quorum is not None:
            notes.append(f"quorum: {term.quorum} sources wanted, it holds for {quorum}")
            holds = term.quorum is not None and quorum >= term.quorum
        fresh = self._fresh(term.fresh_ms, claim, notes, sinces)
        distinct = self._distinct(term, seat, facts, notes)
        if not (fresh and distinct):
            holds = False
        sinces += [each.since for each in conditions if each.holds is False and each.since is not None]
        until = [each.until for each in conditions if each.until is not None]
        if fresh and term.fresh_ms is not None:
            until.append(claim.at + term.fresh_ms + 1)
        return replace(
            told,
            holds=holds,
            fact=named(fact),
            conditions=conditions,
            notes=tuple(notes),
            since=min(sinces, default=None) if holds is False else None,
            until=min(until, default=None),
        )

    def _claim(self, term: Pattern, fact: Fact, scene: Scene) -> tuple[Claim, int | None]:
        """The claim the alias reads, and how many sources' claims satisfy a ``quorum``."""
        if term.quorum is None:
            return fact.claim, None
        claims = [fact.claim] if fact.claims is None else list(fact.claims.values())
        good = [each for each in claims if self._satisfies(term, scene.with_fact(term.alias, fact, each), each.at)]
        if len(good) < term.quorum:
            return fact.claim, len(good)
        return max(good, key=fact.memory.rank), len(good)

    def _fresh(self, fresh_ms: int | None, claim: Claim, notes: list[str], sinces: list[int]) -> bool:
        if fresh_ms is None:
            return True
        age = self.now - claim.at
        if age <= fresh_ms:
            return True
        notes.append(f"fresh: {_span(fresh_ms)}, but it was observed {_span(age)} ago")
        sinces.append(claim.at + fresh_ms + 1)
        return False

    def _distinct(self, term: Pattern, seat: int, facts: Sequence[Fact | None], notes: list[str]) -> bool:
        if term.for_distinct is None:
            return True
        key = tuple(each.memory.identity(each) for each in facts if each is not None)
        seen = distinct_values(self.node, key, seat)
        of, count = unparse(term.for_distinct.of), term.for_distinct.count
        notes.append(f"for_distinct: {count} values of {of} wanted, seen so far: {', '.join(map(str, seen)) or 'none'}")
        return len(seen) >= count

    # -- other terms -------------------------------------------------------------
    def _other(self, term: Term, scene: Scene) -> TermView:
        told = _term(term)
        match term:
            case Check():
                conditions = tuple(view(each, scene) for each in split(term.conditions))
                return _with_conditions(told, conditions)
            case Let():
                return self._let(term, told, scene)
            case Pick():
                return self._pick(term, told, scene)
            case Without():
                return self._without(term, told, scene)
            case Aggregate():
                return self._aggregate(term, told, scene)
        return told

    @staticmethod
    def _let(term: Let, told: TermView, scene: Scene) -> TermView:
        try:
            value = evaluate(term.value, scene.around())
        except EvaluationError as error:
            return replace(told, holds=None, notes=(error.message,))
        scene.locals[term.name] = value
        return replace(told, holds=True, value=shown(value, term.value.type))

    def _pick(self, term: Pick, told: TermView, scene: Scene) -> TermView:
        good, near = self._among(term, scene)
        if not good:
            is_blind = any(each.holds is None for candidate in near for each in candidate.conditions)
            notes = () if near else (f"there is no {term.kind.name}",)
            return replace(told, holds=None if is_blind else False, near=tuple(near), notes=notes)
        chosen = self._best(term, good, scene)
        scene.facts[term.alias] = (chosen, chosen.claim)
        conditions = tuple(view(each, scene) for each in split(term.where))
        return replace(told, holds=True, fact=named(chosen), conditions=conditions)

    @staticmethod
    def _best(term: Pick, good: list[Fact], scene: Scene) -> Fact:
        by = term.by
        if by is None:
            rank = {id(fact): fact.memory.rank(fact.claim)[:-1] for fact in good}
            newest = max(rank.values())
            return min((f for f in good if rank[id(f)] == newest), key=lambda fact: fact.key_text)
        score = {id(fact): evaluate(by, scene.with_fact(term.alias, fact).around()) for fact in good}
        largest = max(score.values())
        return min((f for f in good if score[id(f)] == largest), key=lambda fact: fact.key_text)

    def _without(self, term: Without, told: TermView, scene: Scene) -> TermView:
        good, near = self._among(term, scene)
        if not good:
            is_blind = any(each.holds is None for candidate in near for each in candidate.conditions)
            return replace(told, holds=None if is_blind else True)
        blocking = []
        for fact in good[:_NEAR]:
            inner = scene.with_fact(term.alias, fact)
            blocking.append(NearView(named(fact), tuple(view(each, inner) for each in split(term.where))))
        notes = (f"{len(good)} in the way",)
        sinces = [holds_since(near.conditions) for near in blocking]
        since = min((each for each in sinces if each is not None), default=None)
        return replace(told, holds=False, near=tuple(blocking), notes=notes, since=since)

    def _aggregate(self, term: Aggregate, told: TermView, scene: Scene) -> TermView:
        good, _ = self._among(term, scene)
        value: int | None = len(good)
        try:
            if term.of is not None:
                values = [int(evaluate(term.of, scene.with_fact(term.alias, fact).around())) for fact in good]
                empty = 0 if term.function == "sum" else None
                functions: dict[str, Callable[[list[int]], int]] = {"sum": sum, "min": min, "max": max}
                value = functions[term.function](values) if values else empty
        except EvaluationError as error:
            return replace(told, holds=None, notes=(error.message,))
        if value is None:
            return replace(told, holds=False, notes=(f"there is no {term.kind.name} to take the {term.function} of",))
        scene.locals[term.name] = value
        return replace(told, holds=True, value=str(value), notes=(f"over {len(good)}",))

    # -- facts a term ranges over --------------------------------------------------
    def _among(self, term: Pick | Without | Aggregate, scene: Scene) -> tuple[list[Fact], list[NearView]]:
        """The facts that satisfy ``where`` and ``fresh``; of the others, those that are nearest to it."""
        memory = self.engine.base.memories[term.kind.name]
        good: list[Fact] = []
        scored: list[tuple[int, str, Fact]] = []
        for fact in list(memory.facts.values())[:_LOOK_AT]:
            inner = scene.with_fact(term.alias, fact)
            if self._satisfies(term, inner, fact.at):
                good.append(fact)
            elif not good:
                scored.append((self._misses(term, inner, fact), fact.key_text, fact))
        if good:
            return good, []
        nearest = sorted(scored, key=lambda each: each[:2])[:_NEAR]
        return [], [self._near(term, fact, scene) for _, _, fact in nearest]

    def _satisfies(self, term: Pattern | Pick | Without | Aggregate, scene: Scene, at: int) -> bool:
        if term.fresh_ms is not None and self.now - at > term.fresh_ms:
            return False
        return all(truth(condition, scene)[0] for condition in split(term.where))

    def _misses(self, term: Pick | Without | Aggregate, scene: Scene, fact: Fact) -> int:
        """How far a fact is from fitting: another place or asset is further off than too small an amount."""
        found = 0
        for condition in split(term.where):
            if truth(condition, scene)[0] is not True:
                found += 10 if _is_equality(condition) else 1
        return found + (term.fresh_ms is not None and self.now - fact.at > term.fresh_ms)

    def _near(self, term: Pick | Without | Aggregate, fact: Fact, scene: Scene) -> NearView:
        inner = scene.with_fact(term.alias, fact)
        views = [view(condition, inner) for condition in split(term.where)]
        missed = [each for each in views if each.holds is not True]
        if term.fresh_ms is not None and self.now - fact.at > term.fresh_ms:
            age = _span(self.now - fact.at)
            missed.append(ConditionView(f"fresh: {_span(term.fresh_ms)}, but it was observed {age} ago", False))
        return NearView(named(fact), tuple(missed))


def _is_equality(condition: Expr) -> bool:
    return getattr(condition, "op", "") == "=="


def _all(truths: Iterable[bool | None]) -> bool | None:
    found = list(truths)
    if False in found:
        return False
    return None if None in found else True


def _with_conditions(told: TermView, conditions: tuple[ConditionView, ...]) -> TermView:
    holds = _all(each.holds for each in conditions)
    since = [each.since for each in conditions if each.holds is False and each.since is not None]
    until = [each.until for each in conditions if each.until is not None]
    return replace(
        told,
        holds=holds,
        conditions=conditions,
        since=min(since, default=None) if holds is False else None,
        until=min(until, default=None),
    )


def _term(term: Term) -> TermView:
    return TermView(title(term), term.span.file, term.span.line, getattr(term, "reason", None) or "", None)


def _span(ms: int) -> str:
    """A length of time in its two largest units."""
    if ms < 1_000:
        return f"{ms}ms"
    parts = []
    rest = ms
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])
