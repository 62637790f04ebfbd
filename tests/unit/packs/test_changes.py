"""What a new rule base changes, and which changes living facts would not bear."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.packs.changes import compare, kind_change_problems
from tests.unit.packs.packs import ORDERS, base, rule_text


def test_a_rule_base_differs_in_nothing_from_itself_moved(tmp_path: Path) -> None:
    one = base(tmp_path, rule_text("- order: o"))
    moved = base(tmp_path, "# comment\n\n" + rule_text("- order: o"))
    assert compare(one, moved).is_empty
    assert compare(one, moved).lines() == []


def test_rules_kinds_schedules_and_packs_are_told_apart(tmp_path: Path) -> None:
    old_text = (
        rule_text("- order: o") + "  - rule: gone\n    when:\n      - order: o\n    then:\n      - command: log.note\n"
    )
    new_text = (
        rule_text("- order: o\n  where: o.n > 1")
        .replace("version: 1", "version: 2")
        .replace("n: int}", "n: int, m: int?}")
        + "  - rule: new\n    was: gone\n    when:\n      - order: o\n    then:\n      - command: log.note\n"
        + "schedules:\n  - {schedule: s, every: 1h}\n"
    )
    changes = compare(base(tmp_path, old_text), base(tmp_path, new_text))
    assert changes.lines() == [
        "pack shop: version 1 → 2",
        "+ schedule shop.s",
        "~ rule shop.gone → shop.new (renamed)",
        "~ rule shop.one",
        "~ kind order: the new field 'm'",
    ]


def test_a_renamed_rule_that_says_the_same_is_not_changed(tmp_path: Path) -> None:
    old = base(tmp_path, rule_text("- order: o"))
    new = base(tmp_path, rule_text("- order: o", more="was: one").replace("rule: one", "rule: two"))
    changes = compare(old, new)
    assert changes.rules_renamed == (("shop.one", "shop.two"),)
    assert changes.rules_changed == ()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("n: int}", "n: int, m: int}", "the new field 'm' has no default"),
        (", n: int}", "}", "the field 'n' is gone"),
        ("n: int}", "n: bps}", "the field 'n' was int, is bps"),
        ("enum(open, paid)", "enum(open)", "the field 'state' was enum(open, paid), is enum(open)"),
        ("at: timestamp?", "at: timestamp", "the field 'at' may no longer be absent"),
        ("key: [place, asset]", "key: [asset, place]", "'key' was [place, asset], is [asset, place]"),
        ("claims: per_source, ", "", "'per_source' was true, is false"),
    ],
)
def test_a_kind_may_not_change_what_is_kept(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in ORDERS
    problems = kind_change_problems(base(tmp_path, ORDERS), base(tmp_path, ORDERS.replace(old, new)))
    assert [p.code for p in problems] == ["E420"]
    assert words in problems[0].message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("n: int}", "n: int, m: int?}"),
        ("n: int}", "n: int, m: {type: int, default: 3}}"),
        ("enum(open, paid)", "enum(open, paid, lost)"),
        ("ttl: 1h", "ttl: 2h"),
        ('default: ""', "default: none"),
    ],
)
def test_a_kind_may_grow(tmp_path: Path, old: str, new: str) -> None:
    changed = base(tmp_path, ORDERS.replace(old, new))
    assert kind_change_problems(base(tmp_path, ORDERS), changed) == []
    assert compare(base(tmp_path, ORDERS), changed).kinds_changed


def test_a_kind_that_goes_is_no_problem_of_the_kinds(tmp_path: Path) -> None:
    assert kind_change_problems(base(tmp_path, ORDERS), base(tmp_path, "pack: shop\n")) == []


def test_plans_that_come_go_and_change_are_named(tmp_path: Path) -> None:
    head = "pack: shop\nuse: [standard]\n"
    plan = "  - {plan: NAME, doc: DOC, for: [{intent: i}], steps: [{step: a, command: x.y, within: 5s}]}\n"
    same = plan.replace("NAME", "same")
    old = head + "plans:\n" + plan.replace("NAME", "gone") + plan.replace("NAME", "kept") + same
    new = head + "# moved\nplans:\n" + same.replace("DOC", "other words") + plan.replace("NAME", "new")
    new += plan.replace("NAME", "kept").replace("5s", "6s")
    changes = compare(base(tmp_path, old), base(tmp_path, new))
    assert changes.lines() == ["+ plan shop.new", "- plan shop.gone", "~ plan shop.kept"]
