"""Small stories with exact times, so that the reference itself can be trusted."""

from __future__ import annotations

from engine.limits import REORG_MEMORY_MS, TOMBSTONE_MS
from engine.model import expr as x
from engine.model.kinds import ENGINE_KINDS, Value
from engine.model.rules import Cron, Effect, ForDistinct, Let, Once, Pattern, Repeat, Rule, RuleBase, Schedule, Throttle
from tests.support import ir
from tests.support.ir import aggregate, asserts, best, cmp, command, concludes, latest, pattern, ref, rule, without
from tests.support.reference import (
    Advance,
    Assert,
    CommandMade,
    FactConcluded,
    Firing,
    ReferenceEngine,
    Reorg,
    Report,
    Result,
    Resume,
    Retract,
    Step,
)
from tests.support.reference.settle import Limits
from tests.support.reference.steps import Entry

JOB = ir.kind("job", "id", "id:id owner:id n:int state:open|closed", permanent=True, limit=100)
NET = ir.kind("net", "id", "id:id height:int fee:wei", order=("height",), ttl_ms=30_000)
RATE = ir.kind("rate", "id", "id:id height:int n:int", order=("height",), per_source=True, ttl_ms=60_000)
SEEN = ir.kind(
    "seen",
    "tx",
    "tx:id network:id block:hash?",
    event=True,
    ttl_ms=10 * REORG_MEMORY_MS,
    chain_network="network",
    chain_block="block",
)
RISK = ir.kind("risk", "id", "id:id why:text", concluded=True, permanent=True, limit=100)
NOTE = ir.kind("note", "id", "id:id n:int", permanent=True, limit=100)
LEVEL = ir.kind("level", "id", "id:id n:int", concluded=True, permanent=True, limit=100)
KINDS = (JOB, NET, RATE, SEEN, RISK, NOTE, LEVEL)

OPEN = cmp(ref(JOB, "j", "state"), "==", "open")
JOB_ID = ref(JOB, "j", "id")


class Story:
    """A rule base being told a history; entries get their place in it by themselves."""

    def __init__(self, *rules: Rule, limits: Limits | None = None, **more: Schedule) -> None:
        self.engine = ReferenceEngine(base(*rules, **more), limits=limits, next_fire=every_minute)
        self.log: list[tuple[int, str, int]] = []
        self.firings: list[Firing] = []
        self.ended: list[tuple[int, str]] = []
        self.suspended: list[str] = []
        self.seq = 0

    def tell(self, *steps: Step) -> Story:
        for step in steps:
            for d in self.engine.step(step).decisions:
                self.firings += d.firings
                self.log += [(d.now, f.rule[2:], f.attempt) for f in d.firings]
                self.ended += [(d.now, e.rule[2:]) for e in d.ended]
                self.suspended += d.suspended
        return self

    def says(self, at: int, kind: str, *, source: str = "s", observed_at: int | None = None, **values: Value) -> Story:
        self.seq += 1
        return self.tell(Assert(at, self.seq, kind, source, values, observed_at))

    def job(self, at: int, job_id: str = "a", state: str = "open", n: int = 0, owner: str = "o") -> Story:
        return self.says(at, "job", id=job_id, owner=owner, n=n, state=state)

    def takes_back(self, at: int, kind: str, key: Value, source: str = "s", **more: int) -> Story:
        self.seq += 1
        return self.tell(Retract(at, self.seq, kind, source, (key,), observed_at=more.get("observed_at")))

    def until(self, at: int) -> Story:
        """Everything due up to and at this instant has run."""
        return self.tell(Advance(at + 1))

    def facts(self, kind: str) -> list[tuple[Value, ...]]:
        return [f.values for f in self.engine.facts() if f.kind == kind]

    @property
    def times(self) -> list[int]:
        return [at for at, _, _ in self.log]


def base(*rules: Rule, **schedules: Schedule) -> RuleBase:
    return ir.rule_base(*rules, kinds=KINDS, schedules=tuple(schedules.values()))


def every_minute(cron: Cron, after_ms: int) -> int | None:
    """``cron N`` fires N ms after each full minute."""
    offset = int(cron.expression)
    return ((after_ms - offset) // 60_000 + 1) * 60_000 + offset


def open_job(*more: object, **options: object) -> Rule:
    """Fires on open jobs."""
    terms = [pattern(JOB, "j", OPEN), *more]
    return rule("r", terms, [command("go", id=JOB_ID)], **options)  # type: ignore[arg-type]


# --- groups ---------------------------------------------------------------------------------------------------------


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


# --- time -----------------------------------------------------------------------------------------------------------


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


# --- terms ----------------------------------------------------------------------------------------------------------


def test_distinct_values_count_without_a_gap() -> None:
    low = cmp(ref(NET, "s", "fee"), "<=", 30)
    of = ForDistinct(ref(NET, "s", "height"), 2)
    story = Story(rule("r", [Pattern("s", NET, (low,), ir.SPAN, for_distinct=of)], [command("go")]))
    story.says(1000, "net", id="e", height=1, fee=10).says(2000, "net", id="e", height=1, fee=20)
    story.says(3000, "net", id="e", height=2, fee=99).says(4000, "net", id="e", height=3, fee=10)
    assert story.times == []
    assert story.says(5000, "net", id="e", height=4, fee=10).times == [5000]


def test_a_quorum_binds_the_newest_claim_that_agrees() -> None:
    agree = cmp(ref(RATE, "q", "n"), ">=", 5)
    terms = [Pattern("q", RATE, (agree,), ir.SPAN, quorum=2)]
    story = Story(rule("r", terms, [command("go", h=ref(RATE, "q", "height"))]))
    story.says(1000, "rate", source="x", id="k", height=1, n=5).says(2000, "rate", source="y", id="k", height=3, n=1)
    assert story.times == []
    story.says(3000, "rate", source="z", id="k", height=2, n=6)
    assert story.times == [3000]
    made = story.firings[0].effects[0]
    assert isinstance(made, CommandMade)
    assert made.args == '{"h":2}'
    assert story.facts("rate") == [("k", 3, 1)]


def test_latest_and_best_choose_anew_and_are_no_part_of_the_match() -> None:
    newest = latest(NOTE, "q", cmp(ref(NOTE, "q", "n"), "<", 9))
    largest = best(NOTE, "b", ref(NOTE, "b", "n"))
    values = command("go", q=ref(NOTE, "q", "id"), b=ref(NOTE, "b", "id"))
    story = Story(rule("r", [pattern(JOB, "j", OPEN), newest, largest], [values]))
    story.job(1000).says(2000, "note", id="y", n=3).says(3000, "note", id="x", n=3).says(4000, "note", id="z", n=50)
    story.job(5000, state="closed").job(6000)
    made = [e.args for f in story.firings for e in f.effects if isinstance(e, CommandMade)]
    assert made == ['{"b":"y","q":"y"}', '{"b":"z","q":"x"}']


def test_aggregates_of_nothing_are_zero_or_do_not_hold() -> None:
    n = ref(NOTE, "x", "n")
    rules = [
        rule(
            f,
            [pattern(JOB, "j"), aggregate(f, "v", None if f == "count" else n, NOTE, "x")],
            [command(f, v=ir.local("v"))],
        )
        for f in ("sum", "count", "min", "max")
    ]
    story = Story(*rules).job(1000)
    assert [name for _, name, _ in story.log] == ["count", "sum"]
    story.says(2000, "note", id="x", n=4)
    assert [name for _, name, _ in story.log] == ["count", "sum", "max", "min"]


def test_division_by_zero_makes_a_term_false_and_drops_all_effects() -> None:
    quotient = x.Call("floor_div", (ir.const(10), ref(JOB, "j", "n")), ir.INT)
    in_term = rule("a", [pattern(JOB, "j"), Let("v", quotient, ir.SPAN)], [command("go")])
    in_effect = rule("b", [pattern(JOB, "j")], [asserts(NOTE, id="x", n=1), command("go", v=quotient)])
    story = Story(in_term, in_effect).job(1000, n=0)
    assert [(f.rule, f.is_dropped, f.effects) for f in story.firings] == [("p.b", True, ())]
    assert story.facts("note") == []
    assert story.job(2000, n=3).log == [(1000, "b", 1), (2000, "a", 1)]


def test_a_fact_never_matches_two_patterns_of_a_rule() -> None:
    pair = rule("r", [pattern(JOB, "j"), pattern(JOB, "k")], [command("go")])
    assert Story(pair).job(1000).log == []
    assert len(Story(pair).job(1000).job(2000, "b").log) == 2


def test_numbers_beyond_sixty_four_bits_stay_exact() -> None:
    big = 10**19
    same = rule("r", [pattern(JOB, "j", cmp(ref(JOB, "j", "n"), "==", big))], [command("go", n=ref(JOB, "j", "n"))])
    story = Story(same).job(1000, n=big + 1).job(2000, n=big)
    assert story.times == [2000]
    assert [e.args for f in story.firings for e in f.effects if isinstance(e, CommandMade)] == [f'{{"n":"{big}"}}']


# --- conclusions ----------------------------------------------------------------------------------------------------


def test_a_conclusion_lives_while_one_of_two_supporters_holds() -> None:
    open_now = rule("b", [pattern(JOB, "j", OPEN)], [concludes(RISK, id=JOB_ID, why="open")])
    large = rule("c", [pattern(JOB, "j", cmp(ref(JOB, "j", "n"), ">", 5))], [concludes(RISK, id=JOB_ID, why="large")])
    story = Story(open_now, large).job(1000, n=9)
    assert story.facts("risk") == [("a", "open")]
    assert story.job(2000, n=9, state="closed").facts("risk") == [("a", "large")]
    assert story.job(3000, n=1, state="closed").facts("risk") == []


def test_a_conclusions_values_follow_the_facts_they_read() -> None:
    why = x.Template(("n is ", ref(JOB, "j", "n")), ir.TEXT)
    story = Story(rule("r", [pattern(JOB, "j", OPEN)], [concludes(RISK, id=JOB_ID, why=why)])).job(1000, n=1)
    story.job(2000, n=2)
    assert story.facts("risk") == [("a", "n is 2")]
    assert story.times == [1000]
    assert story.firings[0].effects == (FactConcluded("risk", ("a", "n is 1")),)


def test_a_shadow_rule_decides_and_changes_nothing() -> None:
    effects: list[Effect] = [concludes(RISK, id=JOB_ID, why="x"), asserts(NOTE, id="x", n=1), command("go")]
    story = Story(rule("r", [pattern(JOB, "j", OPEN)], effects, is_live=False)).job(1000)
    assert len(story.firings[0].effects) == 3
    assert [f.kind for f in story.engine.facts()] == ["job"]


# --- facts ----------------------------------------------------------------------------------------------------------


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


# --- commands -------------------------------------------------------------------------------------------------------


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


# --- chains ---------------------------------------------------------------------------------------------------------


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
