"""The packs that are shipped: each keeps the promises of its tests, has a page, and stands beside all the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.playing import daemon_machinery
from engine.insight.scenario.case import Case, Restart
from engine.insight.scenario.files import read_files
from engine.insight.scenario.player import play
from engine.model.expr import Compare, Const, FieldRef
from engine.model.exprtools import walk
from engine.packs.bundle import load_paths

RULES = Path(__file__).parents[3] / "rules"
WORKED = sorted((RULES / "worked").glob("*.test.yaml"))
FILES = read_files([RULES])
CASES = [case for file in FILES for case in file.cases]


def test_every_file_of_tests_can_be_read() -> None:
    assert [problem for file in FILES for problem in file.problems] == []
    assert len(FILES) >= 9


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{Path(case.span.file).name}-{case.name}")
def test_a_shipped_scenario_comes_to_what_it_says(case: Case) -> None:
    result = play(case, daemon_machinery())
    assert [(failure.at_ms, failure.message, failure.diff) for failure in result.failures] == []


def test_all_packs_stand_together_and_no_two_plans_take_the_same_intent() -> None:
    loaded = load_paths([RULES])
    assert loaded.problems == []
    assert loaded.rulebase is not None
    taken: dict[object, str] = {}
    for plan in loaded.rulebase.plans:
        (intent,) = plan.patterns
        kinds = [
            each.right.value
            for where in intent.where
            for each in walk(where)
            if isinstance(each, Compare) and isinstance(each.left, FieldRef) and isinstance(each.right, Const)
            if each.left.field == "kind"
        ]
        assert len(kinds) == 1, plan.name
        assert kinds[0] not in taken, f"{plan.name} and {taken.get(kinds[0])}"
        taken[kinds[0]] = plan.name
    assert len(taken) >= 8


@pytest.mark.parametrize("tests", WORKED, ids=lambda path: path.name)
def test_a_worked_pack_has_a_page_a_restart_and_ways_off(tests: Path) -> None:
    name = tests.name.removesuffix(".test.yaml")
    page = (tests.parent / f"{name}.md").read_text(encoding="utf-8")
    assert all(word in page for word in ("**Guards against**", "**Real systems", "| number | source |", "**Ends**"))
    (file,) = read_files([tests])
    steps = [step for case in file.cases for at in case.instants.values() for step in at]
    assert any(isinstance(each, Restart) for step in steps for each in step.inputs)
    assert len(file.cases) >= (3 if name == "bridge_then_swap" else 4), "the good case and three ways off it"
