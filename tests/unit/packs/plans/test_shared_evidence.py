"""Two steps that wait for the same evidence are told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.packs.bundle import load_paths

PACK = """
pack: twins
version: 1
kinds:
  deal: {{key: [id], keep: while_used, fields: {{id: id}}}}
  mark: {{key: [id], keep: while_used, fields: {{id: id, deal: id, step: id}}}}
plans:
  - plan: both
    for: [{{deal: d}}]
    steps:
      - {{step: one, command: x.one, confirmed: [{{mark: m, where: {first}}}]}}
      - {{step: two, command: x.two, confirmed: [{{mark: n, where: {second}}}]{more}}}
"""


def warnings(directory: Path, first: str, second: str, more: str = "") -> list[tuple[str, int]]:
    path = directory / "twins.yaml"
    path.write_text(PACK.format(first=first, second=second, more=more))
    return [(problem.code, problem.line) for problem in load_paths([path]).problems]


def test_the_same_condition_under_another_alias_is_the_same_evidence(tmp_path: Path) -> None:
    assert warnings(tmp_path, "m.deal == d.id", "n.deal == d.id") == [("W606", 12)]


@pytest.mark.parametrize(
    ("first", "second", "more"),
    [
        ("m.deal == d.id and m.step == step", "n.deal == d.id and n.step == step", ""),
        ('m.deal == d.id and m.step == "one"', 'n.deal == d.id and n.step == "two"', ""),
        ("m.deal == d.id", "n.deal == d.id", ", instead_of: one"),
    ],
)
def test_what_tells_them_apart_keeps_it_quiet(tmp_path: Path, first: str, second: str, more: str) -> None:
    assert warnings(tmp_path, first, second, more) == []
