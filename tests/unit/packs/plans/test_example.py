"""The plan of the manual, as the engine gets it."""

from __future__ import annotations

from pathlib import Path

from engine.model.exprtools import unparse
from engine.model.plans import Plan
from engine.model.rules import Aggregate, Check, Pick
from engine.packs.bundle import load_blob, load_paths

EXAMPLE = Path(__file__).parent / "example.yaml"


def _plans() -> dict[str, Plan]:
    result = load_paths([EXAMPLE])
    assert result.problems == []
    assert result.rulebase is not None
    return {plan.local_name: plan for plan in result.rulebase.plans}


def test_the_example_of_the_manual_has_no_problems_and_comes_back_from_its_canonical_form() -> None:
    result = load_paths([EXAMPLE])
    assert result.problems == []
    assert load_blob(result.blob) == result.rulebase


def test_a_plan_says_what_it_is_for_and_by_when() -> None:
    plan = _plans()["bridge-then-swap"]
    assert plan.name == "example.bridge-then-swap"
    assert [(p.alias, p.kind.name) for p in plan.patterns] == [("i", "intent")]
    assert plan.start_before is not None
    assert unparse(plan.start_before) == "default(i.start_by, 9007199254740991)"
    assert plan.deadline is not None
    assert unparse(plan.deadline) == "i.deadline"
    assert plan.escalation == ("ops", "page")
    assert plan.last_before_return == "swap"
    assert plan.needed_ms == 30 * 60_000 + 12_000


def test_a_step_says_when_what_and_what_shows_it() -> None:
    step = _plans()["bridge-then-swap"].by_name["bridge"]
    assert step.when is not None
    assert (step.when.for_ms, step.when.window) == (12_000, "example.business-hours")
    assert step.priority is not None
    assert unparse(step.priority) == "0 - i.amount"
    command = step.action.command
    assert command is not None
    assert (command.connector, command.verb) == ("executor", "bridge")
    assert dict(command.args).keys() == {"intent", "amount", "min", "note"}
    assert unparse(dict(command.args)["note"]) == "{step} of {coordination}, attempt {attempt}"
    assert step.action.within_ms == 1_800_000
    assert step.action.waits_ms == (30_000, 60_000, 120_000)
    assert None not in (step.action.seen, step.action.final, step.action.failed, step.action.unused)
    assert step.effective is not None
    assert step.effective.index is not None


def test_a_step_that_reserves_waits_until_that_is_free_for_the_reason_of_the_term_that_binds_it() -> None:
    step = _plans()["bridge-then-swap"].by_name["bridge"]
    assert step.reserve is not None
    assert (step.reserve.alias, step.reserve.field, step.reserve.for_ms) == ("pool", "available", 60_000)
    assert step.when is not None
    pool = next(t for t in step.when.terms if isinstance(t, Pick) and t.alias == "pool")
    last = step.when.terms[-1]
    assert isinstance(last, Check)
    assert [unparse(each) for each in last.conditions] == ["free(pool.available) >= i.min_out"]
    assert last.reason == pool.reason == "FAR_LIQUIDITY"


def test_value_moves_by_what_was_seen() -> None:
    moves = _plans()["bridge-then-swap"].by_name["bridge"].action.moves
    assert moves is not None
    assert [tuple(map(unparse, (p.asset, p.amount, p.place))) for p in (*moves.gives, *moves.gets)] == [
        ("i.asset_in", "d.amount", "i.source"),
        ("i.asset_in", "t.amount", "i.target"),
    ]
    assert moves.via is not None
    assert unparse(moves.via) == '"bridge-escrow"'


def test_undo_reads_what_the_step_and_its_own_condition_bound() -> None:
    back, waits = _plans()["bridge-then-swap"].by_name["bridge"].undo
    assert back.when is not None
    assert back.action.command is not None
    assert unparse(dict(back.action.command.args)["amount"]) == "t.amount"
    assert unparse(dict(back.action.command.args)["venue"]) == "{pool.venue}"
    assert back.action.moves is not None
    assert unparse(back.action.moves.gets[0].amount) == "r.amount"
    failed = back.action.alternatives("failed")
    assert failed is not None
    assert (failed[0].escalate, failed[0].reason) == (True, "CANNOT_RETURN")
    assert waits.when is None
    assert waits.action.command is None


def test_evidence_may_be_a_sum() -> None:
    swap = _plans()["bridge-then-swap"].by_name["swap"]
    assert swap.action.confirmed is not None
    assert isinstance(swap.action.confirmed.terms[0], Aggregate)
    assert swap.action.moves is not None
    assert unparse(swap.action.moves.gets[0].amount) == "got"
    assert unparse(swap.action.moves.gives[0].amount) == "holding(i.target, i.asset_in)"


def test_alternatives_are_read_in_their_order_with_small_steps_inside() -> None:
    swap = _plans()["bridge-then-swap"].by_name["swap"]
    blocked, failed = swap.action.alternatives("blocked"), swap.action.alternatives("failed")
    assert blocked is not None
    assert (blocked[0].for_ms, blocked[0].missing, blocked[0].undo) == (120_000, ("FAR_LIQUIDITY",), True)
    assert swap.action.alternatives("late") is None
    assert failed is not None
    again, small, back = failed
    assert again.retry
    assert small.action is not None
    assert small.action.within_ms == 60_000
    inner = small.action.alternatives("failed")
    assert inner is not None
    assert (inner[0].accept, inner[0].reason) == (True, "DELIVERED_AS_IS")
    assert (back.hold_ms, back.undo) == (30_000, True)


def test_an_outcome_compares_the_ledger_without_raw_where_the_asset_is_the_same() -> None:
    outcome = _plans()["bridge-then-swap"].outcome
    assert outcome.achieved is not None
    assert unparse(outcome.achieved) == "delivered(i.target, i.asset_out) >= i.min_out"
    assert outcome.partial is not None
    assert outcome.otherwise == "REFUNDED"
    assert [name for name, _ in outcome.report] == ["fill_bps", "where"]


def test_relations_loans_and_what_a_plan_brings() -> None:
    plan = _plans()["loan"]
    assert [(p.asset, p.amount) for p in plan.brings] != []
    assert plan.deadline is not None
    assert unparse(plan.deadline) == "now + hours(2)"
    (together,) = plan.relations
    assert (together.kind, together.steps, together.within_ms, together.clock) == (
        "together",
        ("leg-a", "leg-b"),
        60_000,
        "engine",
    )
    assert together.otherwise is not None
    assert together.otherwise[0].undo
    loan = plan.by_name["leg-b"].action.moves
    assert loan is not None
    assert (loan.gives, len(loan.owes)) == ((), 1)
    assert plan.by_name["leg-b-elsewhere"].instead_of == "leg-b"
    assert plan.by_name["wait"].after == ("leg-a",)
    assert plan.by_name["wait"].action.command is None
