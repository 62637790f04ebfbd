"""Every slip in a test file is said at its place, before anything is played."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.insight.scenario.files import find_tests
from tests.support.scenarios import PACK, play_text, read_text, steps

FEE = "assert: {fee: {network: eth, value: 29 gwei}}"


@pytest.mark.parametrize(
    ("step", "code", "column"),
    [
        ("- {assert: {fee: {network: eth, value: 1}}}", "E302", 9),
        ("- {at: 5, assert: {fee: {network: eth, value: 1}}}", "E237", 14),
        ("- {at: -5s, restart: true}", "E238", 14),
        ("- {at: 5s, restart: false}", "E712", 27),
        ("- {at: 5s, restart: maybe}", "E303", 27),
        ("- {at: 5s, every: 2s, restart: true}", "E704", 9),
        ("- {at: 5s, every: 2s, until: 4s, restart: true}", "E704", 29),
        ("- {at: 5s, wait: 3s}", "E301", 18),
        ("- {at: 5s, assert: {fees: {network: eth, value: 1}}}", "E705", 27),
        ("- {at: 5s, assert: {fee: {network: eth, valu: 1}}}", "E706", 47),
        ("- {at: 5s, assert: {fee: {network: eth}}}", "E706", 27),
        ("- {at: 5s, assert: {fee: {network: eth, value: 1.5 gwei}}}", "E230", 54),
        ("- {at: 5s, assert: {fee: {network: eth, value: 1, at: soon}}}", "E233", 61),
        ("- {at: 5s, assert: {cheap: {network: eth}}}", "E706", 27),
        ("- {at: 5s, retract: {fee: {value: 1}}}", "E706", 28),
        ("- {at: 5s, cancel: A}", "E705", 18),
        ("- {at: 5s, expect: [{command: shop.by}]}", "E707", 37),
        ("- {at: 5s, expect: [{command: shop.buy, with: {ordr: A}}]}", "E708", 54),
        ("- {at: 5s, expect: [{command: shop.buy, with: {fee: cheap}}]}", "E230", 59),
        ("- {at: 5s, expect: [{command: shop.buy, with: {parts: x}}]}", "E708", 61),
        ("- {at: 5s, report: {command: shop.buy, status: finished}}", "E303", 54),
        ("- {at: 5s, reorg: {removed: [a]}}", "E302", 25),
        ("- {at: 5s, outcome: {verdict: DONE}}", "E303", 37),
        ("- {at: 5s, outcome: {plan: none-such}}", "E709", 34),
        ("- {at: 5s, outcome: {fees: {USDC: much}}}", "E230", 41),
        ("- {at: 5s, facts: {fee: {nework: eth}}}", "E706", 32),
        ("- {at: 5s, push: nowhere.yaml}", "E703", 24),
        ("- {at: 0s, every: 1ms, until: 1d, restart: true}", "E714", 9),
    ],
)
def test_a_slip_in_a_step_is_said_at_its_place(tmp_path: Path, step: str, code: str, column: int) -> None:
    file = read_text(tmp_path, steps(step), {})
    assert file.cases == []
    assert (code, 5, column) in [(p.code, p.line, p.column) for p in file.problems]
    assert all(problem.hint for problem in file.problems)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("steps: []", "E302"),
        ("tests: []\nstart: soon", "E233"),
        ("tests:\n  - steps: []", "E302"),
        ("tests:\n  - test: a\n    steps: [{at: 0s}]", "E302"),
        ("tests:\n  - test: a\n    packs: [fees.yaml]", "E711"),
        ("tests:\n  - test: a\n    packs: [none.yaml]\n    steps: [{at: 0s}]", "E703"),
        ("tests:\n  - test: a\n    packs: [fees.yaml]\n    until: 3s\n    steps: [{at: 0s}]", "E704"),
        ("tests:\n  - test: a\n    like: b\n    steps: [{at: 0s}]", "E701"),
        ("tests:\n  - {test: a, like: b}\n  - {test: b, like: a}", "E701"),
        ("tests:\n" + 2 * "  - {test: a, packs: [fees.yaml], steps: [{at: 0s}]}\n", "E702"),
        ("tests:\n  - {test: a, packs: [fees.yaml], others: forbid, steps: [{at: 0s}]}", "E303"),
        (PACK, "E700"),
    ],
)
def test_a_slip_in_a_file_is_said(tmp_path: Path, text: str, code: str) -> None:
    assert code in [problem.code for problem in read_text(tmp_path, text, {}).problems]


def test_problems_of_the_packs_are_said_at_their_own_place(tmp_path: Path) -> None:
    broken = PACK.replace("f.value <= 30000000000", "f.value <= f.network")
    file = read_text(tmp_path, steps("- at: 0s"), {"fees": broken})
    assert file.cases == []
    assert {p.file for p in file.problems} == {str(tmp_path / "fees.yaml"), str(tmp_path / "it.test.yaml")}


def test_a_broken_test_does_not_keep_the_others_from_being_played(tmp_path: Path) -> None:
    text = steps("- at: 0s") + "  - test: broken\n    packs: [fees.yaml]\n    steps: [{at: soon}]\n"
    file = read_text(tmp_path, text, {})
    assert [case.name for case in file.cases] == ["it"]
    assert [problem.code for problem in file.problems] == ["E237"]


def test_steps_may_stand_in_any_order_of_time(tmp_path: Path) -> None:
    text = f"""
        - {{at: 9s, facts: {{fee: {{value: 29 gwei}}}}}}
        - {{at: 1s, {FEE}}}
        """
    (result,) = play_text(tmp_path, steps(text), {})
    assert result.failures == []


def test_the_start_can_be_set(tmp_path: Path) -> None:
    text = "start: 2028-02-29T00:00:00Z\n" + steps("- {at: 1s, assert: {fee: {network: eth, value: 99 gwei, at: 0s}}}")
    (result,) = play_text(tmp_path, text, {})
    assert result.case.start_ms == 1_835_395_200_000


def test_test_files_are_found_below_directories_and_packs_are_not(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("a.test.yaml", "b.yaml", "deep/c.test.yml", "deep/d.test.yaml.bak"):
        (tmp_path / name).write_text("")
    found = [str(path.relative_to(tmp_path)) for path in find_tests([tmp_path, tmp_path / "a.test.yaml"])]
    assert found == ["a.test.yaml", "deep/c.test.yml"]
