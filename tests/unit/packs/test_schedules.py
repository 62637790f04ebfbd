"""Schedules: one reading each, whatever library computes the times."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.rules import Cron
from tests.unit.packs.packs import base, codes


def schedule_text(body: str) -> str:
    return f"pack: shop\nschedules:\n  - {{schedule: s, {body}}}\n"


def test_an_interval_counts_from_the_epoch_or_from_a_moment(tmp_path: Path) -> None:
    made = base(tmp_path, schedule_text("every: 6h")).schedules[0]
    assert (made.name, made.local_name, made.every_ms, made.from_ms) == ("shop.s", "s", 21_600_000, 0)
    assert made.missed == "latest"
    later = base(tmp_path, schedule_text("every: 6h, from: 2027-01-15T08:00:00Z, missed: all")).schedules[0]
    assert (later.from_ms, later.missed) == (1_800_000_000_000, "all")


@pytest.mark.parametrize("text", ["0 8 * * mon-fri", "cron 0 8 * * mon-fri", "CRON  0 8 * *  MON-FRI"])
def test_a_cron_text_may_begin_with_its_word(tmp_path: Path, text: str) -> None:
    made = base(tmp_path, schedule_text(f'cron: "{text}", timezone: Europe/Zurich')).schedules[0]
    assert made.cron == Cron("0 8 * * mon-fri", "Europe/Zurich")


def test_a_window_opens_and_closes_in_its_zone(tmp_path: Path) -> None:
    body = 'window: {open: "cron 0 8 * * *", close: "cron 0 18 * * *", timezone: Asia/Tokyo}'
    made = base(tmp_path, schedule_text(body)).schedules[0]
    assert (made.open, made.close) == (Cron("0 8 * * *", "Asia/Tokyo"), Cron("0 18 * * *", "Asia/Tokyo"))
    assert made.cron is None
    assert made.every_ms is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('cron: "0 8 * * 1"', "E501"),
        ('cron: "0 8 1 * mon"', "E501"),
        ('cron: "0 8 31 2 *"', "E501"),
        ('cron: "0 8 * *"', "E501"),
        ('cron: "* * * * *", timezone: Mars/Base', "E502"),
        ('cron: "* * * * *", timezone: ../../etc/passwd', "E502"),
        ("missed: all", "E506"),
        ("every: 1h, timezone: UTC", "E507"),
        ("every: 1h, window: {}", "E306"),
        ("every: 1ms", "E508"),
        ("every: 1h, missed: maybe", "E303"),
        ('window: {open: "0 8 * * *"}', "E302"),
        ('window: {open: "0 8 * * *", close: "0 8 * * *"}', "E509"),
    ],
)
def test_a_schedule_that_could_be_read_two_ways_is_refused(tmp_path: Path, body: str, code: str) -> None:
    assert codes(tmp_path, schedule_text(body)) == [code]


def test_local_names_are_unique_over_all_packs(tmp_path: Path) -> None:
    other = schedule_text("every: 1h").replace("pack: shop", "pack: other")
    assert codes(tmp_path, schedule_text("every: 1h"), other) == ["E510"]


def test_a_window_is_named_by_rules_and_must_open(tmp_path: Path) -> None:
    text = """
    pack: shop
    kinds:
      order: {key: [id], ttl: 1m, fields: {id: id}}
    schedules:
      - {schedule: day, window: {open: "0 8 * * *", close: "0 18 * * *"}}
      - {schedule: tick, every: 1h}
    rules:
      - rule: r
        when:
          - order: o
        window: day
        then:
          - command: log.note
      - rule: on-tick
        when:
          - schedule: s
            where: s.name == "tick"
        then:
          - command: log.note
    """
    assert [rule.window for rule in base(tmp_path, text).rules] == [None, "shop.day"]
    assert codes(tmp_path, text.replace("window: day", "window: tick")) == ["E352"]
    assert codes(tmp_path, text.replace("window: day", "window: night")) == ["E352"]
    assert codes(tmp_path, text.replace('"tick"', '"tock"')) == ["E352"]
