"""A rule may not take back by its own effects what it stands on."""

from __future__ import annotations

from pathlib import Path

from tests.unit.packs.packs import ORDERS, codes, load, rule_text

NO_NOTE = "- order: o\n- without: note\n  as: x\n  where: x.id == o.id"
NOTE = "- assert: note\n  with: {id: =o.id}"


def test_a_rule_that_asserts_what_it_stands_on_is_named(tmp_path: Path) -> None:
    problem = load(tmp_path, rule_text(NO_NOTE, NOTE)).problems[0]
    assert problem.code == "E330"
    assert problem.message == (
        "'without: note' depends on what the rule itself produces: shop.one → assert note → shop.one"
    )


def test_the_whole_chain_is_named(tmp_path: Path) -> None:
    text = f"""{ORDERS}
rules:
  - rule: first
    when:
      - order: o
      - count: c
        over: note
        as: x
        where: x.id == o.id
    then:
      - conclude: ready
        with: {{id: =o.id}}
  - rule: second
    when:
      - ready: r
    then:
      - retract: note
        key: {{id: =r.id}}
"""
    problem = load(tmp_path, text).problems[0]
    assert problem.message.endswith("shop.first → conclude ready → shop.second → retract note → shop.first")


def test_ended_counts_and_exhausted_does_not(tmp_path: Path) -> None:
    ended = "ended:\n  - retract: note\n    key: {id: =o.id}"
    assert codes(tmp_path, rule_text(NO_NOTE, more=ended)) == ["E330"]
    exhausted = "repeat: {every: 1s, times: 1}\nexhausted:\n  - assert: note\n    with: {id: =o.id}"
    assert codes(tmp_path, rule_text(NO_NOTE, more=exhausted)) == []


def test_positive_patterns_may_feed_themselves(tmp_path: Path) -> None:
    assert codes(tmp_path, rule_text("- order: o\n- note: n\n  where: n.id == o.id", NOTE)) == []


def test_commands_are_told_apart_by_what_never_changes_about_them(tmp_path: Path) -> None:
    when = '- order: o\n- without: command\n  as: c\n  where: c.connector == "executor" and c.verb == "{}"'
    then = "- command: executor.bridge"
    assert codes(tmp_path, rule_text(when.format("bridge"), then)) == ["E330"]
    assert codes(tmp_path, rule_text(when.format("pause"), then)) == []
