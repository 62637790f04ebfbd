from __future__ import annotations

import pytest

from connectors.evm import rarely
from connectors.evm.rarely import Rarely


def test_a_line_is_said_once_an_hour_and_at_once_when_it_becomes_so_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms = 0
    monkeypatch.setattr(rarely, "monotonic_ms", lambda: now_ms)
    lines = Rarely()
    assert [lines.is_due("away"), lines.is_due("away"), lines.is_due("other")] == [True, False, True]
    now_ms = 3_599_999
    assert not lines.is_due("away")
    now_ms = 3_600_000
    assert lines.is_due("away")
    assert lines.is_over("away")
    assert not lines.is_over("away")
    assert lines.is_due("away")


def test_what_is_remembered_of_a_log_is_bounded() -> None:
    lines = Rarely()
    assert all(lines.is_due(str(number)) for number in range(2_000))
    assert lines.is_due("0")
    assert not lines.is_due("1999")
