import asyncio
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger

from engine import clock
from engine.model.rules import Cron, Schedule, Span
from engine.runtime.schedule_times import ScheduleTimes
from engine.runtime.timers import AlarmClock

SPAN = Span("p.yaml", 1, 1)
ZURICH = "Europe/Zurich"
HOUR = 3_600_000


def cron(expression: str, zone: str = ZURICH) -> Schedule:
    return Schedule("p.s", "s", SPAN, cron=Cron(expression, zone))


def window(opens: str, closes: str, zone: str = ZURICH) -> ScheduleTimes:
    return ScheduleTimes(Schedule("p.w", "w", SPAN, open=Cron(opens, zone), close=Cron(closes, zone)))


def interval(every_ms: int, from_ms: int = 0) -> ScheduleTimes:
    return ScheduleTimes(Schedule("p.i", "i", SPAN, every_ms=every_ms, from_ms=from_ms))


def at(text: str) -> int:
    """Unix ms of a UTC time written as 2027-03-28 01:30."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def occurrences(times: ScheduleTimes, start: str, end: str) -> list[str]:
    found, ms = [], at(start) - 1
    while (next_ms := times.next_after(ms)) is not None and next_ms < at(end):
        assert next_ms > ms
        ms = next_ms
        found.append(datetime.fromtimestamp(ms // 1000, UTC).strftime("%d %H:%M"))
    return found


def test_an_interval_counts_from_the_epoch() -> None:
    times = interval(6 * HOUR)
    assert times.next_after(at("2027-01-15 08:00")) == at("2027-01-15 12:00")
    assert times.next_after(at("2027-01-15 12:00")) == at("2027-01-15 18:00")
    assert times.last_at_or_before(at("2027-01-15 12:00")) == at("2027-01-15 12:00")
    assert times.last_at_or_before(at("2027-01-15 12:00") - 1) == at("2027-01-15 06:00")


def test_an_interval_with_a_start_has_nothing_before_it() -> None:
    times = interval(1_000, from_ms=500)
    assert [times.next_after(ms) for ms in (0, 499, 500, 1_499, 1_500)] == [500, 500, 1_500, 1_500, 2_500]
    assert [times.last_at_or_before(ms) for ms in (0, 499, 500, 1_499, 1_500)] == [None, None, 500, 500, 1_500]


def test_a_cron_follows_the_zone_s_seasons() -> None:
    times = ScheduleTimes(cron("0 8 * * mon-fri"))
    assert occurrences(times, "2027-03-25 00:00", "2027-03-31 00:00") == [
        "25 07:00",
        "26 07:00",
        "29 06:00",
        "30 06:00",
    ]


def test_an_occurrence_is_strictly_after_and_also_the_last_at_its_own_instant() -> None:
    times = ScheduleTimes(cron("0 8 * * *", "UTC"))
    eight = at("2027-01-15 08:00")
    assert times.next_after(eight - 1) == eight
    assert times.next_after(eight) == at("2027-01-16 08:00")
    assert times.last_at_or_before(eight) == eight
    assert times.last_at_or_before(eight - 1) == at("2027-01-14 08:00")


def test_a_missing_local_time_fires_once_shifted() -> None:
    around = ("2027-03-27 12:00", "2027-03-29 12:00")
    assert occurrences(ScheduleTimes(cron("30 2 * * *")), *around) == ["28 01:30", "29 00:30"]
    local = datetime.fromtimestamp(at("2027-03-28 01:30") // 1000, ZoneInfo(ZURICH))
    assert local.strftime("%H:%M") == "03:30"


def test_a_missing_local_time_that_falls_on_another_occurrence_fires_once() -> None:
    around = ("2027-03-28 00:00", "2027-03-28 03:00")
    assert occurrences(ScheduleTimes(cron("15,45 2,3 * * *")), *around) == ["28 01:15", "28 01:45"]
    assert occurrences(ScheduleTimes(cron("45 2 * * *")), *around) == ["28 01:45"]
    assert occurrences(ScheduleTimes(cron("0 * * * *")), *around) == ["28 00:00", "28 01:00", "28 02:00"]


def test_a_missing_time_is_shifted_past_a_later_one_that_exists() -> None:
    # 02:45 becomes 03:45, after 03:15 (which exists) and after 02:15 (which becomes 03:15).
    times = ScheduleTimes(cron("15,45 2-3 * * *"))
    assert times.next_after(at("2027-03-28 01:15")) == at("2027-03-28 01:45")
    assert times.last_at_or_before(at("2027-03-28 01:44")) == at("2027-03-28 01:15")


def test_a_doubled_local_time_fires_the_first_time_only() -> None:
    around = ("2027-10-30 12:00", "2027-11-01 12:00")
    assert occurrences(ScheduleTimes(cron("30 2 * * *")), *around) == ["31 00:30", "01 01:30"]
    hourly = occurrences(ScheduleTimes(cron("0 * * * *")), "2027-10-30 23:00", "2027-10-31 03:30")
    assert hourly == ["30 23:00", "31 00:00", "31 02:00", "31 03:00"]


def test_the_next_of_a_doubled_time_is_found_from_within_the_second_pass() -> None:
    times = ScheduleTimes(cron("30 2 * * *"))
    for minute in ("00:30", "00:59", "01:00", "01:29", "01:30", "01:59", "02:00"):
        assert ScheduleTimes(cron("30 2 * * *")).next_after(at(f"2027-10-31 {minute}")) == at("2027-11-01 01:30")
        assert times.last_at_or_before(at(f"2027-10-31 {minute}")) == at("2027-10-31 00:30")


def test_left_to_itself_the_trigger_fires_doubled_times_twice() -> None:
    """Why the zone is applied here: when this fails, the library has changed and the correction can be looked at."""
    zone = ZoneInfo(ZURICH)
    trigger = CronTrigger.from_crontab("30 2 * * *", timezone=zone)
    first = trigger.get_next_fire_time(None, datetime(2027, 10, 30, 12, tzinfo=zone))
    second = trigger.get_next_fire_time(first, first)
    assert [t.astimezone(UTC).strftime("%d %H:%M") for t in (first, second)] == ["31 00:30", "31 01:30"]


@pytest.mark.parametrize("zone", ["Pacific/Apia", "Australia/Lord_Howe", "America/New_York", "Asia/Kathmandu", "UTC"])
@pytest.mark.parametrize("start", ["2011-12-28 00:00", "2027-03-13 00:00", "2027-04-03 00:00", "2027-10-02 00:00"])
def test_every_answer_is_the_same_whichever_instant_it_is_asked_from(zone: str, start: str) -> None:
    """Leaps of a day (Apia skipped 30 December 2011), of half an hour (Lord Howe), and none."""
    schedule = cron("20,50 */2 * * *", zone)
    end = at(start) + 4 * 24 * HOUR
    whole, ms = [], at(start)
    times = ScheduleTimes(schedule)
    while (ms := times.next_after(ms) or end) < end:
        whole.append(ms)
    assert whole == sorted(set(whole))
    for probe in range(at(start), whole[-1], 53 * 60_000):
        fresh = ScheduleTimes(schedule)
        assert fresh.next_after(probe) == next(t for t in whole if t > probe)
        earlier = [t for t in whole if t <= probe]
        if earlier:
            assert fresh.last_at_or_before(probe) == earlier[-1]


def test_a_skipped_day_fires_once_a_day_later() -> None:
    days = occurrences(ScheduleTimes(cron("0 12 * * *", "Pacific/Apia")), "2011-12-28 12:00", "2012-01-01 12:00")
    assert days == ["28 22:00", "29 22:00", "30 22:00", "31 22:00"]


def test_a_leap_day_is_found_across_eight_years() -> None:
    times = ScheduleTimes(cron("0 0 29 feb *", "UTC"))
    assert times.next_after(at("2096-03-01 00:00")) == at("2104-02-29 00:00")
    assert times.last_at_or_before(at("2104-02-28 00:00")) == at("2096-02-29 00:00")


def test_before_the_epoch_and_beyond_the_calendar_there_is_nothing() -> None:
    times = ScheduleTimes(cron("0 8 * * *", "UTC"))
    assert times.last_at_or_before(8 * HOUR - 1) is None
    assert times.last_at_or_before(8 * HOUR) == 8 * HOUR
    assert times.next_after(0) == 8 * HOUR
    assert times.next_after(2**53) is None
    assert times.next_after(at("9998-12-31 12:00")) is None


def test_business_hours_are_half_open() -> None:
    hours = window("0 8 * * mon-fri", "0 18 * * mon-fri")
    opens, closes = at("2027-01-15 07:00"), at("2027-01-15 17:00")  # a Friday, winter time
    assert [hours.is_open(t) for t in (opens - 1, opens, closes - 1, closes)] == [False, True, True, False]
    assert hours.next_change(opens - 1) == opens
    assert hours.next_change(opens) == closes
    assert hours.next_change(closes) == at("2027-01-18 07:00")


def test_a_window_occurs_when_it_opens() -> None:
    hours = window("0 8 * * mon-fri", "0 18 * * mon-fri")
    friday, monday = at("2027-01-15 07:00"), at("2027-01-18 07:00")
    assert hours.next_after(friday - 1) == friday
    assert hours.next_after(friday) == monday
    assert hours.next_after(at("2027-01-16 12:00")) == monday
    assert hours.last_at_or_before(friday) == friday
    assert hours.last_at_or_before(monday - 1) == friday
    assert hours.last_at_or_before(friday - 1) == at("2027-01-14 07:00")


def test_a_window_may_span_midnight_and_the_change_of_season() -> None:
    night = window("0 22 * * *", "30 2 * * *")
    assert night.is_open(at("2027-03-28 00:59"))
    assert night.next_change(at("2027-03-28 00:00")) == at("2027-03-28 01:30")  # 02:30 is shifted to 03:30
    assert night.next_change(at("2027-10-30 23:00")) == at("2027-10-31 00:30")  # the first 02:30


def test_of_several_opens_and_closes_the_last_before_the_other_counts() -> None:
    odd = window("0 8,9 * * *", "0 17,18 * * *", "UTC")
    hour = {h: at(f"2027-01-15 {h:02}:00") for h in (7, 8, 9, 17, 18)}
    assert [odd.is_open(hour[h]) for h in (7, 8, 9, 17, 18)] == [False, False, True, True, False]
    assert odd.next_change(hour[7]) == hour[9]
    assert odd.next_change(hour[9]) == hour[18]
    assert odd.next_after(hour[7]) == hour[9]
    assert odd.last_at_or_before(hour[8]) == at("2027-01-14 09:00")


def test_a_window_that_opens_and_closes_at_once_never_opens() -> None:
    never = window("0 8 * * *", "0 8 * * *", "UTC")
    assert not never.is_open(at("2027-01-15 08:00"))
    assert never.next_change(at("2027-01-15 07:00")) is None
    assert never.next_after(at("2027-01-15 07:00")) is None
    assert never.last_at_or_before(at("2027-01-15 09:00")) is None


def test_changes_and_openness_agree_over_a_month() -> None:
    hours = window("0 8 * * mon-fri", "30 17 * * mon-thu")
    ms = at("2027-03-10 00:00")
    was = hours.is_open(ms)
    for _ in range(20):
        change = hours.next_change(ms)
        assert change is not None
        fresh = window("0 8 * * mon-fri", "30 17 * * mon-thu")
        assert fresh.is_open(change - 1) is was
        assert fresh.is_open(change) is not was
        was, ms = not was, change


def test_only_windows_are_open_or_closed() -> None:
    with pytest.raises(ValueError, match="not a window"):
        interval(1_000).is_open(0)
    with pytest.raises(ValueError, match="not a window"):
        ScheduleTimes(cron("0 8 * * *")).next_change(0)


def test_asking_again_before_the_next_change_is_cheap() -> None:
    hours = window("0 8 * * mon-fri", "0 18 * * mon-fri")
    start = at("2027-01-15 07:00")
    began = time.perf_counter()
    for ms in range(start, start + 100_000):
        assert hours.is_open(ms)
        assert hours.next_change(ms) == start + 10 * HOUR
    assert time.perf_counter() - began < 2


async def test_the_alarm_rings_at_its_time_and_not_before() -> None:
    alarm = AlarmClock()
    alarm.start()
    due = clock.wall_ms() + 60
    alarm.arm(due)
    assert alarm.armed_ms == due
    await asyncio.wait_for(alarm.rang.wait(), 5)
    assert clock.wall_ms() >= due
    assert alarm.armed_ms is None
    alarm.stop()


async def test_an_alarm_in_the_past_rings_at_once() -> None:
    alarm = AlarmClock()
    alarm.start()
    alarm.arm(1_000)
    await asyncio.wait_for(alarm.rang.wait(), 5)
    assert alarm.armed_ms is None
    alarm.stop()


async def test_the_alarm_is_moved_to_the_head_and_back_and_taken_away() -> None:
    alarm = AlarmClock()
    alarm.start()
    alarm.arm(clock.wall_ms() + HOUR)
    alarm.arm(clock.wall_ms() + 20)
    await asyncio.wait_for(alarm.rang.wait(), 5)
    alarm.rang.clear()
    alarm.arm(clock.wall_ms() + 100)
    alarm.arm(clock.wall_ms() + HOUR)
    other = asyncio.Event()
    alarm.every("sweep", 100, other.set)
    await asyncio.wait_for(other.wait(), 5)
    assert not alarm.rang.is_set()
    alarm.arm(None)
    assert alarm.armed_ms is None
    alarm.arm(clock.wall_ms())
    await asyncio.wait_for(alarm.rang.wait(), 5)
    alarm.stop()


async def test_calls_at_intervals_repeat_on_the_loop_until_stopped() -> None:
    alarm = AlarmClock()
    loop = asyncio.get_running_loop()
    rounds: list[asyncio.AbstractEventLoop] = []
    twice = asyncio.Event()

    def wake() -> None:
        rounds.append(asyncio.get_running_loop())
        if len(rounds) == 2:
            twice.set()

    alarm.every("poll", 100, wake)
    alarm.start()
    await asyncio.wait_for(twice.wait(), 10)
    alarm.stop()
    assert rounds == [loop, loop]


async def test_an_alarm_far_beyond_the_calendar_is_only_far() -> None:
    alarm = AlarmClock()
    alarm.start()
    alarm.arm(2**62)
    assert alarm.armed_ms == 2**62
    alarm.arm(None)
    alarm.arm(None)
    alarm.stop()
