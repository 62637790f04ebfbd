from __future__ import annotations

from engine.runtime.reports import SLACK, ReportWatch


def test_commands_that_ended_leave_nothing_behind_however_late_their_report_was_due() -> None:
    watch = ReportWatch()
    watch.sent("open", 10**14)
    for n in range(10_000):
        watch.sent(f"c{n}", 10**15)
        watch.ended(f"c{n}")
    assert len(watch._heap) <= SLACK + 4
    assert watch.overdue(10**16) == ["open"]
