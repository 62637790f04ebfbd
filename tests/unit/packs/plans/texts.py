"""A small plan without problems, to be made wrong one line at a time."""

from __future__ import annotations

from pathlib import Path

from engine.errors import Problem
from engine.model.plans import Plan
from tests.unit.packs.packs import base, load

PLAN = """
pack: p
use: [standard]
params:
  patience: {type: duration, default: 90s}
schedules:
  - schedule: hours
    window: {open: "0 8 * * mon-fri", close: "0 18 * * mon-fri"}
plans:
  - plan: one
    for:
      - intent: i
        where: i.kind == "swap"
    deadline: =now + hours(2)
    escalation: ops.page
    steps:
      - step: a
        when:
          - best: pool
            of: liquidity
            where: pool.network == i.target and pool.asset == i.asset_out
            by: =pool.available
            reason: POOL
        reserve: {of: pool, field: available, amount: =i.min_out, for: 60s}
        command: executor.a
        with: {intent: =i.id, venue: =pool.venue}
        seen:
          - transfer: s
            where: s.intent == i.id and s.asset == i.asset_in and s.state == "in_flight"
        confirmed:
          - transfer: t
            where: t.intent == i.id and t.asset == i.asset_in and t.state == "arrived"
        failed:
          - transfer: x
            where: x.intent == i.id and x.state == "failed"
        moves:
          gives: {asset: =i.asset_in, amount: =s.amount, place: =i.source}
          gets: {asset: =i.asset_in, amount: =t.amount, place: =i.target}
        effective: {network: =t.network, time: =t.chain_time, height: =t.height}
        within: 30m
        retry: {waits: [30s, 60s]}
        undo:
          - command: executor.back
            with: {amount: =t.amount}
        otherwise:
          blocked: [{missing: [POOL], for: 5m, undo: true}]
          timeout: [{escalate: true}]
          failed: [{retry: true}, {end: UNWOUND}]
      - step: b
        after: [a]
        command: executor.b
        effective: {time: =now}
        within: 60s
    no_return: b
    relations:
      - order: [a, b]
      - together: [a, b]
        within: 60s
        clock: effective
    outcome:
      achieved: =delivered(i.target, i.asset_in) >= i.amount
      otherwise: REFUNDED
"""


def changed(*pairs: tuple[str, str]) -> str:
    """The plan with some texts of it replaced; each must be in it."""
    text = PLAN
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def problems(folder: Path, *pairs: tuple[str, str]) -> list[Problem]:
    """What is said about the plan so changed."""
    return load(folder, changed(*pairs)).problems


def plan(folder: Path, *pairs: tuple[str, str]) -> Plan:
    """The plan so changed, which has no errors."""
    return base(folder, changed(*pairs)).plans[0]
