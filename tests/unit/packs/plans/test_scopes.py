"""What may be read where in a plan, and what its values are taken to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.exprtools import aliases_read, locals_read, unparse
from engine.model.rules import Let
from tests.unit.packs.packs import codes, load
from tests.unit.packs.plans.texts import PLAN, changed, plan, problems

_ACHIEVED = "achieved: =delivered(i.target, i.asset_in) >= i.amount"
_UNDO = "with: {amount: =t.amount}"
_OF_B = "        command: executor.b\n"


@pytest.mark.parametrize(
    "condition",
    [
        "delivered(i.target, i.asset_in) >= i.amount",
        "received(i.target, i.asset_out) + holding(i.source, i.asset_out) >= i.min_out",
        "remaining(i.asset_in) == 0",
        'remaining("USDC") <= i.amount or true',
        "raw(remaining(i.asset_in)) * 10000 >= raw(i.min_out) * 5000",
        "delivered(i.target, i.asset_in if i.partial_ok else i.asset_out) >= i.min_out",
    ],
)
def test_the_ledger_tells_amounts_of_the_asset_that_is_asked_for(tmp_path: Path, condition: str) -> None:
    found = [p.code for p in problems(tmp_path, (_ACHIEVED, f"achieved: ={condition}"))]
    # A quoted asset is that asset, and nothing here proves the intent's to be the same.
    assert found == (["E207"] if '"USDC"' in condition else [])


def test_rules_have_no_ledger_and_no_coordination(tmp_path: Path) -> None:
    rule = """
    pack: p
    use: [standard]
    rules:
      - rule: r
        when:
          - intent: i
            where: delivered(i.target, i.asset_in) > 0
          - check: coordination != "x"
        then:
          - command: log.note
    """
    found = load(tmp_path, rule).problems
    assert [p.code for p in found] == ["E205", "E202"]
    assert found[0].hint == "only plans have it"


def test_what_is_for_has_no_ledger_yet(tmp_path: Path) -> None:
    assert [p.code for p in problems(tmp_path, ('i.kind == "swap"', "remaining(i.asset_in) > 0"))] == ["E205"]


def test_a_step_knows_its_coordination_its_name_and_in_values_its_attempt(tmp_path: Path) -> None:
    condition = '            where: x.intent == i.id and x.state == "failed"\n'
    own = "          - step: me\n            where: me.coordination == coordination and me.name == step\n"
    made = plan(
        tmp_path,
        (condition, condition + own),
        ("{intent: =i.id, venue: =pool.venue}", '{id: =coordination, step: "{step}", nth: =attempt}'),
    ).by_name["a"]
    assert made.action.command is not None
    values = dict(made.action.command.args)
    assert locals_read(values["id"]) | locals_read(values["step"]) | locals_read(values["nth"]) == {
        "coordination",
        "step",
        "attempt",
    }


def test_values_of_undo_read_what_the_step_and_the_entry_bound(tmp_path: Path) -> None:
    entry = (
        "when: [{bridge: back, where: back.source == i.target and back.target == i.source}]\n"
        "            command: executor.back"
    )
    values = "with: {of: =back.fee, arrived: =t.amount, left: =s.amount, venue: =pool.venue, nth: =attempt}"
    made = plan(tmp_path, ("command: executor.back", entry), (_UNDO, values)).by_name["a"].undo[0]
    assert made.action.command is not None
    read = frozenset[str]().union(*(aliases_read(value) for _, value in made.action.command.args))
    assert read == {"back", "t", "s", "pool"}


def test_entries_of_undo_may_use_the_same_names(tmp_path: Path) -> None:
    one = "when: [{cancel: c, where: c.id == i.id}]\n            command: executor.back"
    two = "          - when: [{cancel: c, where: c.id == i.id}]\n            command: executor.home\n"
    assert (
        problems(tmp_path, ("command: executor.back", one), ("        otherwise:\n", two + "        otherwise:\n"))
        == []
    )


def test_names_of_failed_final_and_unused_may_be_used_again(tmp_path: Path) -> None:
    again = '      - transfer: t\n            where: t.intent == i.id and t.state == "failed"'
    assert (
        problems(tmp_path, ('      - transfer: x\n            where: x.intent == i.id and x.state == "failed"', again))
        == []
    )


def test_a_condition_that_is_wrong_does_not_make_its_readers_wrong(tmp_path: Path) -> None:
    assert [p.code for p in problems(tmp_path, ("- transfer: t\n", "- transferr: t\n"))] == ["E320"]


def test_assets_that_evidence_equates_count_in_moves(tmp_path: Path) -> None:
    found = problems(tmp_path, ("t.intent == i.id and t.asset == i.asset_in and", "t.intent == i.id and"))
    assert [p.code for p in found] == ["W605"]
    assert "'t.asset == i.asset_in'" in found[0].hint


@pytest.mark.parametrize("value", ["=raw(t.amount)", "=holding(i.target, i.asset_in)", "75000000", "=t.amount - 5"])
def test_what_moves_may_be_a_plain_number_or_computed(tmp_path: Path, value: str) -> None:
    pair = (
        "{asset: =i.asset_in, amount: =t.amount, place: =i.target}",
        f"{{asset: =i.asset_in, amount: '{value}', place: far}}",
    )
    assert problems(tmp_path, pair) == []


def test_an_asset_may_be_named_outright(tmp_path: Path) -> None:
    pair = ("gets: {asset: =i.asset_in, amount: =t.amount", "gets: {asset: USDC, amount: =t.amount")
    assert [p.code for p in problems(tmp_path, pair)] == ["W605"]
    stated = ("t.asset == i.asset_in and", 't.asset == "USDC" and')
    assert problems(tmp_path, pair, stated) == []


def test_a_step_reserves_of_an_optional_field_only_behind_has(tmp_path: Path) -> None:
    kind = "kinds:\n  tank: {key: [id], ttl: 1h, fields: {id: id, left: uint256?}}\nparams:"
    term = "      - latest: pool\n            of: tank\n            where: pool.id == i.id\n            reason: POOL\n"
    old = changed()[changed().index("          - best: pool") : changed().index("        reserve:")]
    pairs = (
        ("params:", kind),
        (old, "    " + term),
        ("field: available, amount: =i.min_out", "field: left, amount: 5"),
        ("venue: =pool.venue", "venue: v"),
    )
    assert [p.code for p in problems(tmp_path, *pairs)] == ["E616"]
    behind = ("where: pool.id == i.id", "where: pool.id == i.id and has(pool.left)")
    assert problems(tmp_path, *pairs, behind) == []


def test_conditions_are_joined_by_what_the_plan_is_for(tmp_path: Path) -> None:
    one = '            where: x.intent == i.id and x.state == "failed"\n'
    tied = one + "          - quote: q\n            where: q.intent == i.id\n"
    assert problems(tmp_path, (one, tied)) == []
    found = problems(tmp_path, (one, one + "          - quote: q\n            where: q.fee > 0\n"))
    assert [p.code for p in found] == ["W301"]


def test_a_condition_may_be_a_window_a_schedule_or_time_alone(tmp_path: Path) -> None:
    lasting = (
        plan(tmp_path, (_OF_B, _OF_B + "        window: hours\n        for: =params.patience\n")).by_name["b"].when
    )
    assert lasting is not None
    assert (lasting.terms, lasting.window, lasting.for_ms) == ((), "p.hours", 90_000)
    schedule = '{schedule: o, where: o.name == "hours" and o.open}'
    scheduled = f"        when: [{schedule}, {{check: now >= i.deadline}}, {{let: n, be: 5}}]\n"
    when = plan(tmp_path, (_OF_B, _OF_B + scheduled)).by_name["b"].when
    assert when is not None
    assert isinstance(when.terms[-1], Let)
    assert [p.code for p in problems(tmp_path, (_OF_B, _OF_B + scheduled.replace("hours", "horus")))] == ["E352"]


def test_for_with_a_kind_of_samples_is_a_warning_that_knows_plans_have_no_per(tmp_path: Path) -> None:
    kind = "kinds:\n  tick: {event: true, ttl: 1h, key: [id], fields: {id: id, intent: id}}\nparams:"
    when = "        when: [{tick: k, where: k.intent == i.id}]\n        for: 5s\n"
    found = problems(tmp_path, ("params:", kind), (_OF_B, _OF_B + when))
    assert [p.code for p in found] == ["W302"]
    assert "per:" not in found[0].hint


def test_a_bound_is_an_instant_a_duration_or_absent(tmp_path: Path) -> None:
    made = plan(tmp_path, ("    deadline: =now + hours(2)", "    start: {before: =i.start_by}\n    deadline: 2h"))
    assert made.start_before is not None
    assert unparse(made.start_before) == "default(i.start_by, 9007199254740991)"
    assert made.deadline is not None
    assert unparse(made.deadline) == "now + hours(2)"
    sooner = plan(
        tmp_path, ("    deadline:", "    start: {before: '=i.deadline - hours(1)'}\n    deadline:")
    ).start_before
    assert sooner is not None
    assert unparse(sooner) == "i.deadline - hours(1)"
    absent = plan(tmp_path, ("=now + hours(2)", "=i.start_by")).deadline
    assert absent is not None
    assert unparse(absent) == "default(i.start_by, 9007199254740991)"
    assert [p.code for p in problems(tmp_path, ("=now + hours(2)", "=i.start_by + hours(2)"))] == ["E210"]


def test_the_time_to_the_last_command_is_the_longest_way_through_the_steps(tmp_path: Path) -> None:
    made = plan(tmp_path, (_OF_B, _OF_B + "        for: 10s\n"))
    assert made.needed_ms == 30 * 60_000 + 10_000
    assert plan(tmp_path, ("        after: [a]\n", "")).needed_ms == 0


def test_what_comes_after_a_step_may_name_its_substitute_too(tmp_path: Path) -> None:
    step = "      - {step: c, instead_of: a, command: executor.c, within: 60s}\n      - step: b\n"
    for after in ("[a]", "[c]", "[a, c]"):
        assert problems(tmp_path, ("      - step: b\n", step), ("after: [a]", f"after: {after}")) == []


def test_a_plan_and_a_rule_share_their_names(tmp_path: Path) -> None:
    rule = "rules:\n  - rule: one\n    when: [{intent: i}]\n    then: [{command: log.note}]\nplans:"
    assert codes(tmp_path, changed(("plans:", rule))) == ["E601"]


def test_plans_of_several_files_are_sorted_by_name(tmp_path: Path) -> None:
    other = "pack: p\nplans:\n  - {plan: an, for: [{intent: i}], steps: [{step: a, command: x.y}]}\n"
    result = load(tmp_path, changed(), other)
    assert result.rulebase is not None
    assert [p.name for p in result.rulebase.plans] == ["p.an", "p.one"]
    assert result.rulebase.plans[0].last_before_return is None


def test_a_fact_without_a_name_does_not_make_all_its_readers_wrong(tmp_path: Path) -> None:
    assert [p.code for p in problems(tmp_path, ("- intent: i\n", "- intent:\n"))] == ["E305"]
    assert [p.code for p in problems(tmp_path, ("- transfer: t\n", "- transfer: =t\n"))] == ["E304"]
    assert [
        p.code for p in problems(tmp_path, ("    for:\n      - intent: i\n        where", "    for:\n      where"))
    ] == ["E300"]


@pytest.mark.parametrize("word", [None, "", " []", " {}", " x"])
def test_no_line_can_be_lost_or_mangled_so_that_the_check_itself_fails(tmp_path: Path, word: str | None) -> None:
    lines = PLAN.splitlines()
    complained = 0
    for number, line in enumerate(lines):
        head, colon, _ = line.partition(":")
        new = [] if word is None else [f"{head}{colon}{word}"]
        found = load(tmp_path, "\n".join([*lines[:number], *new, *lines[number + 1 :]])).problems
        complained += bool(found)
        for problem in found:
            assert problem.line, problem
            assert problem.hint, problem
    assert complained > len(lines) // 2
