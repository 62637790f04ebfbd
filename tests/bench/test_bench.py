"""Every measurement runs, on sizes too small to measure anything; no number is judged here."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from tests.bench import report, workload
from tests.bench.run import TINY, measurements, peers_of

_ALL = measurements(TINY) | peers_of(TINY)


@pytest.mark.parametrize("name", _ALL)
def test_a_measurement_gives_whole_numbers_and_a_row_of_the_table(name: str) -> None:
    result = _ALL[name](1)
    assert {type(value) for value in result.values()} == {int}
    assert result.get("rejected", 0) == result.get("early", 0) == result.get("died_by_signal", 0) == 0
    rows = report.lines({name: result})
    assert rows or name not in measurements(TINY)
    shown = StringIO()
    Console(width=200, file=shown).print(report.table({name: result}, {"cores": 2}, seed=1))
    assert all(row.what in shown.getvalue() for row in rows)


def test_lockstep_and_its_peer_get_the_same_facts() -> None:
    first, again = (list(workload.changes(1_000, workload.QUIET, seed=3)) for _ in range(2))
    assert first == again
    seen = {(change.kind, change.key) for change in first if change.key >= workload.KEYS_PER_KIND}
    assert len(seen) == 100, "one fact in ten is new"


def test_a_rule_of_the_busy_workload_holds_for_one_value_in_twenty() -> None:
    share = [sum(value > workload.threshold(rule, workload.BUSY) for value in range(1_000)) for rule in range(100)]
    assert sum(share) // len(share) in (49, 50)
