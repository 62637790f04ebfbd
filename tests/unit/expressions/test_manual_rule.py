"""The worked rule of the pack language, term by term, as the pack checker takes it through."""

from __future__ import annotations

from engine.errors import Problem
from engine.model.exprtools import unparse
from engine.model.kinds import Type
from engine.model.rules import Span
from engine.packs.expressions import (
    Scope,
    bind_local,
    check_aggregated,
    check_conditions,
    check_template,
    check_term_value,
    check_value,
)
from tests.unit.expressions.samples import SPAN, TRANSFER, kind_of

INTENT = kind_of(
    "intent",
    id="id",
    state="enum(open, done)",
    source="id",
    target="id",
    amount="amount(asset_in)",
    asset_in="id",
    asset_out="id",
    min_out="amount(asset_out)",
)
NETWORK = kind_of("network", id="id", base_fee="wei", height="int")
BRIDGE = kind_of(
    "bridge", id="id", source="id", target="id", asset="id", paused="bool", capacity="amount(asset)", fee="bps"
)
QUOTE = kind_of("quote", id="id", intent="id", asset="id", out="amount(asset)")
POOL = kind_of("liquidity", id="id", network="id", asset="id", available="amount(asset)")
INCIDENT = kind_of("incident", id="id", network="id", open="bool")


def at(*texts: str) -> list[tuple[str, Span]]:
    return [(text, SPAN) for text in texts]


POSITIVE = {
    "i": (INTENT, 'i.state == "open" and i.source != i.target'),
    "src": (NETWORK, "src.id == i.source and src.base_fee <= params.gas_cap"),
    "b": (BRIDGE, "b.source == i.source and b.target == i.target and b.asset == i.asset_in"),
    "b2": (BRIDGE, "not b.paused and b.capacity >= i.amount"),
    "q": (QUOTE, "q.intent == i.id and q.asset == i.asset_out and q.out >= i.min_out"),
    "pool": (POOL, "pool.network == i.target and pool.asset == i.asset_out and free(pool.available) >= i.min_out"),
}


def test_the_worked_rule_checks_without_a_problem() -> None:
    problems: list[Problem] = []
    scope = Scope(params={"gas_cap": (Type("wei"), 30 * 10**9)})
    scope.learn_equalities(at(*(where for _, where in POSITIVE.values()), "pending + net <= b.capacity"))
    for alias, (kind, where) in POSITIVE.items():
        scope.aliases[alias] = kind
        assert check_conditions(at(where), scope, problems)

    without = scope.child()
    without.aliases["x"] = INCIDENT
    assert len(check_conditions(at("x.network in [i.source, i.target] and x.open"), without, problems)) == 2

    inner = scope.child()
    inner.aliases["t"] = TRANSFER
    of_transfers = at("t.asset == i.asset_in and t.intent == i.id")
    inner.learn_equalities(of_transfers)
    check_conditions(of_transfers, inner, problems)
    pending = check_aggregated("sum", "t.amount", SPAN, inner, problems)
    assert pending is not None
    bind_local(scope, "pending", pending, inner)

    net = check_term_value("floor_bps(i.amount, 10000 - b.fee)", SPAN, scope, problems)
    assert net is not None
    bind_local(scope, "net", net)
    (check,) = check_conditions(at("pending + net <= b.capacity"), scope, problems)
    assert unparse(check) == "pending + net <= b.capacity"

    assert check_term_value("free(pool.available)", SPAN, scope, problems) is not None
    assert check_value("floor_bps(q.out, 9950)", SPAN, scope, problems) is not None
    assert check_value("now + seconds(60)", SPAN, scope, problems, Type("timestamp")) is not None
    check_template("waits for {i.target}", SPAN, scope, problems)
    assert problems == []
