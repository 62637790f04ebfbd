"""Schedules and windows: occurrences, what is missed, and local times that come twice or not at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.integration.language.conftest import MakeDaemon, MakeWorld
from tests.integration.language.shop import pack, rule
from tests.support.world import START

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
TICK = rule("tick", '- schedule: s\n  where: s.name == "t"', "- command: log.tick\n  with: {at: =s.at, now: =now}")


def schedules(*lines: str) -> str:
    """The schedule `t`."""
    return "\n".join(["schedules:", "  - schedule: t", *(f"    {line}" for line in lines)])


def ms(text: str) -> int:
    """An instant in UTC, since START."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000 - START


def test_every_counts_from_the_unix_epoch_and_fires_at_the_nominal_time(world: MakeWorld) -> None:
    w = world(pack(TICK, more=schedules("every: 6h")))
    for hour in range(1, 11):
        w.until(hour * HOUR)
        w.until(hour * HOUR + 1)
    assert [at for at, _ in w.fired()] == [4 * HOUR, 10 * HOUR]
    assert w.told()[0][2] == {"at": START + 4 * HOUR, "now": START + 4 * HOUR}


def test_every_may_count_from_an_instant_of_ones_own(world: MakeWorld) -> None:
    w = world(pack(TICK, more=schedules("every: 10m", "from: 2027-01-15T08:03:00Z")))
    for minute in range(1, 25):
        w.until(minute * MINUTE + 1)
    assert [at for at, _ in w.fired()] == [3 * MINUTE, 13 * MINUTE, 23 * MINUTE]


@pytest.mark.parametrize(
    ("missed", "jump", "fires"),
    [
        ("latest", 30 * HOUR, [28]),
        ("skip", 30 * HOUR, []),
        ("all", 30 * HOUR, [4, 10, 16, 22, 28]),
        # Passed by a minute and not more, the last one is not missed.
        ("latest", 28 * HOUR + MINUTE, [22, 28]),
        ("skip", 28 * HOUR + MINUTE, [28]),
        ("skip", 28 * HOUR + MINUTE + 1, []),
        ("latest", 28 * HOUR + MINUTE + 1, [28]),
    ],
)
def test_a_jump_of_time_misses_what_it_passes_by_more_than_a_minute(
    world: MakeWorld, missed: str, jump: int, fires: list[int]
) -> None:
    w = world(pack(TICK, more=schedules("every: 6h", f"missed: {missed}")))
    w.until(1)
    w.until(jump)
    w.until(jump + 1)
    assert [at for at, _ in w.fired()] == [hour * HOUR for hour in fires]


def test_latest_is_what_a_schedule_does_that_says_nothing(world: MakeWorld) -> None:
    w = world(pack(TICK, more=schedules("every: 1h")))
    w.until(9 * HOUR + 30 * MINUTE)
    assert [at for at, _ in w.fired()] == [9 * HOUR]


def test_a_cron_schedule_follows_the_local_clock(world: MakeWorld) -> None:
    w = world(pack(TICK, more=schedules('cron: "30 9 * * mon-fri"', "timezone: Europe/Zurich", "missed: all")))
    # 09:30 in Zurich is 08:30 UTC in winter: Friday, then Monday.
    for at in range(0, 4 * DAY, 2 * HOUR):
        w.until(at + 1)
    assert [at for at, _ in w.fired()] == [30 * MINUTE, 3 * DAY + 30 * MINUTE]


def test_a_local_time_that_does_not_exist_is_shifted_and_one_that_comes_twice_counts_once(world: MakeWorld) -> None:
    w = world(pack(TICK, more=schedules('cron: "30 2 * * *"', "timezone: Europe/Zurich", "missed: all")))
    w.until(ms("2027-03-26T12:00:00"))
    before = len(w.commands())
    w.until(ms("2027-03-29T12:00:00"))
    spring = [at for at, _ in w.fired()][before:]
    # 02:30 winter time, then 28 March has no 02:30: it is 03:30 summer time, then 02:30 summer time.
    assert spring == [ms("2027-03-27T01:30:00"), ms("2027-03-28T01:30:00"), ms("2027-03-29T00:30:00")]
    w.until(ms("2027-10-30T12:00:00"))
    before = len(w.commands())
    w.until(ms("2027-11-01T12:00:00"))
    autumn = [at for at, _ in w.fired()][before:]
    assert autumn == [ms("2027-10-31T00:30:00"), ms("2027-11-01T01:30:00")]


def test_a_window_is_half_open_and_moves_with_summer_time(world: MakeWorld) -> None:
    window = ["window: {open: cron 0 8 * * mon-fri, close: cron 0 18 * * mon-fri, timezone: Europe/Zurich}"]
    w = world(pack(rule("r", "- net: n", more="window: t"), more=schedules(*window)))
    for day, opens in (("2027-03-26", "07:00"), ("2027-03-29", "06:00")):  # Friday in winter, Monday in summer
        closes = f"{int(opens[:2]) + 10}:00"
        start, end = ms(f"{day}T{opens}:00"), ms(f"{day}T{closes}:00")
        for at in (start - 1, start, end - 1, end):
            w.say(at, "net", id=f"n{at}", fee="1")
            w.retract(at, "net", id=f"n{at}")
    fired = [at for at, _ in w.fired()]
    friday, monday = ms("2027-03-26T07:00:00"), ms("2027-03-29T06:00:00")
    assert fired == [friday, friday + 10 * HOUR - 1, monday, monday + 10 * HOUR - 1]


def test_what_waits_for_a_window_fires_at_the_instant_it_opens(world: MakeWorld) -> None:
    window = ["window: {open: 0 10 * * *, close: 0 11 * * *}"]
    w = world(
        pack(
            rule("r", "- order: n", "- conclude: alert\n  with: {id: =n.id}", more="window: t"),
            more=schedules(*window),
        )
    )
    w.say(0, "order", id="e")
    w.until(2 * HOUR)
    assert w.facts("alert") == []
    w.until(2 * HOUR + 1)
    assert [f["id"] for f in w.facts("alert")] == ["e"]
    w.until(3 * HOUR)
    assert [f["id"] for f in w.facts("alert")] == ["e"]
    w.until(3 * HOUR + 1)
    assert w.facts("alert") == []
    w.until(3 * DAY)
    assert [at for at, _ in w.events("fired")] == [2 * HOUR, DAY + 2 * HOUR, 2 * DAY + 2 * HOUR]
    assert [at for at, _ in w.events("ended")] == [3 * HOUR, DAY + 3 * HOUR, 2 * DAY + 3 * HOUR]


def test_a_window_on_the_night_clocks_go_back_is_open_an_hour_longer(world: MakeWorld) -> None:
    window = ["window: {open: 0 1 * * *, close: 0 4 * * *, timezone: Europe/Zurich}"]
    w = world(pack(rule("r", "- net: n", more="window: t"), more=schedules(*window)))
    for text in ("2027-10-30T22:59:59", "2027-10-30T23:00:00", "2027-10-31T02:59:59", "2027-10-31T03:00:00"):
        w.say(ms(text), "net", id=text, fee="1")
        w.retract(ms(text), "net", id=text)
    assert [at for at, _ in w.fired()] == [ms("2027-10-30T23:00:00"), ms("2027-10-31T02:59:59")]


def test_a_schedule_joins_facts_and_fires_for_each_of_them_at_each_occurrence(world: MakeWorld) -> None:
    when = '- schedule: s\n  where: s.name == "t"\n- net: n\n  where: n.fee <= 30'
    w = world(pack(rule("r", when, "- command: log.tick\n  with: {id: =n.id}"), more=schedules("every: 1h")))
    w.say(0, "net", id="a", fee="30")
    w.say(0, "net", id="b", fee="31")
    w.say(0, "net", id="c", fee="1")
    w.until(HOUR + 1)
    w.say(HOUR + 2, "net", id="b", fee="1")
    w.until(2 * HOUR + 1)
    assert [(at, args["id"]) for at, _, args in w.told()] == [
        (HOUR, "a"),
        (HOUR, "c"),
        (2 * HOUR, "a"),
        (2 * HOUR, "b"),
        (2 * HOUR, "c"),
    ]


def test_the_program_follows_schedules_by_the_ids_alone(daemon: MakeDaemon) -> None:
    w = daemon(pack(TICK, more=schedules("every: 10m", "missed: skip")))
    for minute in (2, 10, 11, 20):
        w.until(minute * MINUTE)
        w.until(minute * MINUTE + 1)
    assert w.fired() == [(10 * MINUTE, "log.tick"), (20 * MINUTE, "log.tick")]
