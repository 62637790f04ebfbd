"""The matches of a rule as they stand, and what its compiled guard says of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.matching.engine import Engine
from engine.matching.match import Match
from engine.matching.node import RuleNode


def matches_of(node: RuleNode, engine: Engine) -> Iterator[Match]:
    """The complete matches of a rule."""
    grounder = engine.base.grounder
    if grounder is None:
        return
    for plan in node.compiled.plan.grounds:
        ground = grounder.grounds[plan]
        for fact in list(engine.base.seated(plan.kinds[0]).facts.values()):
            if ground.is_solo:
                if fact.solo is not None:
                    yield fact.solo
            else:
                yield from list((fact.seats or {}).get(ground.seats[0]) or ())


def guard_of(node: RuleNode, match: Match, engine: Engine, now: int) -> int:
    """What the compiled guard says of a match: 0 it holds, else the 1-based number of the first term that does not."""
    context = engine.firing.context
    context.forget()  # by the indexes of whoever looked last
    context.indexes = node.indexes
    seats = (
        seat for seat in node.compiled.ripening if len(distinct_values(node, match.key, seat)) >= _count(node, seat)
    )
    context.ripe = frozenset(seats)
    found = node.compiled.guard(match.facts, now, context, [])
    context.forget()
    return found


def distinct_values(node: RuleNode, key: tuple[object, ...], seat: int) -> Sequence[object]:
    """The values that a ``for_distinct`` has seen for a match."""
    return node.distinct.get((key, seat), ())  # type: ignore[arg-type]


def _count(node: RuleNode, seat: int) -> int:
    wanted = node.rule.patterns[seat].for_distinct
    return 0 if wanted is None else wanted.count
