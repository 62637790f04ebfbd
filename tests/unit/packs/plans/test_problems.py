"""Everything that can be wrong with a plan: its code, its place, and enough words to mend it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.packs.plans.test_costly_slips import SLIPS
from tests.unit.packs.plans.texts import problems

_SAME_EVIDENCE = (
    "        command: executor.b\n        confirmed:\n          - transfer: q\n"
    '            where: q.intent == i.id and q.asset == i.asset_in and q.state == "arrived"\n'
)
_UNDO = "        undo:\n          - command: executor.back\n            with: {amount: =t.amount}\n"
_MANY = "".join(f"      - {{step: s{number}, command: x.y}}\n" for number in range(64))
_ON_TIMEOUT = "        otherwise: {timeout: [{undo: true}]}\n"

Case = tuple[str, tuple[str, str], str] | tuple[str, tuple[str, str], str, tuple[str, str]]

WRONG: list[Case] = [
    # names
    (
        "E601",
        ("plans:\n", "plans:\n  - {plan: one, for: [{intent: i}], steps: [{step: a, command: x.y}]}\n"),
        "stands already",
    ),
    ("E602", ("    deadline:", "      - check: 1 == 1\n    deadline:"), "patterns alone"),
    ("E602", ("    no_return: b", "    cancel: [{check: i.partial_ok}]\n    no_return: b"), "'cancel' without"),
    ("E603", ("after: [a]", "after: [aa]"), "no step 'aa'"),
    ("E603", ("after: [a]", "after: [a]\n        instead_of: c"), "no step 'c'"),
    ("E603", ("no_return: b", "no_return: c"), "no step 'c'"),
    ("E603", ("order: [a, b]", "order: [a, c]"), "no step 'c'"),
    ("E604", ("      - step: b\n", "      - {step: a, command: x.y}\n      - step: b\n"), "stands twice"),
    ("E605", ("      - step: a\n", "      - step: a\n        after: b\n"), "a after b after a"),
    ("E605", ("after: [a]", "after: [b]"), "b after b"),
    ("E606", ("after: [a]", "instead_of: b"), "instead of itself"),
    ("E606", ("after: [a]", "after: [a]\n        instead_of: a"), "'b' can never come"),
    # actions
    ("E607", (_UNDO, ""), "no way back"),
    ("E607", (_UNDO, "        irreversible: false\n"), "no way back"),
    ("E306", ("        within: 30m\n", "        within: 30m\n        irreversible: true\n"), "irreversible"),
    ("E608", ("        command: executor.b\n", ""), "neither a command"),
    (
        "E609",
        (
            "        command: executor.b\n",
            "        with: {a: b}\n        confirmed: [{cancel: c, where: c.id == i.id}]\n",
        ),
        "'with'",
    ),
    ("E609", ("{end: UNWOUND}", "{end: UNWOUND, within: 60s}"), "'within' without"),
    ("E610", ("          timeout:", "          timout:"), "did you mean 'timeout'"),
    ("E611", ("{end: UNWOUND}", "{reason: NOTHING}"), "does nothing"),
    ("E306", ("{end: UNWOUND}", "{undo: true, accept: true}"), "'undo' and 'accept'"),
    ("E612", ("{end: UNWOUND}", "{end: UNWOUNDED}"), "did you mean 'UNWOUND'"),
    ("E612", ("otherwise: REFUNDED", "otherwise: REFUND"), "did you mean 'REFUNDED'"),
    ("E613", ("missing: [POOL]", "missing: [POLO]"), "did you mean 'POOL'"),
    ("E614", ("[{missing: [POOL], for: 5m, undo: true}]", "[{retry: true}]"), "not been tried"),
    ("E304", ("{end: UNWOUND}", "{end: UNWOUND, reason: because of it}"), "no reason"),
    ("E342", ("escalation: ops.page", "escalation: page"), "no command"),
    # reserve, moves
    ("E615", ("of: pool, field", "of: pol, field"), "did you mean 'pool'"),
    ("E615", ("of: pool, field", "of: t, field"), "no fact of its 'when'"),
    ("E616", ("field: available, amount: =i.min_out", "field: venue, amount: 5"), "nothing can be reserved"),
    ("E616", ("amount: =i.min_out, for: 60s", "amount: =i.deadline, for: 60s"), "is timestamp"),
    ("E617", ("amount: =i.min_out, for: 60s", "amount: =i.amount, for: 60s"), "pool.asset"),
    ("W606", ("        command: executor.b\n", _SAME_EVIDENCE), "'a' and 'b' wait for the same evidence"),
    ("W605", ("gives: {asset: =i.asset_in", "gives: {asset: =i.asset_out"), "of s.asset booked as one of i.asset_out"),
    ("W605", ("amount: =t.amount, place", "amount: =i.min_out, place"), "an amount of i.asset_out"),
    ("E218", ("amount: =t.amount, place", "amount: =t.chain_time, place"), "timestamp"),
    ("E302", (", place: =i.target}", "}"), "needs 'place'"),
    ("E302", ("reserve: {of: pool, ", "reserve: {"), "needs 'of'"),
    # relations and their clocks
    ("E618", ("        effective: {time: =now}\n", ""), "which 'b' does not tell"),
    ("E618", ("time: =t.chain_time, ", ""), "'together' compares"),
    ("E619", ("- order: [a, b]", "- ordr: [a, b]"), "neither 'order' nor 'together'"),
    ("E619", ("order: [a, b]", "order: [a]"), "two or more"),
    ("E619", ("order: [a, b]", "order: [a, b, a]"), "two or more"),
    ("E619", ("- order: [a, b]", "- order: [a, b]\n        within: 5s"), "does not go with 'order'"),
    ("E302", ("together: [a, b]\n        within: 60s", "together: [a, b]"), "needs 'within'"),
    ("E620", ("{network: =t.network, time", "{time"), "without 'network'"),
    ("E620", ("effective: {time: =now}", "effective: {network: =i.source}"), "nothing of when"),
    # times
    ("E621", ("=now + hours(2)", "=now + minutes(29)"), "1740000 ms"),
    ("E621", ("deadline: =now + hours(2)", "deadline: =now + params.patience"), "90000 ms"),
    ("E621", ("deadline: =now + hours(2)", "deadline: 20m"), "1200000 ms"),
    ("E621", ("    deadline:", "    start: {before: 3h}\n    deadline:"), "'start.before'"),
    ("E621", ("waits: [30s, 60s]", "waits: [20m, 20m]"), "2400000 ms"),
    ("E625", ("deadline: =now + hours(2)", "deadline: =i.amount"), "not an instant"),
    ("E625", ("deadline: =now + hours(2)", "deadline: soon"), "cannot be 'soon'"),
    ("E237", ("deadline: =now + hours(2)", "deadline: 20"), "write 20s"),
    ("E303", ("waits: [30s, 60s]", "waits: []"), "0 items"),
    # what may be read where
    ("E622", (">= i.amount\n", "+ i.amount\n"), "is amount"),
    ("E623", ("venue: =pool.venue", "venue: =t.network"), "'t' cannot be read here"),
    ("E623", ("amount: =s.amount", "amount: =t.amount"), "bound only by what comes after"),
    ("E623", ('t.state == "arrived"', "t.network == s.network"), "a condition reads the aliases of 'for'"),
    ("E623", ('x.state == "failed"', "x.network == pool.network"), "a condition reads the aliases of 'for'"),
    (
        "E623",
        ("        command: executor.b\n", "        command: executor.b\n        with: {was: =t.amount}\n"),
        "in the step 'a'",
    ),
    ("E623", ("achieved: =delivered(i.target, i.asset_in)", "achieved: =t.amount"), "bound in the step 'a'"),
    (
        "E321",
        ("        failed:\n", "          - let: s\n            be: =5\n        failed:\n"),
        "'s' is bound already",
    ),
    ("E321", ("        reserve:", "          - let: i\n            be: =5\n        reserve:"), "'i' is bound already"),
    ("E623", ('x.state == "failed"', "x.depth > attempt"), "'attempt'"),
    ("E207", (">= i.amount\n", ">= i.min_out\n"), "i.asset_out"),
    ("E209", ("delivered(i.target, i.asset_in)", "delivered(i.target, i.amount)"), "takes names"),
    ("E206", ("delivered(i.target, i.asset_in)", "delivered(i.target)"), "argument"),
    ("E211", ("=pool.available\n", "=pool.available + raw(now)\n"), "now"),
    # what stands too often, or not at all
    ("E624", ("    steps:\n", f"    steps:\n{_MANY}"), "66 steps"),
    ("E305", (_UNDO, "        undo: []\n"), "empty list"),
    ("E305", ("blocked: [{missing: [POOL], for: 5m, undo: true}]", "blocked: []"), "empty list"),
    ("E305", ("missing: [POOL]", "missing: []"), "empty list"),
    ("E300", ("retry: {waits: [30s, 60s]}", "retry: true"), "must be a mapping"),
    ("E352", ("      - step: b\n", "      - step: b\n        window: horus\n"), "did you mean 'hours'"),
    ("E320", ("- transfer: t\n", "- transfr: t\n"), "did you mean 'transfer'"),
    # warnings
    ("W601", ("    escalation: ops.page\n", ""), "nobody is called"),
    ("W602", ("        undo:\n", "        undo:\n          - command: executor.home\n"), "the entries below"),
    ("W603", ("    deadline: =now + hours(2)\n", ""), "of 'b' never comes", ("        within: 60s\n", _ON_TIMEOUT)),
    (
        "W604",
        ("      - intent: i\n", '      - balance: bal\n        where: bal.owner == "me"\n      - intent: i\n'),
        "of 'balance'",
    ),
]


def test_the_plan_that_is_made_wrong_here_has_no_problems(tmp_path: Path) -> None:
    assert problems(tmp_path) == []


@pytest.mark.parametrize("case", WRONG, ids=[f"{n}-{case[0]}" for n, case in enumerate(WRONG)])
def test_what_is_wrong_is_said_with_its_code(tmp_path: Path, case: Case) -> None:
    code, pair, words, *more = case
    found = problems(tmp_path, pair, *more)
    mine = [p for p in found if p.code == code]
    assert mine, [str(p) for p in found]
    assert any(words in f"{p.message}; {p.hint}" for p in mine), [str(p) for p in mine]
    assert all(p.line and p.column and p.hint for p in found)
    assert len(found) <= 3, [str(p) for p in found]


def test_every_code_of_plans_has_a_case_here(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[4] / "engine" / "packs" / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| ([EW]6\d\d) \|", page, re.MULTILINE))
    assert listed
    assert listed <= {code for code, *_ in WRONG} | {case.values[1] for case in SLIPS}
