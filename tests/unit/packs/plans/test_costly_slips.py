"""What loads and costs money later is warned of, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.packs.bundle import load_paths

PACK = """\
pack: slips
version: 1
kinds:
  deal: {key: [id], keep: while_used, fields: {id: id, asset: id, amount: amount(asset)}}
  news: {key: [id], keep: while_used, fields: {id: id, deal: id, what: id, asset: id, amount: amount(asset)}}
  brief: {key: [id], ttl: 1m, fields: {id: id, deal: id, what: id}}
  cancel: {key: [id], keep: while_used, fields: {id: id}}
plans:
  - plan: p
    for: [{deal: d}]
    escalation: ops.page
    steps:
      - step: send
        command: bank.send
        seen: [{news: l, where: l.deal == d.id and l.what == "left"}]
        confirmed: [{news: n, where: n.deal == d.id and n.asset == d.asset and n.what == "there"}]
        moves:
          gives: {asset: =d.asset, amount: =d.amount, place: home}
          gets: {asset: =d.asset, amount: =n.amount, place: far}
        within: 30m
        undo:
          - command: bank.back
            confirmed: [{news: b, where: b.deal == d.id and b.what == "back"}]
        otherwise:
          timeout: [{escalate: true}, {for: 1h, undo: true}]
"""
_CONFIRMED = 'confirmed: [{news: n, where: n.deal == d.id and n.asset == d.asset and n.what == "there"}]'
_BACK = 'confirmed: [{news: b, where: b.deal == d.id and b.what == "back"}]'
_PEOPLE = "timeout: [{escalate: true}]"
_BRIEF = "confirmed: [{brief: n, where: n.deal == d.id}]"
_OWN = 'confirmed: [{step: c, where: c.coordination == coordination and c.name == "other"}]'
_TIMEOUT = "timeout: [{escalate: true}, {for: 1h, undo: true}]"

#: What is changed, and the code and line of the only warning of it.
SLIPS = [
    pytest.param(
        [(_CONFIRMED, 'confirmed: [{news: n, where: n.what == "there"}]'), ("=n.amount", "=raw(n.amount)")],
        "W607",
        16,
        id="joined",
    ),
    pytest.param([(_BACK, 'confirmed: [{news: b, where: b.what == "back"}]')], "W607", 23, id="undo joined"),
    pytest.param(
        [(_CONFIRMED, ""), ("amount: =n.amount", "amount: =d.amount")], "W608", 13, id="a report alone confirms"
    ),
    pytest.param(
        [(_CONFIRMED, "confirmed: [{brief: n, where: n.deal == d.id}]"), ("=n.amount", "=d.amount")],
        "W609",
        16,
        id="ttl",
    ),
    pytest.param([(_TIMEOUT, "timeout: [{escalate: true}]")], "W610", 25, id="people alone"),
    pytest.param([(_TIMEOUT, "failed: [{hold: 5m}]")], "W610", 25, id="a lone hold"),
    pytest.param([(_TIMEOUT, "refused: [{hold: 5m}, {escalate: true}]")], "W610", 25, id="hold and people"),
    pytest.param([("amount: =n.amount", "amount: =d.amount")], "W611", 16, id="the amount that was wanted"),
    pytest.param(
        [(_BACK, 'confirmed: [{news: b, where: b.deal == d.id and b.asset == d.asset and b.what == "there"}]')],
        "W606",
        23,
        id="one evidence there and back",
    ),
]
#: What is changed, and is right so.
FINE = [
    pytest.param([], id="as it stands"),
    pytest.param(
        [(_TIMEOUT, "timeout: [{escalate: true}]"), ("    steps:", "    deadline: 2h\n    steps:")], id="deadline"
    ),
    pytest.param([(_TIMEOUT, "unknown: [{escalate: true}]")], id="unknown waits"),
    pytest.param(
        [(_CONFIRMED, _CONFIRMED.replace("n.what", "n.amount == d.amount and n.what")), ("=n.amount", "=d.amount")],
        id="the amount is compared",
    ),
    pytest.param(
        [(_CONFIRMED, _OWN), ("=n.amount", "=d.amount")],
        id="joined by the coordination's id",
    ),
    pytest.param([("ttl: 1m", "ttl: 30m"), (_BACK, "confirmed: [{brief: b, where: b.deal == d.id}]")], id="long ttl"),
]


def warnings(tmp_path: Path, changes: list[tuple[str, str]]) -> list[tuple[str, int]]:
    text = PACK
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    (tmp_path / "p.yaml").write_text(text)
    found = load_paths([tmp_path / "p.yaml"]).problems
    return [(each.code, each.line) for each in found]


@pytest.mark.parametrize(("changes", "code", "line"), SLIPS)
def test_a_slip_that_costs_money_is_warned_of_where_it_stands(
    tmp_path: Path, changes: list[tuple[str, str]], code: str, line: int
) -> None:
    assert warnings(tmp_path, changes) == [(code, line)]


@pytest.mark.parametrize("changes", FINE)
def test_what_can_be_meant_is_not_warned_of(tmp_path: Path, changes: list[tuple[str, str]]) -> None:
    assert warnings(tmp_path, changes) == []
