"""Why a rule does not fire: for the facts asked about, its terms judged one by one, and what holds it back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from engine.errors import EvaluationError
from engine.insight.why.candidates import Nearest, Tuple, asked_facts, near_keys
from engine.insight.why.judging import Judging
from engine.insight.why.reading import Scene, name_of, named
from engine.insight.why.views import Candidate, Hold, TermView
from engine.matching.engine import Engine
from engine.matching.fact import Fact, Key
from engine.matching.group import Group, State
from engine.matching.match import Match
from engine.matching.node import RuleNode
from engine.matching.past_firings import once_name
from engine.model.rules import CommandEffect, Rule

#: Candidates shown of one rule.
SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a rule, or of a condition of a plan.

    Attributes:
        engine: as it stands.
        node: the rule at work.
        scene: the instant, and what is bound beforehand.
        paused: what operators hold back.
        skip: so many of the rule's terms, from the first, are not what is asked.
    """

    engine: Engine
    node: RuleNode
    scene: Scene
    paused: Collection[str] = ()
    skip: int = 0


def why_not_rule(question: Question, words: Sequence[str]) -> tuple[list[Candidate], int]:
    """The nearest candidates, and how many matches more there are.

    Args:
        question: the rule.
        words: ``alias=key`` of the facts somebody has in mind.

    Raises:
        AskedError: U160 to U162, see ``asked_facts``.
    """
    asked, keys = asked_facts(words, question.node.rule.patterns, question.engine)
    return candidates_of(question, asked, keys)


def candidates_of(
    question: Question, asked: Mapping[str, Fact | None], keys: Mapping[str, Key]
) -> tuple[list[Candidate], int]:
    """As ``why_not_rule``, for facts that are found already."""
    nearest = Nearest(question.engine, question.node, question.scene, asked)
    found, more = nearest.found(SHOWN)
    return [_candidate(question, each, keys) for each in found], more


def _candidate(question: Question, tuple_: Tuple, keys: Mapping[str, Key]) -> Candidate:
    engine, node = question.engine, question.node
    judging = Judging(engine, node, question.scene)
    terms = _believed(judging.terms(tuple_.facts), tuple_.verdict)
    facts: dict[str, str] = {}
    missing = []
    for pattern, fact in zip(node.rule.patterns, tuple_.facts, strict=True):
        if fact is not None:
            facts[pattern.alias] = named(fact)
        elif pattern.alias in keys:
            facts[pattern.alias] = name_of(pattern.kind.name, keys[pattern.alias])
            missing.append(pattern.alias)
    holds = tuple_.verdict == 0
    shown = terms[question.skip :]
    first = next((number for number, term in enumerate(shown) if term.holds is not True), None)
    held = tuple(_held_back(question, tuple_, keys, missing)) if not holds or tuple_.match is None else ()
    if holds and tuple_.match is not None:
        held = (*held, *standing(question, tuple_.match))
    return Candidate(facts, tuple(missing), holds, shown, None if holds else first, held)


def _believed(terms: tuple[TermView, ...], verdict: int) -> tuple[TermView, ...]:
    """What was told of the terms, brought to what the guard says."""
    if verdict == 0:
        return tuple(term if term.holds is True else replace(term, holds=True) for term in terms)
    if verdict > 0:
        before = tuple(term if term.holds is True else replace(term, holds=True) for term in terms[: verdict - 1])
        wrong = terms[verdict - 1]
        return (*before, wrong if wrong.holds is not True else replace(wrong, holds=False), *terms[verdict:])
    return terms


def _held_back(question: Question, tuple_: Tuple, keys: Mapping[str, Key], missing: Sequence[str]) -> Iterator[Hold]:
    """Why there is no match, or why the rule does not look at it."""
    rule = question.node.rule
    for pattern in rule.patterns:
        if pattern.alias not in missing:
            continue
        key = keys[pattern.alias]
        close = near_keys(pattern.kind.name, key, question.engine)
        hint = f"; there is {', '.join(close)}" if close else ""
        gone = _retracted(pattern.kind.name, key, question.engine)
        yield Hold("missing", f"there is no {name_of(pattern.kind.name, key)}{hint}", at=gone)
    if tuple_.verdict == -2 and rule.window is not None:
        yield _window(question, rule.window)
    elif tuple_.verdict == -1 and tuple_.match is not None:
        yield Hold("error", "an expression of its conditions cannot be computed")


def _retracted(kind: str, key: Key, engine: Engine) -> int | None:
    stones = engine.base.memories[kind].tombstones
    ordered = [stone.order for (each, _), stone in stones.items() if each == key]
    by_time = [order[0] for order in ordered if order and isinstance(order[0], int)]
    return max(by_time, default=None) if not engine.base.memories[kind].kind.order else None


def _window(question: Question, name: str) -> Hold:
    window = question.engine.firing.context.windows[name]
    change = window.next_change(question.scene.now)
    return Hold("window", f"window {name} is closed", until=change)


# -- what holds back a match that holds ---------------------------------------------------
def standing(question: Question, match: Match) -> Iterator[Hold]:
    """Where the group of a match that holds stands."""
    node, engine = question.node, question.engine
    group = node.holding.get(match)
    if group is None:
        yield Hold("settling", "all its terms hold as of this very instant", at=question.scene.now)
        return
    match group.state:
        case State.WAITING:
            yield Hold("for", "all its terms hold; 'for' has not passed yet", group.since, group.due)
        case State.THROTTLED:
            yield Hold("throttle", "all its terms hold; 'throttle' lets it fire later", group.since, group.due)
        case State.DONE if group.has_fired:
            yield from _fired(question, group, match)
        case State.DONE if node.occurrences and node.rule.once is None:
            yield Hold("schedule", "it began to hold between occurrences of its schedule", group.since)
        case State.DONE:
            yield _once(engine, node, match, group)
        case _ if node.name not in engine.firing.suspended:
            yield Hold("settling", "all its terms hold; it is ready to fire", group.since)
    yield from _paused(question)


def _fired(question: Question, group: Group, match: Match) -> Iterator[Hold]:
    again = f", {group.attempt} times so far" if group.attempt > 1 else ""
    text = f"it has fired for that{again}; it fires again once it has stopped holding"
    if group.match is not None and group.match is not match:
        other = ", ".join(named(fact) for fact in group.match.facts if fact is not None)
        text = f"it has fired for {other}, which shares its 'per'"
    yield Hold("fired", text, group.fired_at)
    if group.due:
        yield Hold("repeat", "'repeat' lets it fire again", group.fired_at, group.due)


def _once(engine: Engine, node: RuleNode, match: Match, group: Group) -> Hold:
    """By the key as it is now."""
    once, key_of = node.rule.once, node.compiled.once_key
    if once is None or key_of is None:
        return Hold("fired", "it is done with that", group.since)
    try:
        key = key_of(match.facts, node.bound(match, engine.firing), engine.now, 0, engine.firing.context)
    except EvaluationError as error:
        return Hold("once", f"its 'once' key cannot be computed: {error.message}", group.since)
    at = engine.firing.past.once.get((once_name(node.rule), key))
    until = None if at is None else at + once.keep_ms
    return Hold("once", f"'once' remembers {key!r}: it fired for that before", at, until)


def _paused(question: Question) -> Iterator[Hold]:
    """What is decided is sent only when it goes on."""
    rule = question.node.rule
    connectors = {e.connector for e in (*rule.then, *rule.exhausted) if isinstance(e, CommandEffect)}
    names = [f"rule:{rule.name}", *(f"connector:{name}" for name in sorted(connectors))]
    yield from (paused(name) for name in names if name in question.paused)


def paused(name: str) -> Hold:
    """Something an operator holds back."""
    return Hold("paused", f"{name} is paused: commands wait until `lockstep resume {name}`")


def notes_on(rule: Rule, engine: Engine) -> Iterator[Hold]:
    """What is so for every match of a rule."""
    if rule.name in engine.firing.suspended:
        yield Hold("suspended", f"it was part of a chain without end; `lockstep resume rule:{rule.name}` lets it go on")
    if not rule.is_live:
        yield Hold("shadow", "it is in shadow: what it decides is written down, not done")
