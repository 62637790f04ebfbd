"""``lockstep test`` as authors and build servers meet it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.integration.cli.program import PROGRAM, ROOT, environment

EXAMPLES = Path(__file__).parent / "examples"


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, "test", *map(str, words)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)


def told(*words: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(*words, "--json").stdout.splitlines()]


def test_the_shipped_packs_keep_their_promises() -> None:
    ran = run(ROOT / "rules")
    assert ran.returncode == 0, ran.stdout
    assert "failed" not in ran.stdout


def test_plans_are_played_to_their_outcomes() -> None:
    tests = told(EXAMPLES)
    assert [(test["test"], test["problems"]) for test in tests] == [(test["test"], []) for test in tests]
    outcomes = [(o["after_ms"], o["plan"], o["verdict"], o["reason"]) for o in tests[1]["outcomes"]]
    assert outcomes == [(300_000, "two-legs.bridge-then-swap", "REFUNDED", "FAR_LIQUIDITY_LOST")]
    assert tests[1]["outcomes"][0]["ledger"] == {"ethereum": {"USDC": "990"}}


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("fees: {USDC: 5}", "fees: {USDC: 6}"),
        ("delivered: {base: {WETH: 91}}", "delivered: {base: {WETH: 90}}"),
        ("fill_bps: 10111", "fill_bps: 10112"),
        ("at: 80s\n      provisional", "at: 79999ms\n      provisional"),
        ("verdict: COMPLETED\n", "verdict: REFUNDED\n"),
        ("provisional: false", "provisional: true"),
        ("refunded: {}", "refunded: {ethereum: {USDC: 1}}"),
        ("amount: 1000}}", "amount: 1001}}"),
        ("reason: TOO_LATE", "reason: TOO_EARLY"),
        ("at: 180s", "at: 180001ms"),
        ("reason: FAR_LIQUIDITY_LOST", "reason: GAS_CAP"),
        ("never: [{command: executor.bridge_back}]", "never: [{command: executor.swap}]"),
    ],
)
def test_one_unit_one_millisecond_or_one_word_beside_it_fails(tmp_path: Path, right: str, wrong: str) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "packs")
    file = tmp_path / "packs" / "plan.test.yaml"
    text = file.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong, 1))
    ran = run(tmp_path / "packs")
    assert ran.returncode == 1
    assert " failed" in ran.stdout


def test_a_missing_plan_command_is_explained_by_where_its_coordination_stands(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "packs")
    file = tmp_path / "packs" / "plan.test.yaml"
    file.write_text(file.read_text().replace("available: 1,", "available: 89,").replace("at: 180s", "at: 70s"))
    failed = next(test for test in told(tmp_path / "packs", "-k", "loses its liquidity") if not test["ok"])
    first = failed["problems"][0]
    assert (first["after_ms"], first["kind"], first["diff"][0]) == (
        70_000,
        "commands",
        "- executor.bridge_back  intent: I1",
    )
    assert any("bridge is confirmed since 60s, swap is ready since 60s" in line for line in first["because"])


def test_problems_of_a_file_have_their_place_and_the_exit_code_one(tmp_path: Path) -> None:
    (tmp_path / "a.test.yaml").write_text("tests:\n  - {test: x, packs: [none.yaml], steps: [{at: 0s}]}\n")
    ran = run(tmp_path)
    assert ran.returncode == 1
    assert f"{tmp_path}/a.test.yaml:2:22: E703" in ran.stdout
    (document,) = told(tmp_path)
    assert (document["test"], document["ok"]) == (None, False)
    assert {"file", "line", "column", "code", "message", "hint"} == document["problems"][0].keys()


def test_nothing_to_test_is_a_matter_of_usage(tmp_path: Path) -> None:
    assert run().returncode == 2
    assert run(tmp_path / "nowhere").returncode == 2
    assert run(tmp_path).returncode == 2
    assert run(EXAMPLES, "-k", "no such test").returncode == 2


def test_a_report_for_build_servers_and_the_coverage(tmp_path: Path) -> None:
    ran = run(EXAMPLES, "--junit", tmp_path / "report.xml", "--coverage")
    assert ran.returncode == 0
    suite = ElementTree.parse(tmp_path / "report.xml").getroot()[0]  # noqa: S314 - our own file
    assert (suite.get("tests"), suite.get("failures")) == ("5", "0")
    assert "9 of 12 conditions of plans held" in ran.stdout
    assert "two-legs.bridge-then-swap#swap.when  plan_in_a_hurry.yaml:41" in ran.stdout
