"""Why a command was not made: where its rules and plans stand, and what keeps each from making it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.coordination.case import Case
from engine.coordination.driver import Driver
from engine.insight.matches import guard_of, matches_of
from engine.insight.scenario.missing import lonely_lines, term_lines
from engine.insight.scenario.moments import after
from engine.insight.scenario.outcomes import subject_words
from engine.insight.scenario.values import canonical
from engine.insight.scenario.vocabulary import command_effects
from engine.insight.scenario.wanted import WantedCommand
from engine.matching.engine import Engine
from engine.matching.group import State
from engine.matching.match import Match
from engine.matching.node import RuleNode
from engine.model.plans import Action, Plan
from engine.model.rules import CommandEffect, Rule

#: Rules, and matches of one rule, that an explanation speaks of.
_SHOWN: Final = 3


def unmet(wanted: WantedCommand, engine: Engine, at_ms: int, start_ms: int) -> tuple[str, ...]:
    """For each rule that makes such a command, what kept it from doing so at this instant."""
    lines: list[str] = []
    makers = [node for node in engine.nodes.values() if _makes(node.rule, wanted.command)]
    for node in makers[:_SHOWN]:
        lines += _unmet_of(node, wanted, engine, at_ms, start_ms)
    if len(makers) > _SHOWN:
        lines.append(f"{len(makers) - _SHOWN} more rules make {wanted.command}")
    for plan in engine.rulebase.plans:
        for place, effect in _places(plan):
            if f"{effect.connector}.{effect.verb}" == wanted.command:
                lines += _unmet_of_plan(plan, place, wanted, engine, at_ms, start_ms)
    return tuple(lines)


def _places(plan: Plan) -> Iterator[tuple[str, CommandEffect]]:
    """Every command of a plan with the place it stands at, as the plan's conditions are named."""
    for step in plan.steps:
        yield from _places_of(step.name, step.action)
        for number, undo in enumerate(step.undo):
            yield from _places_of(f"{step.name}.undo{number}", undo.action)


def _places_of(place: str, action: Action) -> Iterator[tuple[str, CommandEffect]]:
    if action.command is not None:
        yield place, action.command
    for cause, alternatives in action.otherwise:
        for number, alternative in enumerate(alternatives):
            if alternative.action is not None:
                yield from _places_of(f"{place}!{cause}{number}", alternative.action)


def _unmet_of_plan(
    plan: Plan, place: str, wanted: WantedCommand, engine: Engine, at_ms: int, start_ms: int
) -> Iterator[str]:
    """Where the coordinations of a plan stand, and what the place of the command waits for."""
    cases = _cases(plan, engine)
    head = f"{plan.name} {place} ({plan.span.file}:{plan.span.line})"
    if not cases:
        yield f"{head}: no coordination has begun"
        begin = engine.nodes.get(f"{plan.name}#for")
        yield from (f"  {line}" for line in _unmet_of(begin, wanted, engine, at_ms, start_ms)) if begin else ()
        return
    for case in cases[:_SHOWN]:
        ended = f"ended {case.verdict} ({case.verdict_reason})" if case.ended_at is not None else "is open"
        stands = ", ".join(f"{s.name} is {s.shown} since {after(s.since - start_ms)}" for s in case.steps.values())
        yield f"{head}: {' '.join(subject_words(case.subject))} {ended}: {stands}"
    when = engine.nodes.get(f"{plan.name}#{place}.when")
    if when is not None:
        yield from (f"  {line}" for line in _unmet_of(when, wanted, engine, at_ms, start_ms))


def _cases(plan: Plan, engine: Engine) -> list[Case]:
    driver = engine.driver
    return [c for c in driver.cases.values() if c.plan == plan.name] if isinstance(driver, Driver) else []


def _makes(rule: Rule, command: str) -> bool:
    return any(f"{e.connector}.{e.verb}" == command for e in command_effects((rule.then, rule.exhausted)))


def _unmet_of(node: RuleNode, wanted: WantedCommand, engine: Engine, at_ms: int, start_ms: int) -> list[str]:
    head = f"{node.name}{_place(node.rule)}"
    if node.name in engine.firing.suspended:
        return [f"{head} is suspended: it was part of a chain without end"]
    if not node.rule.is_live:
        return [f"{head} is in shadow: what it decides is not sent"]
    matches = sorted(matches_of(node, engine), key=lambda match: -_kinship(match, wanted))
    if not matches:
        return [f"{head} found no match:", *(f"  {line}" for line in lonely_lines(node, engine, at_ms, start_ms))]
    lines = []
    for match in matches[:_SHOWN]:
        number = guard_of(node, match, engine, at_ms)
        lines.append(f"{head} for {', '.join(_named(match))}:")
        if number == 0:
            lines.append(f"  {_standing(node, match, start_ms)}")
        elif 0 < number <= len(node.rule.terms):
            lines += [f"  {line}" for line in term_lines(node, match, node.rule.terms[number - 1], at_ms, start_ms)]
        else:
            lines.append("  an expression of its conditions cannot be computed")
    if len(matches) > _SHOWN:
        lines.append(f"{len(matches) - _SHOWN} more matches of {node.name}")
    return lines


def _kinship(match: Match, wanted: WantedCommand) -> int:
    """How many of the wanted arguments are values of the match's facts: that match was probably meant."""
    values = {canonical(value) for fact in match.facts if fact is not None for value in fact.values}
    return sum(any(form in values for form in getattr(value, "forms", ())) for _, value in wanted.args)


def _named(match: Match) -> Iterator[str]:
    for fact in match.facts:
        if fact is not None:
            yield f"{fact.memory.name} {' '.join(str(part) for part in fact.key)}"


def _standing(node: RuleNode, match: Match, start_ms: int) -> str:
    """What keeps a match back that holds."""
    group = node.holding.get(match)
    if group is None:
        return "all its terms hold"
    since = after(group.since - start_ms)
    match group.state:
        case State.WAITING:
            return f"all its terms hold since {since}; 'for' is over at {after(group.due - start_ms)}"
        case State.THROTTLED:
            return f"all its terms hold since {since}; 'throttle' lets it fire at {after(group.due - start_ms)}"
        case State.DONE if group.has_fired:
            return f"it holds since {since} and has fired for that at {after(group.fired_at - start_ms)}"
        case State.DONE if node.observer is not None:
            return f"all its terms hold since {since}"
        case State.DONE if node.occurrences and node.rule.once is None:
            return f"all its terms hold since {since}, but not in the instant of the schedule's occurrence"
        case State.DONE:
            return f"all its terms hold since {since}, but it fired for that key before ('once')"
        case _:
            return f"all its terms hold since {since}"


def _place(rule: Rule) -> str:
    return f" ({rule.span.file}:{rule.span.line})"
