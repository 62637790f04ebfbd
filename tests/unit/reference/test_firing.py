"""The reference by small stories: when a rule fires, fires again, and ends."""

from __future__ import annotations

from engine.model.kinds import ENGINE_KINDS
from engine.model.rules import Cron, Once, Pattern, Repeat, Schedule, Throttle
from tests.support import ir
from tests.support.ir import asserts, cmp, command, concludes, pattern, ref, rule, without
from tests.support.reference import (
    Advance,
    Assert,
    CommandMade,
    Resume,
)
from tests.support.reference.settle import Limits
from tests.support.reference.steps import Entry
from tests.unit.reference.story import (
    JOB,
    JOB_ID,
    LEVEL,
    NOTE,
    OPEN,
    Story,
    open_job,
)


def test_a_rule_fires_when_its_match_begins_to_hold_and_again_only_after_it_stopped() -> None:
    story = Story(open_job()).job(1000).job(2000, n=1).job(3000, state="closed").job(4000)
    assert story.log == [(1000, "r", 1), (4000, "r", 1)]
    assert story.ended == [(3000, "r")]


def test_for_fires_once_it_held_that_long_and_after_the_entries_of_that_instant() -> None:
    story = Story(open_job(for_ms=12_000)).job(1000)
    story.tell(Advance(13_000))
    assert story.log == []
    story.tell(Advance(13_001))
    assert story.log == [(13_000, "r", 1)]
    late = Story(open_job(for_ms=12_000)).job(1000).job(13_000, state="closed").until(20_000)
    assert late.log == []


def test_for_counts_anew_after_a_gap() -> None:
    story = Story(open_job(for_ms=12_000)).job(1000).job(5000, state="closed").job(5000).until(60_000)
    assert story.log == [(17_000, "r", 1)]


def test_per_groups_hold_on_while_some_match_does() -> None:
    owner = ref(JOB, "j", "owner")
    story = Story(open_job(per=owner, for_ms=10_000)).job(1000, "a").job(5000, "b").job(6000, "a", state="closed")
    story.until(20_000)
    assert story.log == [(11_000, "r", 1)]
    assert story.firings[0].group == ("per", "o")
    assert story.firings[0].match == (("job", ("b",)),)


def test_a_per_group_fires_with_its_best_match() -> None:
    story = Story(open_job(per=ref(JOB, "j", "owner"), for_ms=1000, priority=ref(JOB, "j", "n")))
    story.job(1000, "a", n=1).job(1001, "b", n=5).job(1002, "c", n=5).until(9000)
    assert [f.match for f in story.firings] == [((("job", ("b",)),))]


def test_once_is_forgotten_after_keep_and_not_at_it() -> None:
    once = Once(ref(JOB, "j", "owner"), "p.m", 10_000)
    story = Story(open_job(once=once)).job(1000, "a").job(11_000, "b").job(11_001, "c")
    assert story.times == [1000, 11_001]
    assert story.ended == []
    assert story.job(12_000, "b", state="closed").ended == []


def test_throttle_fires_at_the_first_instant_allowed_if_it_still_holds() -> None:
    story = Story(open_job(throttle=Throttle(None, 30_000)))
    story.job(1000, "a").job(2000, "b").job(3000, "c").job(4000, "b", state="closed").job(5000, "d").until(200_000)
    assert [(f.match[0][1][0], at) for f, at in zip(story.firings, story.times, strict=True)] == [
        ("a", 1000),
        ("c", 31_000),
        ("d", 61_000),
    ]


def test_repeats_come_at_their_nominal_times_and_then_it_is_exhausted() -> None:
    story = Story(open_job(repeat=Repeat(15_000, 2), exhausted=(command("give_up"),)))
    story.job(1000).until(15_999).job(16_000, "a", n=3).until(200_000)
    assert story.log == [(1000, "r", 1), (16_000, "r", 2), (31_000, "r", 3), (46_000, "r", 3)]
    assert [f.is_exhausted for f in story.firings] == [False, False, False, True]
    assert len({f.activation_id for f in story.firings}) == 1
    assert (
        len({effect.command_id for f in story.firings for effect in f.effects if isinstance(effect, CommandMade)}) == 4
    )


def test_repeats_end_when_it_no_longer_holds() -> None:
    story = Story(open_job(repeat=Repeat(15_000, 5))).job(1000).job(16_000, state="closed").until(99_000)
    assert story.times == [1000]


def test_ended_reads_the_last_values_for_which_it_held() -> None:
    note = asserts(NOTE, id=JOB_ID, n=ref(JOB, "j", "n"))
    story = Story(open_job(ended=(note,))).job(1000, n=1).job(2000, n=2).job(3000, n=3, state="closed")
    assert story.facts("note") == [("a", 2)]


def test_a_group_that_never_fired_ends_without_a_word() -> None:
    story = Story(open_job(for_ms=5000, ended=(asserts(NOTE, id=JOB_ID, n=1),))).job(1000).job(2000, state="closed")
    assert (story.ended, story.facts("note")) == ([], [])


def test_what_a_firing_makes_false_does_not_fire() -> None:
    silent = without(NOTE, "x", cmp(ref(NOTE, "x", "id"), "==", "done"))
    first = rule("a", [pattern(JOB, "j", OPEN)], [asserts(NOTE, id="done", n=1)])
    second = rule("b", [pattern(JOB, "j", OPEN), silent], [command("go")])
    assert Story(first, second).job(1000).log == [(1000, "a", 1)]


def test_the_higher_priority_fires_first_then_the_name() -> None:
    rules = [rule(n, [pattern(JOB, "j", OPEN)], [command(n)], priority=ir.const(p)) for n, p in zip("abc", (1, 2, 2))]  # noqa: B905
    assert [name for _, name, _ in Story(*rules).job(1000).log] == ["b", "c", "a"]


def test_fresh_holds_at_thirty_seconds_and_is_gone_a_millisecond_later() -> None:
    fresh = rule("r", [Pattern("j", JOB, (), ir.SPAN, fresh_ms=30_000)], [command("go")])
    story = Story(fresh).job(1000)
    story.tell(Advance(31_001))
    assert story.ended == []
    story.tell(Advance(31_002))
    assert story.ended == [(31_001, "r")]


def test_a_renewal_at_the_flip_itself_leaves_no_gap() -> None:
    fresh = rule("r", [Pattern("j", JOB, (), ir.SPAN, fresh_ms=30_000)], [command("go")])
    story = Story(fresh).job(1000).says(31_001, "note", id="x", n=1).job(31_001)
    assert (story.times, story.ended) == ([1000], [])


def test_time_tests_flip_at_their_instants() -> None:
    n = ref(JOB, "j", "n")
    rules = [rule(name, [pattern(JOB, "j", ir.time_test(op, n))], [command("x")]) for name, op in OPERATORS.items()]
    story = Story(*rules).job(1000, n=5000).until(10_000)
    assert story.log == [(1000, "le", 1), (1000, "lt", 1), (5000, "ge", 1), (5001, "gt", 1)]
    assert story.ended == [(5000, "lt"), (5001, "le")]


OPERATORS = {"lt": "<", "le": "<=", "ge": ">=", "gt": ">"}


def test_an_entry_sees_a_flip_of_its_own_instant_if_it_changes_what_the_match_reads() -> None:
    at_five = [pattern(JOB, "j", ir.time_test(">=", 5000), cmp(ref(JOB, "j", "n"), ">=", 0))]
    late = rule("r", at_five, [command("go")])
    story = Story(late).job(1000).job(5000, n=1)
    assert story.times == [5000]
    other = Story(late).job(1000).job(5000, "b", n=1)
    assert [f.match for f in other.firings] == [(("job", ("b",)),)]
    assert [f.match for f in other.until(5000).firings] == [(("job", ("b",)),), (("job", ("a",)),)]


def test_a_window_is_half_open() -> None:
    hours = Schedule("p.hours", "hours", ir.SPAN, open=Cron("10000", "UTC"), close=Cron("20000", "UTC"))
    story = Story(open_job(window="p.hours"), hours=hours).job(1000).until(9999)
    assert story.times == []
    story.until(10_000)
    assert story.times == [10_000]
    story.until(19_999)
    assert story.ended == []
    story.until(20_000)
    assert story.ended == [(20_000, "r")]


def test_a_rule_fires_at_each_occurrence_of_a_schedule() -> None:
    schedule = ENGINE_KINDS["schedule"]
    tick = Schedule("p.tick", "tick", ir.SPAN, every_ms=7000)
    terms = [pattern(schedule, "s", cmp(ref(schedule, "s", "name"), "==", "tick"))]
    story = Story(rule("r", terms, [command("go")]), tick=tick).until(21_000)
    assert story.times == [7000, 14_000, 21_000]


def test_missed_occurrences_run_once_all_or_not_at_all() -> None:
    schedule = ENGINE_KINDS["schedule"]
    seen = {}
    for missed in ("latest", "all", "skip"):
        tick = Schedule("p.tick", "tick", ir.SPAN, every_ms=40_000, from_ms=40_000, missed=missed)
        seen[missed] = (
            Story(rule("r", [pattern(schedule, "s")], [command("go")]), tick=tick).tell(Advance(200_000)).times
        )
    assert seen["latest"] == [120_000, 160_000]
    assert seen["all"] == [40_000, 80_000, 120_000, 160_000]
    assert seen["skip"] == [160_000]


def test_a_run_away_chain_is_cut_and_its_rules_are_suspended() -> None:
    low = cmp(ref(NOTE, "x", "n"), "==", 0)
    high = cmp(ref(NOTE, "x", "n"), "==", 1)
    up = rule("up", [pattern(NOTE, "x", low)], [asserts(NOTE, id="x", n=1)])
    down = rule("down", [pattern(NOTE, "x", high)], [asserts(NOTE, id="x", n=0)])
    bystander = rule("by", [pattern(NOTE, "x")], [command("go")])
    story = Story(up, down, bystander, limits=Limits(depth=10)).says(1000, "note", id="x", n=0)
    assert story.suspended == ["p.down", "p.up"]
    assert story.log == [(1000, "by", 1)]
    assert story.facts("note") == [("x", 0)]
    assert story.says(2000, "note", id="x", n=1).log == [(1000, "by", 1)]


def test_a_suspended_rule_is_judged_on_and_fires_what_it_held_back_when_it_is_resumed() -> None:
    up = rule("up", [pattern(NOTE, "x", cmp(ref(NOTE, "x", "n"), "==", 0))], [asserts(NOTE, id="x", n=1)])
    down = rule("down", [pattern(NOTE, "x", cmp(ref(NOTE, "x", "n"), "==", 1))], [asserts(NOTE, id="x", n=0)])
    story = Story(up, down, limits=Limits(depth=10)).says(1000, "note", id="x", n=0)
    story.tell(Resume(2000, 1, "p.up"))
    assert story.log == [(2000, "up", 1)]
    assert story.ended == [(2000, "up")]
    assert [g.rule for g in story.engine.groups()] == ["p.down"]


def test_conclusions_that_follow_each_other_without_end_are_cut() -> None:
    n = ir.arith(ref(LEVEL, "x", "n"), "+", 1)
    seed = rule("seed", [pattern(JOB, "j", OPEN)], [concludes(LEVEL, id="x", n=0)])
    up = rule("up", [pattern(LEVEL, "x", cmp(ref(LEVEL, "x", "id"), "==", "x"))], [concludes(LEVEL, id="y", n=n)])
    down = rule("back", [pattern(LEVEL, "x", cmp(ref(LEVEL, "x", "id"), "==", "y"))], [concludes(LEVEL, id="x", n=n)])
    story = Story(seed, up, down, limits=Limits(depth=10)).job(1000)
    assert story.suspended == ["p.up"]
    assert story.facts("level") == [("x", 0)]


def test_ids_depend_on_the_cause_and_the_place_in_the_decision_alone() -> None:
    entries: list[Entry] = [
        Assert(1000, 7, "job", "s", {"id": i, "owner": "o", "n": 0, "state": "open"}) for i in ("a", "b")
    ]
    runs = [Story(open_job()).tell(*entries).firings for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0][0].activation_id == "iaidniq24zbn4becmhchjvwniu"
    assert len({f.activation_id for f in runs[0]}) == 2
