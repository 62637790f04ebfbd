"""The reference by small stories: claims, tombstones, blocks and reports."""

from __future__ import annotations

from engine.limits import REORG_MEMORY_MS, TOMBSTONE_MS
from engine.model.kinds import Value
from tests.support.reference import (
    Advance,
    Assert,
    Reorg,
    Report,
    Result,
)
from tests.unit.reference.story import (
    Story,
    open_job,
)


def test_a_claim_lives_through_its_ttl_and_is_gone_a_millisecond_later() -> None:
    story = Story().says(1000, "net", id="e", height=1, fee=1).tell(Advance(31_001))
    assert len(story.facts("net")) == 1
    assert story.tell(Advance(31_002)).facts("net") == []


def test_an_older_height_is_superseded_until_the_newer_is_past_its_ttl() -> None:
    story = Story().says(1000, "net", id="e", height=5, fee=1).says(31_000, "net", id="e", height=4, fee=2)
    assert story.facts("net") == [("e", 5, 1)]
    assert story.says(31_001, "net", id="e", height=4, fee=2).facts("net") == [("e", 4, 2)]


def test_equal_order_with_other_values_lets_the_later_entry_win() -> None:
    story = Story().says(1000, "net", id="e", height=5, fee=1).says(2000, "net", id="e", height=5, fee=2)
    assert story.facts("net") == [("e", 5, 2)]


def test_the_same_again_renews_age_and_nothing_else() -> None:
    story = Story(open_job()).job(1000).says(2000, "job", observed_at=500, id="a", owner="o", n=0, state="open")
    assert [f.observed_at for f in story.engine.facts() if f.kind == "job"] == [1000]
    story.job(3000)
    assert [f.observed_at for f in story.engine.facts() if f.kind == "job"] == [3000]
    assert story.times == [1000]


def test_a_tombstone_keeps_a_late_duplicate_away_for_an_hour() -> None:
    story = Story().job(1000).takes_back(2000, "job", "a")
    again: dict[str, Value] = {"id": "a", "owner": "o", "n": 0, "state": "open"}
    hour = 2000 + TOMBSTONE_MS
    assert story.tell(Assert(hour, 1, "job", "s", again, observed_at=1000)).facts("job") == []
    assert story.tell(Assert(hour + 1, 1, "job", "s", again, observed_at=1000)).facts("job") != []


def test_an_older_retraction_is_superseded() -> None:
    assert Story().job(2000).takes_back(3000, "job", "a", observed_at=1999).facts("job") != []


def test_a_fact_may_return_in_the_very_instant_it_was_taken_back() -> None:
    assert Story().job(1000).takes_back(2000, "job", "a").job(2000).facts("job") != []


def test_when_the_newest_claim_goes_the_next_becomes_the_fact() -> None:
    story = Story().says(1000, "rate", source="x", id="k", height=1, n=5)
    story.says(2000, "rate", source="y", id="k", height=2, n=6)
    assert story.facts("rate") == [("k", 2, 6)]
    assert story.takes_back(3000, "rate", "k", source="y").facts("rate") == [("k", 1, 5)]
    assert story.until(61_001).facts("rate") == []


def test_a_reorganisation_takes_what_stood_on_the_block_and_refuses_it_for_a_day() -> None:
    story = (
        Story().says(1000, "seen", tx="t", network="e", block="b1").says(1000, "seen", tx="u", network="f", block="b1")
    )
    story.tell(Reorg(2000, 9, "s", "e", removed=("b1",)))
    assert story.facts("seen") == [("u", "f", "b1")]
    day = 2000 + REORG_MEMORY_MS
    assert len(story.says(day, "seen", tx="t", network="e", block="b1").facts("seen")) == 1
    assert len(story.says(day + 1, "seen", tx="t", network="e", block="b1").facts("seen")) == 2


def test_a_block_that_returns_is_taken_again() -> None:
    story = Story().tell(Reorg(1000, 1, "s", "e", removed=("b1",)), Reorg(2000, 1, "s", "e", added=("b1",)))
    assert story.says(3000, "seen", tx="t", network="e", block="b1").facts("seen") != []


def test_an_event_is_immutable() -> None:
    story = (
        Story().says(1000, "seen", tx="t", network="e", block=None).says(2000, "seen", tx="t", network="f", block=None)
    )
    assert story.facts("seen") == [("t", "e", None)]


def status(story: Story) -> list[Value]:
    return [values[-2] for values in story.facts("command")]


def test_the_first_final_report_stands() -> None:
    story = Story(open_job()).job(1000).tell(Result(2000, 1, 0, "sent"))
    assert status(story) == ["sent"]
    story.tell(Report(3000, 1, "x", 0, "submitted"), Result(3001, 1, 0, "sent"))
    assert status(story) == ["submitted"]
    story.tell(Report(4000, 1, "x", 0, "done"), Report(5000, 1, "x", 0, "failed"))
    assert status(story) == ["done"]


def test_dispatch_that_knows_nothing_does_not_overrule_a_report() -> None:
    story = Story(open_job()).job(1000).tell(Result(2000, 1, 0, "sent"), Report(3000, 1, "x", 0, "submitted"))
    assert status(story.tell(Result(4000, 1, 0, "unknown"))) == ["submitted"]
    assert status(story.tell(Report(5000, 1, "x", 0, "unknown"))) == ["unknown"]
    assert status(story.tell(Report(6000, 1, "x", 0, "submitted"))) == ["submitted"]
