"""What is tried out before packs are in force is what the daemon will load."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import Exit, PackError
from engine.packs.bundle import load_paths
from engine.runtime.candidate import candidate_from, join_shapes, misfit, try_out

ROOT = Path(__file__).parents[3]


def test_the_joins_of_plans_are_among_those_tried_out() -> None:
    loaded = load_paths([ROOT / "rules" / "worked"])
    assert loaded.rulebase is not None
    only_plans = replace(loaded.rulebase, rules=())
    assert join_shapes(only_plans)


@pytest.mark.parametrize("packs", ["rules", "rules/worked"])
def test_the_packs_that_come_along_pass_the_trial(packs: str) -> None:
    try_out(candidate_from([ROOT / packs]))


def test_more_joined_kinds_than_the_library_takes_are_refused_with_a_code(tmp_path: Path) -> None:
    lines = ["pack: wide", "version: 1", "kinds:"]
    lines += [f"  k{n}: {{key: [a], ttl: 1h, fields: {{a: id, b: id}}}}" for n in range(520)]
    lines.append("rules:")
    for n in range(0, 520, 2):
        lines += [
            f"  - rule: r{n}",
            "    when:",
            f"      - k{n}: x",
            f"      - k{n + 1}: y",
            "        where: y.b == x.b",
        ]
        lines += ["    then:", "      - command: log.go", "        with: {a: =x.a}"]
    (tmp_path / "wide.yaml").write_text("\n".join(lines))
    candidate = candidate_from([tmp_path])
    problem = misfit(candidate.rulebase, "wide")
    assert problem is not None
    assert problem.is_error
    assert "520 kinds are joined" in problem.message
    with pytest.raises(PackError) as caught:
        try_out(candidate)
    assert caught.value.exit_code is Exit.PROBLEMS
