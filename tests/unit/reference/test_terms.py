"""The reference by small stories: what terms bind, and what conclusions say."""

from __future__ import annotations

from engine.model import expr as x
from engine.model.rules import Effect, ForDistinct, Let, Pattern
from tests.support import ir
from tests.support.ir import aggregate, asserts, best, cmp, command, concludes, latest, pattern, ref, rule
from tests.support.reference import (
    CommandMade,
    FactConcluded,
)
from tests.unit.reference.story import (
    JOB,
    JOB_ID,
    NET,
    NOTE,
    OPEN,
    RATE,
    RISK,
    Story,
)


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
