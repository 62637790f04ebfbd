"""What must be true of the reference on any program, whatever the rules say."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import HealthCheck, given, settings

from tests.support.programs import Program, next_minute, programs
from tests.support.reference import Advance, Decision, ReferenceEngine, Step, StepRecord
from tests.support.reference.settle import Limits

ANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def engine_of(program: Program) -> ReferenceEngine:
    return ReferenceEngine(program.rulebase, limits=Limits(40, 40), next_fire=next_minute)


def decisions(records: Iterable[StepRecord]) -> list[Decision]:
    return [d for r in records for d in r.decisions]


def with_time_passing(steps: Iterable[Step]) -> Iterable[Step]:
    """The same history, with time passing to each entry's instant before it."""
    for step in steps:
        if not isinstance(step, Advance):
            yield Advance(step.at)
        yield step


@ANY
@given(programs())
def test_the_same_history_gives_the_same_decisions(program: Program) -> None:
    assert engine_of(program).run(program.steps) == engine_of(program).run(program.steps)


@ANY
@given(programs())
def test_time_told_beforehand_changes_nothing(program: Program) -> None:
    plain = engine_of(program).run(program.steps)
    told = engine_of(program).run(with_time_passing(program.steps))
    assert decisions(told) == decisions(plain)
    assert (told[-1].facts, told[-1].groups) == (plain[-1].facts, plain[-1].groups)


@ANY
@given(programs())
def test_decisions_are_in_order_and_nothing_outlives_its_ttl(program: Program) -> None:
    engine = engine_of(program)
    last = 0
    for step in program.steps:
        record = engine.step(step)
        now = step.to_ms - 1 if isinstance(step, Advance) else step.at - 1
        for decision in record.decisions:
            assert last <= decision.now
            last = decision.now
        for fact in record.facts:
            kind = program.rulebase.kinds[fact.kind]
            assert kind.ttl_ms is None or now - fact.observed_at <= kind.ttl_ms


@ANY
@given(programs())
def test_a_concluded_fact_stands_only_while_a_group_that_fired_does(program: Program) -> None:
    engine = engine_of(program)
    for step in program.steps:
        record = engine.step(step)
        concluding = {r.name for r in program.rulebase.rules if r.is_live and (r.then or r.exhausted)}
        fired = {g.rule for g in record.groups if g.has_fired}
        if any(program.rulebase.kinds[f.kind].concluded for f in record.facts):
            assert fired & concluding
