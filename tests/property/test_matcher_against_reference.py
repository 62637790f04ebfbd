"""The matcher is held to the slow reference: random packs, random histories, restarts anywhere, either joiner."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.matching.durable_joiner import DurableJoiner
from engine.matching.joins import Joiner, JoinShape, PythonJoiner
from tests.support.programs import Program, next_minute, programs
from tests.support.real import RealEngine
from tests.support.reference import ReferenceEngine
from tests.support.reference.settle import Limits

MakeJoiner = Callable[[list[JoinShape]], Joiner]
#: Chains are cut early, so that those without end stay small.
LIMITS = Limits(60, 12)
SOME = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,  # the same programs in every run; look for new ones with more examples and without this
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def durable(shapes: list[JoinShape]) -> Joiner:
    return DurableJoiner(shapes)


@pytest.mark.parametrize("make_joiner", [PythonJoiner, durable])
@SOME
@given(program=programs(), restarts=st.frozensets(st.integers(0, 30)))
def test_matcher_and_reference_decide_alike_step_by_step(
    make_joiner: MakeJoiner, program: Program, restarts: frozenset[int]
) -> None:
    reference = ReferenceEngine(program.rulebase, next_fire=next_minute, limits=LIMITS)
    real = RealEngine(program.rulebase, limits=LIMITS, make_joiner=make_joiner)
    for number, step in enumerate(program.steps):
        if number in restarts:
            real.restart()
        assert real.step(step) == reference.step(step)


@SOME
@given(program=programs(), restarts=st.frozensets(st.integers(0, 30), min_size=1))
def test_restarts_leave_no_trace_in_what_is_committed(program: Program, restarts: frozenset[int]) -> None:
    straight = RealEngine(program.rulebase, limits=LIMITS)
    straight.run(program.steps)
    restarted = RealEngine(program.rulebase, limits=LIMITS)
    restarted.run(program.steps, restarts)
    assert restarted.facts_hash == straight.facts_hash
    assert restarted.active_hash == straight.active_hash
    assert restarted.commands == straight.commands
