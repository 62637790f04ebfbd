import pytest

from engine.model.cron import validate_cron
from engine.runtime.schedule_times import ScheduleTimes
from tests.unit.test_timers import cron


@pytest.mark.parametrize(
    "expression",
    [
        "0 8 * * mon-fri",
        "*/15 * * * *",
        "0,30 8-18 1 * *",
        "5-55/10 0 * jan-mar,dec sat,sun",
        "0 0 29 feb *",
        "0 0 31 * *",
        "0 0 30 2,3 *",
        "0 8 * * MON",
        "10/20 * * * *",
        "  0   8 * * * ",
    ],
)
def test_what_is_valid_has_times(expression: str) -> None:
    assert validate_cron(expression, "Europe/Zurich") is None
    assert ScheduleTimes(cron(expression)).next_after(0) is not None


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("0 8 * * 1-5", "write names, e.g. mon-fri"),
        ("0 8 * * 0", "is a number"),
        ("0 8 * * mon,6", "is a number"),
        ("0 8 * * */2", "is a number"),
        ("0 8 1 * mon", "together with weekday"),
        ("0 8 */2 * mon", "together with weekday"),
        ("60 8 * * *", "not within 0 to 59"),
        ("0 24 * * *", "not within 0 to 23"),
        ("0 8 0 * *", "not within 1 to 31"),
        ("0 8 32 * *", "not within 1 to 31"),
        ("0 8 * 13 *", "not within 1 to 12"),
        ("0 8 * * fri-mon", "write 'fri-sun,mon-mon'"),
        ("30-10 8 * * *", "write '30-59,0-10'"),
        ("0 8 * nov-feb *", "write 'nov-dec,jan-feb'"),
        ("*/0 * * * *", "step"),
        ("*/60 * * * *", "step"),
        ("0 8 30 feb *", "never occurs"),
        ("0 8 31 4,6,9,11 *", "never occurs"),
        ("0 8 * * monday", "not one of"),
        ("0 8 * * xyz-fri", "not one of"),
        ("0 8 * febr *", "not one of"),
        ("0 8 * * mon/2", "is a number"),
        ("0 8 * jan/2 *", "month 'jan/2'"),
        ("0 8 last * *", "day of month 'last'"),
        ("0 8 1st mon * *", "five fields"),
        ("0 8 * *", "five fields"),
        ("0 0 8 * * *", "five fields"),
        ("@daily", "five fields"),
        ("", "five fields"),
        ("-1 8 * * *", "minute '-1'"),
        ("1.5 8 * * *", "minute '1.5'"),
        (", 8 * * *", "minute ''"),
        ("0 8 * * ,", "weekday ''"),
        ("٣ 8 * * *", "minute '٣'"),
        ("0 " * 200, "five fields"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_write(expression: str, says: str) -> None:
    problem = validate_cron(expression, "UTC")
    assert problem is not None
    assert says in problem


@pytest.mark.parametrize(
    "zone", ["Europe/Zürich", "Mars/Olympus", "", "/etc/passwd", "../UTC", "Europe", "x" * 5_000, "\x00"]
)
def test_an_unknown_zone_is_refused(zone: str) -> None:
    problem = validate_cron("0 8 * * *", zone)
    assert problem is not None
    assert "IANA" in problem
    assert len(problem) < 200


def test_a_schedule_with_a_bad_cron_is_refused() -> None:
    with pytest.raises(ValueError, match="is a number"):
        ScheduleTimes(cron("0 8 * * 1"))
