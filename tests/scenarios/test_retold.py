"""Every scenario there is, told otherwise: what follows may not depend on how often, or on a recovery in between."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from engine.cli.playing import daemon_machinery
from engine.insight.scenario.case import Case
from engine.insight.scenario.files import find_tests, read_files
from engine.insight.scenario.player import play
from tests.support.restarts import play_again_with_recoveries, told
from tests.support.retold import known, last_first, sent_twice

HERE: Final = Path(__file__).parent
SHIPPED: Final = find_tests([HERE.parents[1] / "rules"])
FILES: Final = [*find_tests([HERE]), *SHIPPED]
#: Scenarios in which it matters which of several entries of one instant came first, and why it must.
ORDERED: Final = {
    # Two arrivals fit one condition: it rests on the one that came first.
    "evidence on another block remains when one is removed",
    # The second step's evidence came before the first's, so that it is never commanded; the other way round it is.
    "on one network the block and the place in it decide",
}
#: Scenarios that count refusals: what is refused twice counts twice.
COUNTED: Final = {
    "a reporter whose clock runs ahead is refused and told of once",
    "a reporter that sends rubbish is noisy",
}


def _cases(path: Path) -> list[Case]:
    (file,) = read_files([path])
    assert file.cases, path
    return file.cases


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_recoveries_anywhere_change_nothing_about_shipped_packs(path: Path) -> None:
    for case in _cases(path):
        once, again = play_again_with_recoveries(case)
        assert [failure.lines(case.start_ms) for failure in again.failures] == [], case.name
        assert told(again) == told(once), case.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_sending_again_changes_nothing(path: Path) -> None:
    for case in _cases(path):
        if case.name in COUNTED:
            continue
        again = play(sent_twice(case), daemon_machinery())
        # What was refused is refused again.
        assert [each.message for each in again.failures if each.kind != "rejected"] == [], case.name
        assert known(again) == known(play(case, daemon_machinery())), case.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_evidence_of_one_instant_may_come_in_any_order(path: Path) -> None:
    for case in _cases(path):
        if case.name in ORDERED:
            continue
        once = play(case, daemon_machinery())
        again = play(last_first(case, once), daemon_machinery())
        assert [failure.lines(case.start_ms) for failure in again.failures] == [], case.name
        assert known(again) == known(once), case.name
