"""Rules: every element of the language arrives in the model, and contradictions do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.limits import ONCE_KEEP_MS
from engine.model.expr import Const, FieldRef, ListOf, MapOf, Template
from engine.model.kinds import Type
from engine.model.rules import (
    Aggregate,
    AssertEffect,
    Check,
    CommandEffect,
    ConcludeEffect,
    Let,
    Pattern,
    Pick,
    RetractEffect,
    Throttle,
    Without,
)
from tests.unit.packs.packs import codes, load, one_rule, rule_text

ORDER = "- order: o"


def test_every_sort_of_term_arrives_in_file_order(tmp_path: Path) -> None:
    when = """
    - order: o
      where: [o.state == "open", o.n > 1]
      fresh: 24s
      for_distinct: {of: o.n, count: 2}
      reason: OPEN
    - stock: s
      where: s.asset == o.asset and s.free >= o.amount
      quorum: 2
    - latest: last
      of: note
      where: last.id == o.id
    - best: most
      of: stock
      where: most.asset == o.asset
      by: =most.free
      fresh: 1m
    - without: note
      as: x
      where: x.id in [o.id, o.asset]
    - sum: total
      of: p.amount
      over: order
      as: p
      where: p.asset == o.asset
    - count: many
      over: order
      as: q
      where: q.asset == o.asset
    - let: double
      be: =total + total
    - check: double <= s.free and many < 5
      reason: ROOM
    """
    terms = one_rule(tmp_path, when).terms
    assert [type(term) for term in terms] == [Pattern, Pattern, Pick, Pick, Without, Aggregate, Aggregate, Let, Check]
    order, stock, last, most, without, total, many, double, check = terms
    assert isinstance(order, Pattern)
    assert (order.alias, order.kind.name, len(order.where), order.fresh_ms) == ("o", "order", 2, 24_000)
    assert order.for_distinct is not None
    assert (order.for_distinct.count, order.reason) == (2, "OPEN")
    assert isinstance(stock, Pattern)
    assert stock.quorum == 2
    assert isinstance(last, Pick)
    assert last.by is None
    assert isinstance(most, Pick)
    assert isinstance(most.by, FieldRef)
    assert isinstance(without, Without)
    assert isinstance(total, Aggregate)
    assert (total.name, total.function, total.alias) == ("total", "sum", "p")
    assert isinstance(many, Aggregate)
    assert many.of is None
    assert isinstance(double, Let)
    assert isinstance(check, Check)
    assert (len(check.conditions), check.reason) == (2, "ROOM")


def test_every_sort_of_timing_arrives(tmp_path: Path) -> None:
    more = """
    doc: Why.
    was: old
    for: 12s
    per: o.asset
    once: {key: =o.id, as: leg, keep: 2d}
    throttle: {per: =o.asset, every: 30s}
    repeat: {every: 15s, times: 3}
    exhausted:
      - assert: note
        with: {id: =o.id}
    priority: =o.n
    ended:
      - retract: note
        key: {id: =o.id}
    stage: shadow
    """
    rule = one_rule(tmp_path, ORDER, more=more)
    assert (rule.name, rule.was, rule.doc, rule.for_ms, rule.is_live) == ("shop.one", "shop.old", "Why.", 12_000, False)
    assert rule.once is not None
    assert (rule.once.name, rule.once.keep_ms) == ("shop.leg", 172_800_000)
    assert isinstance(rule.throttle, Throttle)
    assert rule.throttle.every_ms == 30_000
    assert rule.repeat is not None
    assert (rule.repeat.every_ms, rule.repeat.times) == (15_000, 3)
    assert isinstance(rule.exhausted[0], AssertEffect)
    assert isinstance(rule.ended[0], RetractEffect)
    assert isinstance(rule.priority, FieldRef)


def test_the_short_form_of_once_is_the_rules_own_memory(tmp_path: Path) -> None:
    once = one_rule(tmp_path, ORDER, more="once: =o.id").once
    assert once is not None
    assert (once.name, once.keep_ms) == ("shop.one", ONCE_KEEP_MS)


def test_effects_take_expressions_texts_and_literals(tmp_path: Path) -> None:
    then = """
    - command: executor.bridge
      with:
        id: =o.id
        note: "pay {o.amount} {{now}}"
        plain: 012
        list: [=o.n, b]
        map: {n: =o.n, inner: {x: y}}
      expires: =now + seconds(60)
    - assert: note
      with: {id: "n-{o.id}", text: no, at: =now}
    - conclude: ready
      with: {id: fixed}
    """
    command, note, ready = one_rule(tmp_path, ORDER, then).then
    assert isinstance(command, CommandEffect)
    args = dict(command.args)
    assert (command.connector, command.verb, list(args)) == (
        "executor",
        "bridge",
        ["id", "note", "plain", "list", "map"],
    )
    assert isinstance(args["note"], Template)
    assert args["note"].parts[-1] == " {now}"
    assert args["plain"] == Const("012", Type("text"))
    assert isinstance(args["list"], ListOf)
    assert isinstance(args["map"], MapOf)
    assert command.expires is not None
    assert isinstance(note, AssertEffect)
    values = dict(note.values)
    assert isinstance(values["id"], Template)
    assert values["id"].type == Type("id")
    assert values["text"] == Const("no", Type("text"))
    assert isinstance(ready, ConcludeEffect)
    assert dict(ready.values)["id"] == Const("fixed", Type("id"))


def test_attempt_is_a_number_in_effects_only(tmp_path: Path) -> None:
    command = one_rule(tmp_path, ORDER, "- command: log.note\n  with: {n: =attempt}").then[0]
    assert isinstance(command, CommandEffect)
    assert codes(tmp_path, rule_text("- order: o\n  where: o.n > attempt")) == ["E202"]


@pytest.mark.parametrize(
    ("when", "found"),
    [
        ("- ordre: o", ["E320"]),
        ("- where: o.n > 1", ["E323"]),
        ("- order: o\n  note: n", ["E301"]),
        ("- order: o\n  by: =o.n", ["E301"]),
        ("- order: 1o", ["E304"]),
        ("- order: params", ["E304"]),
        ("- order: o\n- note: o", ["E321"]),
        ("- order: o\n  where: o.id == n.id\n- note: n", ["E322", "W301"]),
        ("- order: o\n  quorum: 2", ["E324"]),
        ("- order: o\n- without: note\n  as: x\n  where: has(x.at)", ["E325"]),
        ("- order: o\n- latest: q\n  of: note\n  where: q.id != o.id", ["E325"]),
        ("- order: o\n- count: c\n  over: order\n  as: p\n  where: p.n > 1", ["E325"]),
        ("- order: o\n- without: note\n  as: x", ["E302"]),
        ("- order: o\n- best: s\n  of: stock\n  where: s.asset == o.asset", ["E302"]),
        ("- order: o\n- check: x.n > 1\n- without: note\n  as: x\n  where: x.id == o.id", ["E202"]),
        ("- order: o\n- without: note\n  as: x\n  where: x.id == o.id\n- check: x.id == o.id", ["E202"]),
        ("- check: now > 5", ["E328"]),
        ("- order: o\n  reason: two words", ["E304"]),
        ("- order: o\n  for_distinct: {of: o.n}", ["E302"]),
        ("- order: o\n  fresh: 24", ["E237"]),
        ("- order: o\n  fresh: =params.nothing", ["E303"]),
        ("- order: o\n- note: n", ["W301"]),
        ("- order: o\n- note: n\n- stock: s", ["W301", "E327"]),
        ("- order: o\n- note: n\n  where: n.id == o.id", []),
        ('- order: o\n- note: n\n  where: n.id == "fixed"', []),
        ("- order: o\n- note: n\n- order: p\n  where: p.id == o.id and p.asset == n.id", []),
        ("- order: o\n- note: n\n  where: n.id in [o.id, o.asset]", []),
    ],
)
def test_terms_are_held_to_what_can_be_matched(tmp_path: Path, when: str, found: list[str]) -> None:
    assert codes(tmp_path, rule_text(when)) == found


@pytest.mark.parametrize(
    ("then", "found"),
    [
        ("- note: x", ["E340"]),
        ("- command: bridge", ["E342"]),
        ("- command: a.b\n  whit: {}", ["E301"]),
        ("- command: a.b\n  expires: 60s", ["E343"]),
        ("- command: a.b\n  expires: =o.n", ["E218"]),
        ("- command: a.b\n  with: {x: }", ["E305"]),
        ("- assert: source\n  with: {id: a}", ["E344"]),
        ("- assert: ready\n  with: {id: a}", ["E345"]),
        ("- retract: ready\n  key: {id: a}", ["E345"]),
        ("- conclude: note\n  with: {id: a}", ["E346"]),
        ("- assert: note\n  with: {id: a, txet: b}", ["E347"]),
        ("- retract: note\n  key: {id: a, text: b}", ["E347"]),
        ("- assert: order\n  with: {id: a, asset: b}", ["E348"]),
        ("- retract: stock\n  key: {place: a}", ["E348"]),
        ("- assert: note\n  with: {id: a, at: soon}", ["E233"]),
        ("- assert: note\n  with: {id: =o.amount}", ["E218"]),
    ],
)
def test_effects_are_held_to_the_kinds(tmp_path: Path, then: str, found: list[str]) -> None:
    assert codes(tmp_path, rule_text(ORDER, then)) == found


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("exhausted:\n  - assert: note\n    with: {id: =o.id}", ["E350"]),
        ("ended:\n  - command: log.note", ["E341"]),
        ("ended:\n  - conclude: ready\n    with: {id: a}", ["E341"]),
        ("repeat: {every: 1s}", ["E302"]),
        ("repeat: {every: 1s, times: 0}", ["E303"]),
        ("throttle: {per: =o.id}", ["E302"]),
        ("once: {as: x}", ["E302"]),
        ("priority: =o.state", ["E353"]),
        ("stage: live", []),
        ("was: one", ["E351"]),
        ("for: 12", ["E237"]),
    ],
)
def test_timing_is_held_to_what_it_needs(tmp_path: Path, more: str, found: list[str]) -> None:
    assert codes(tmp_path, rule_text(ORDER, more=more)) == found


def test_a_broken_term_is_said_once_and_not_at_each_use(tmp_path: Path) -> None:
    when = "- ordre: o\n- note: n\n  where: n.id == o.id\n- check: o.n > 1"
    then = '- command: log.note\n  with: {id: =o.id, text: "for {o.id}"}'
    assert codes(tmp_path, rule_text(when, then, more="once: =o.id")) == ["E320"]


def test_for_with_a_kind_of_samples_warns(tmp_path: Path) -> None:
    text = """
    pack: shop
    kinds:
      tick: {event: true, key: [id], ttl: 1m, fields: {id: id}}
      block: {key: [network, height], ttl: 1m, fields: {network: id, height: int}}
    rules:
      - rule: r
        when:
          - tick: t
          - block: b
            where: b.network == t.id
        for: 10s
        then:
          - command: log.note
    """
    assert codes(tmp_path, text) == ["W302", "W302"]
    assert codes(tmp_path, text.replace("for: 10s", "for: 10s\n        per: t.id")) == []


def test_a_problem_inside_an_expression_points_into_it(tmp_path: Path) -> None:
    problem = load(tmp_path, rule_text("- order: o\n  where: o.n > 1 and o.amont > 1")).problems[0]
    line = rule_text("- order: o\n  where: o.n > 1 and o.amont > 1").splitlines()[problem.line - 1]
    assert line[problem.column - 1 :] == "o.amont > 1"
    quoted = load(tmp_path, rule_text("- order: o\n  where: 'o.n > 1 and o.amont > 1'")).problems[0]
    assert quoted.column == problem.column + 1
