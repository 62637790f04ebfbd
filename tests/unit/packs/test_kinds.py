"""Kinds: what they say is what the engine gets, and what they must not say is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.kinds import ENGINE_KINDS, Field, Kind, Type
from tests.unit.packs.packs import base, codes, load


def kind_text(body: str, name: str = "thing") -> str:
    return f"pack: shop\nkinds:\n  {name}: {{{body}}}\n"


FIELDS = "fields: {id: id, n: int, note: text, maybe: int?, h: hash?}"


def test_a_kind_is_what_its_text_says(tmp_path: Path) -> None:
    text = """
    pack: shop
    kinds:
      liquidity:
        doc: What can be paid out.
        key: [network, asset]
        order: [height]
        claims: per_source
        ttl: 10m
        chain: {network: network, block: block_hash}
        fields:
          network: id
          asset: id
          available: amount(asset)
          height: int
          block_hash: hash?
          state: enum(open, closed)
          tags: {type: list(id), default: [a, b]}
          note: {type: text, default: ""}
          fee: {type: bps, default: 50 bps}
    """
    kind = base(tmp_path, text).kinds["liquidity"]
    assert kind == Kind(
        "liquidity",
        (
            Field("network", Type("id")),
            Field("asset", Type("id")),
            Field("available", Type("amount", asset_field="asset")),
            Field("height", Type("int")),
            Field("block_hash", Type("hash"), optional=True),
            Field("state", Type("enum", options=("open", "closed"))),
            Field("tags", Type("list", item=Type("id")), default=("a", "b")),
            Field("note", Type("text"), default=""),
            Field("fee", Type("bps"), default=50),
        ),
        key=("network", "asset"),
        order=("height",),
        per_source=True,
        ttl_ms=600_000,
        chain_network="network",
        chain_block="block_hash",
        doc="What can be paid out.",
    )


def test_the_engines_own_kinds_are_always_there(tmp_path: Path) -> None:
    assert base(tmp_path, "pack: shop\n").kinds == ENGINE_KINDS


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (f"key: [id], {FIELDS}", "E412"),
        (f"key: [id], permanent: true, {FIELDS}", "E412"),
        (f"key: [id], ttl: 1m, limit: 5, {FIELDS}", "E412"),
        (f"key: [id], ttl: 1m, keep: while_used, {FIELDS}", "E306"),
        (f"key: [id], keep: for_ever, {FIELDS}", "E303"),
        (f"key: [id], ttl: 0s, {FIELDS}", "E303"),
        (f"key: [id], order: [n], keep: while_used, {FIELDS}", "E413"),
        (f"key: [id], order: [n], permanent: true, limit: 9, {FIELDS}", "E413"),
        (f"key: [id], order: [note], ttl: 1m, {FIELDS}", "E410"),
        (f"key: [id], order: [maybe], ttl: 1m, {FIELDS}", "E410"),
        (f"key: [id], order: [n], event: true, ttl: 1m, {FIELDS}", "E414"),
        (f"key: [], ttl: 1m, {FIELDS}", "E305"),
        (f"key: [id, id], ttl: 1m, {FIELDS}", "E401"),
        (f"key: [no], ttl: 1m, {FIELDS}", "E401"),
        (f"key: [h], ttl: 1m, {FIELDS}", "E408"),
        (f"key: [note], ttl: 1m, {FIELDS}", "E409"),
        (f"key: [id], ttl: 1m, chain: {{network: id}}, {FIELDS}", "E302"),
        (f"key: [id], ttl: 1m, chain: {{network: id, block: n}}, {FIELDS}", "E415"),
        (f"key: [id], concluded: true, claims: per_source, {FIELDS}", "E416"),
        (f"key: [id], concluded: yes, ttl: 1m, {FIELDS}", "E303"),
        ("key: [id], ttl: 1m, fields: {id: id, a: 'amount(id)?', b: 'enum()'}", "E404"),
        ("key: [id], ttl: 1m, fields: {id: id, b: 'list(json)'}", "E404"),
        ("key: [id], ttl: 1m, fields: {id: id, b: 'int(3)'}", "E404"),
        ("key: [id], ttl: 1m, fields: {id: id, b: {type: int?, default: 3}}", "E407"),
        ("key: [id], ttl: 1m, fields: {id: id, b: {type: int, default: x}}", "E230"),
        ("key: [id], ttl: 1m, fields: {id: id, a: id?, b: amount(a)}", "E411"),
        ("key: [id], ttl: 1m, fields: {id: id, class: id}", "E304"),
    ],
)
def test_a_kind_that_cannot_be_is_refused(tmp_path: Path, body: str, code: str) -> None:
    assert codes(tmp_path, kind_text(body)) == [code]


def test_a_permanent_kind_with_a_limit_and_a_kept_kind_need_no_ttl(tmp_path: Path) -> None:
    one = base(tmp_path, kind_text(f"key: [id], permanent: true, limit: 5, {FIELDS}")).kinds["thing"]
    assert (one.permanent, one.limit, one.ttl_ms) == (True, 5, None)
    other = base(tmp_path, kind_text(f"key: [id], keep: while_used, {FIELDS}")).kinds["thing"]
    assert (other.keep_while_used, other.ttl_ms) == (True, None)


def test_two_packs_declare_a_kind_alike_or_not_at_all(tmp_path: Path) -> None:
    one = "pack: one\nkinds:\n  thing: {doc: A, key: [id], ttl: 1m, fields: {id: id}}\n"
    same = one.replace("pack: one", "pack: two").replace("doc: A", "doc: B")
    other = same.replace("ttl: 1m", "ttl: 2m")
    assert codes(tmp_path, one, same) == []
    assert codes(tmp_path, one, other) == ["E403"]
    assert codes(tmp_path, one, one) == ["E403"]


def test_a_pack_sees_only_the_kinds_it_asks_for(tmp_path: Path) -> None:
    lender = "pack: lender\nkinds:\n  loan: {key: [id], ttl: 1m, fields: {id: id}}\n"
    rule = "rules:\n  - rule: r\n    when:\n      - loan: x\n    then:\n      - command: log.note\n"
    problem = load(tmp_path, lender, "pack: shop\n" + rule).problems[0]
    assert (problem.code, problem.hint) == (
        "E320",
        "the pack 'lender' has it; name that pack in 'use:', as in 'use: [lender]'",
    )
    assert codes(tmp_path, lender, "pack: shop\nuse: [lender]\n" + rule) == []


def test_parameters_have_a_type_and_a_value_with_a_unit(tmp_path: Path) -> None:
    text = """
    pack: shop
    params:
      cap: {type: wei, default: 30 gwei}
      wait: {type: duration, default: 12s}
      coin: {type: id, default: USDC}
      least: {type: amount(coin), default: 5000000}
      nets: {type: list(id), default: [ethereum, base]}
    kinds:
      net: {key: [id], ttl: =params.wait, fields: {id: id, fee: wei}}
    rules:
      - rule: r
        when:
          - net: n
            where: n.id in params.nets and n.fee <= params.cap
        for: =params.wait
        then:
          - command: log.note
    """
    assert codes(tmp_path, text) == ["E303"]
    rule = base(tmp_path, text.replace("=params.wait, fields", "1m, fields")).rules[0]
    assert rule.for_ms == 12_000
    assert codes(tmp_path, "pack: shop\nparams:\n  a: {type: int}\n  b: {type: int?, default: 1}\n") == ["E302", "E405"]
