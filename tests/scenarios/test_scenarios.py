"""Every sentence of the language about plans, played: as it stands, and with a recovery before whatever happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.insight.scenario.case import Case
from engine.insight.scenario.files import find_tests, read_files
from tests.support.restarts import play_twice, told

HERE = Path(__file__).parent
FILES = find_tests([HERE])


def _cases() -> list[tuple[str, Case]]:
    return [(f"{Path(file.path).name}: {case.name}", case) for file in read_files(FILES) for case in file.cases]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_files_have_no_problems(path: Path) -> None:
    (file,) = read_files([path])
    assert file.problems == []
    assert file.cases


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in _cases()])
def test_it_comes_out_as_written_and_the_same_with_recoveries(case: Case) -> None:
    once, again = play_twice(case)
    assert [failure.lines(case.start_ms) for failure in once.failures] == []
    assert [failure.lines(case.start_ms) for failure in again.failures] == []
    assert told(again) == told(once)
