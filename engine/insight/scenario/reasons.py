"""Why a command was made, and why one was not: the facts behind it, or the first term that did not hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from engine.coordination.case import Case
from engine.coordination.driver import Driver
from engine.coordination.evaluate import Bound, Surroundings, evaluate
from engine.errors import LockstepError
from engine.insight.scenario.judging import show_fact
from engine.insight.scenario.moments import after
from engine.insight.scenario.outcomes import subject_words
from engine.insight.scenario.values import canonical, spelled, spelled_field
from engine.insight.scenario.vocabulary import command_effects
from engine.insight.scenario.wanted import WantedCommand
from engine.insight.scenario.world import Made
from engine.matching.engine import Engine
from engine.matching.fact import Fact
from engine.matching.group import State
from engine.matching.match import Match
from engine.matching.node import RuleNode
from engine.model.expr import BoolOp, Expr, Unary
from engine.model.exprtools import fields_read, unparse
from engine.model.plans import Action, Plan
from engine.model.rules import Aggregate, Check, CommandEffect, Let, Pattern, Pick, Rule, Term, Without

#: Rules, and matches of one rule, that an explanation speaks of.
_SHOWN: Final = 3
#: Facts of one kind that are named when none of them is the right one.
_NEAR: Final = 3


# -- why one was made -------------------------------------------------------------------
def because(made: Made, engine: Engine, start_ms: int) -> tuple[str, ...]:
    """The firing behind a command and the facts it read."""
    node = engine.nodes.get(made.rule)
    rule = node.rule if node is not None else None
    lines = [f"{made.command} was made by {made.rule or 'the engine'}{_place(rule) or _step_place(made, engine)}"]
    if made.coordination:
        lines[0] += f" for the coordination {made.coordination}"
    read = _fields_by_alias(rule) if rule is not None else {}
    for fact in made.event.get("facts") or ():
        names = read.get(fact["alias"]) or list(fact["values"])
        values = ", ".join(_said_value(fact, name, engine, start_ms) for name in names if name in fact["values"])
        told = f"{fact['source']} at {after(int(fact['observed_at']) - start_ms)}"
        lines.append(f"  {fact['alias']} = {fact['kind']} {{{values}}}, said by {told}")
    lines += [f"  {name} = {spelled(value)}" for name, value in (made.event.get("bindings") or {}).items()]
    return tuple(lines)


def _said_value(fact: Mapping[str, Any], name: str, engine: Engine, start_ms: int) -> str:
    value = fact["values"][name]
    memory = engine.base.memories.get(fact["kind"])
    if memory is None or name not in memory.kind.positions:
        return f"{name}: {spelled(value)}"
    return f"{name}: {spelled_field(value, memory.kind.field(name).type, start_ms)}"


def _place(rule: Rule | None) -> str:
    return f" ({rule.span.file}:{rule.span.line})" if rule is not None else ""


def _step_place(made: Made, engine: Engine) -> str:
    plan, _, step = made.rule.rpartition(".")
    found = next((s.span for p in engine.rulebase.plans if p.name == plan for s in p.steps if s.name == step), None)
    return f" ({found.file}:{found.line})" if found is not None else ""


def _fields_by_alias(rule: Rule) -> dict[str, list[str]]:
    """The fields a rule reads, in the order it does."""
    read: dict[str, dict[str, None]] = {}
    for term in rule.terms:
        for expr in _conditions(term):
            for alias, name in sorted(fields_read(expr)):
                read.setdefault(alias, {})[name] = None
    for effect in command_effects(rule.then):
        for _, expr in effect.args:
            for alias, name in sorted(fields_read(expr)):
                read.setdefault(alias, {})[name] = None
    return {alias: list(names) for alias, names in read.items()}


# -- why one was not made -----------------------------------------------------------------
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
    matches = sorted(_matches(node, engine), key=lambda match: -_kinship(match, wanted))
    if not matches:
        return [f"{head} found no match:", *(f"  {line}" for line in _lonely(node, engine, at_ms, start_ms))]
    lines = []
    for match in matches[:_SHOWN]:
        number = _first_unmet(node, match, engine, at_ms)
        lines.append(f"{head} for {', '.join(_named(match))}:")
        if number == 0:
            lines.append(f"  {_standing(node, match, start_ms)}")
        elif 0 < number <= len(node.rule.terms):
            lines += [f"  {line}" for line in _term_lines(node, match, node.rule.terms[number - 1], at_ms, start_ms)]
        else:
            lines.append("  an expression of its conditions cannot be computed")
    if len(matches) > _SHOWN:
        lines.append(f"{len(matches) - _SHOWN} more matches of {node.name}")
    return lines


def _matches(node: RuleNode, engine: Engine) -> Iterator[Match]:
    """The complete matches of a rule."""
    grounder = engine.base.grounder
    if grounder is None:
        return
    for plan in node.compiled.plan.grounds:
        ground = grounder.grounds[plan]
        first = engine.base.memories[plan.kinds[0]]
        for fact in list(first.facts.values()):
            if ground.is_solo:
                if fact.solo is not None:
                    yield fact.solo
            else:
                yield from ((fact.seats or {}).get(ground.seats[0]) or {})


def _kinship(match: Match, wanted: WantedCommand) -> int:
    """How many of the wanted arguments are values of the match's facts: that match was probably meant."""
    values = {canonical(value) for fact in match.facts if fact is not None for value in fact.values}
    return sum(any(form in values for form in getattr(value, "forms", ())) for _, value in wanted.args)


def _named(match: Match) -> Iterator[str]:
    for fact in match.facts:
        if fact is not None:
            yield f"{fact.memory.name} {' '.join(str(part) for part in fact.key)}"


def _first_unmet(node: RuleNode, match: Match, engine: Engine, at_ms: int) -> int:
    context = engine.firing.context
    context.forget()
    context.indexes = node.indexes
    context.ripe = frozenset(seat for seat in node.compiled.ripening if _is_ripe(node, match, seat))
    return node.compiled.guard(match.facts, at_ms, context, [])


def _is_ripe(node: RuleNode, match: Match, seat: int) -> bool:
    wanted = node.rule.patterns[seat].for_distinct
    return wanted is not None and len(node.distinct.get((match.key, seat), ())) >= wanted.count


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


# -- one term ----------------------------------------------------------------------------
def _conditions(term: Term) -> tuple[Expr, ...]:
    if isinstance(term, Check):
        return term.conditions
    if isinstance(term, Let):
        return (term.value,)
    more = [term.of] if isinstance(term, Aggregate) and term.of is not None else []
    if isinstance(term, Pick) and term.by is not None:
        more.append(term.by)
    if isinstance(term, Pattern) and term.for_distinct is not None:
        more.append(term.for_distinct.of)
    return (*term.where, *more)


def term_title(term: Term) -> str:
    """What a term is, in few words."""
    match term:
        case Pattern():
            return f"{term.kind.name}: {term.alias}"
        case Pick():
            return f"{'latest' if term.by is None else 'best'}: {term.alias} of {term.kind.name}"
        case Without():
            return f"without: {term.kind.name}"
        case Aggregate():
            return f"{term.function}: {term.name} over {term.kind.name}"
        case Let():
            return f"let: {term.name}"
        case Check():
            return "check"


def _term_lines(node: RuleNode, match: Match, term: Term, at_ms: int, start_ms: int) -> Iterator[str]:
    """Which term does not hold, and on which values."""
    reason = getattr(term, "reason", None)
    yield f"{term_title(term)} does not hold{f' ({reason})' if reason else ''}, line {term.span.line}"
    bound = {p.alias: fact for p, fact in zip(node.rule.patterns, match.facts, strict=True) if fact is not None}
    around = Surroundings(at_ms, {alias: Bound(f.memory.name, f.key, f.values, f.at) for alias, f in bound.items()})
    where = term.where if isinstance(term, Pattern) else term.conditions if isinstance(term, Check) else ()
    for condition in _split(where):
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
            seen_values = node.distinct.get((match.key, seat), [])
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
    for condition in _split(term.where):
        yield f"  {unparse(condition)}"
    if memory is not None:
        for fact in list(memory.facts.values())[:_NEAR]:
            yield f"  there is {show_fact(fact, start_ms, names)}"


def _split(conditions: Iterable[Expr]) -> Iterator[Expr]:
    """The ``and``s taken apart."""
    for condition in conditions:
        if isinstance(condition, BoolOp) and condition.op == "and":
            yield from _split(condition.items)
        elif isinstance(condition, Unary) and isinstance(condition.operand, BoolOp) and condition.operand.op == "or":
            yield from _split(Unary("not", item, item.type) for item in condition.operand.items)
        else:
            yield condition


def _value(condition: Expr, around: Surroundings) -> object:
    try:
        return evaluate(condition, around)
    except (LockstepError, KeyError, LookupError, TypeError):
        return None


def _lonely(node: RuleNode, engine: Engine, at_ms: int, start_ms: int) -> Iterator[str]:
    """Why a rule has no match at all: the first pattern for which no fact is right, those before bound one way."""
    around = Surroundings(at_ms, {})
    aliases: dict[str, Bound] = {}
    for pattern in node.rule.patterns:
        memory = engine.base.memories[pattern.kind.name]
        candidates = [Bound(pattern.kind.name, f.key, f.values, f.at) for f in memory.facts.values()]
        if not candidates:
            yield f"there is no {pattern.kind.name} ({pattern.alias}, line {pattern.span.line})"
            return
        scored = []
        for bound in candidates:
            around = Surroundings(at_ms, {**aliases, pattern.alias: bound})
            false = [c for c in _split(pattern.where) if _value(c, around) is False]
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
