"""A folder of bad packs and every word that is said about it."""

from __future__ import annotations

from pathlib import Path

from engine.packs.bundle import load_paths

HERE = Path(__file__).parent


def test_all_problems_of_all_files_are_said_in_one_run() -> None:
    result = load_paths([HERE / "bad"])
    said = "".join(f"{str(problem).removeprefix(f'{HERE}/')}\n" for problem in result.problems)
    assert said == (HERE / "bad.golden").read_text(encoding="utf-8")
    assert result.rulebase is None
    assert result.blob == b""


def test_every_problem_has_a_place_and_a_hint() -> None:
    for problem in load_paths([HERE / "bad"]).problems:
        assert problem.line > 0, problem
        assert problem.column > 0, problem
        assert problem.hint, problem
