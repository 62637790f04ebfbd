"""Whatever the shapes and whatever comes, goes and is rebuilt: all joiners ground the same."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.matching.durable_joiner import DurableJoiner
from engine.matching.joins import Join, JoinPattern, JoinShape, PythonJoiner
from tests.support.joins import FIELDS, KINDS, NaiveJoiner, Program, random_program, run_program

VALUES = st.sampled_from([None, "x", 0, 1])


@st.composite
def shapes(draw: st.DrawFn) -> JoinShape:
    patterns = []
    for position in range(draw(st.integers(2, 4))):
        joins = st.builds(Join, st.sampled_from(FIELDS), st.integers(0, position - 1), st.sampled_from(FIELDS))
        held = draw(st.lists(joins, max_size=2)) if position else []
        patterns.append(JoinPattern(draw(st.sampled_from(KINDS[:3])), tuple(held)))
    return JoinShape(tuple(patterns))


@st.composite
def programs(draw: st.DrawFn) -> Program:
    program = Program(
        shapes=draw(st.lists(shapes(), min_size=1, max_size=4)),
        min_dead=draw(st.integers(1, 4)),
        max_session_facts=draw(st.sampled_from([20, 64**3])),
    )
    living: list[int] = []
    for handle in range(draw(st.integers(1, 30))):
        action = draw(st.sampled_from(["add", "add", "remove", "maintain"]))
        if living and (action == "remove" or len(living) == 7):
            program.steps.append(("remove", living.pop(draw(st.integers(0, len(living) - 1)))))
        elif action == "maintain":
            program.steps.append(("maintain", draw(st.integers(0, 3))))
        else:
            values = {field: draw(VALUES) for field in FIELDS}
            program.steps.append(("add", handle, draw(st.sampled_from(KINDS[:3])), values))
            living.append(handle)
    return program


@given(programs())
@settings(max_examples=150, deadline=None)
def test_the_library_python_and_a_nested_loop_ground_the_same(program: Program) -> None:
    naive = NaiveJoiner(program.shapes)
    expected = []
    for step in program.steps:
        match step:
            case ("add", int(handle), str(kind), dict(values)):
                expected.append(naive.add(handle, kind, values))
            case ("remove", int(handle)):
                naive.remove(handle)
    durable = DurableJoiner(program.shapes, "property", program.min_dead, program.max_session_facts)
    assert run_program(program, PythonJoiner(program.shapes)) == expected
    assert run_program(program, durable) == expected
    durable.close()


def test_three_hundred_random_programs_ground_the_same() -> None:
    grounded = rebuilds = 0
    for seed in range(300):
        program = random_program(seed)
        durable = DurableJoiner(program.shapes, "property", program.min_dead, program.max_session_facts)
        found = run_program(program, durable)
        assert found == run_program(program, PythonJoiner(program.shapes)), seed
        grounded += sum(map(len, found))
        rebuilds += durable.stats().rebuilds
        durable.close()
    assert grounded > 10_000
    assert rebuilds > 300
