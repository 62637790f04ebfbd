"""Which measurements a run consists of, in the order they are taken; each is a name and a function of the seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from tests.bench import endurance, latency, lateness, peers, throughput, watchers
from tests.bench.peers import Result
from tests.bench.workload import BUSY, QUIET


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything.

    Attributes:
        facts: of a throughput measurement; a fifteenth of them where many fire.
        seconds: of a measurement at a steady pace.
        living: facts of the recovery measurement.
        deadlines: that come up.
        pending: deadlines that wait beside them.
        updates: of a watched fact.
        rules: of the rule bases, as their number is varied.
        watchers: of one fact.
        paces: facts a second of the latency measurements.
        reloaded: rules of the rule base that is replaced under load.
    """

    facts: int
    seconds: int
    living: int
    deadlines: int
    pending: int
    updates: int
    rules: tuple[int, ...] = peers.RULE_COUNTS
    watchers: tuple[int, ...] = (1_000, 10_000)
    paces: tuple[int, ...] = (2_000, 10_000)
    reloaded: int = 500


FULL: Final = Scale(150_000, 5, 100_000, 10_000, 100_000, 500)
QUICK: Final = Scale(20_000, 2, 20_000, 2_000, 5_000, 100, rules=(1, 100))
#: Only to see that every measurement runs.
TINY: Final = Scale(300, 1, 200, 20, 50, 3, rules=(10,), watchers=(5,), paces=(1_000,), reloaded=20)

Measurement = Callable[[int], Result]


def measurements(scale: Scale) -> dict[str, Measurement]:
    """Everything Lockstep is measured by; the peers are ``peers_of``."""
    found: dict[str, Measurement] = {}
    for rules in scale.rules:
        found[f"lockstep_{rules}_rules"] = partial(throughput.measure, rules, scale.facts, QUIET)
    found["lockstep_100_rules_busy"] = partial(throughput.measure, 100, scale.facts // 15, BUSY)
    for count in scale.watchers:
        updates = max(1, scale.updates * 1_000 // max(count, 1_000))
        found[f"lockstep_{count}_watchers"] = partial(watchers.measure, count, updates)
    for pace in scale.paces:
        found[f"lockstep_latency_{pace}"] = partial(latency.measure, pace, scale.seconds)
    found["lockstep_memory"] = lambda _seed: endurance.memory(scale.living)
    found["lockstep_recovery"] = lambda _seed: endurance.recovery(scale.living)
    lead_ms = 2_000 + scale.deadlines // 2
    for name, spread_ms in (("instant", 0), ("spread", 1_000 * scale.seconds)):
        found[f"lockstep_deadlines_{name}"] = partial(
            lateness.measure, scale.pending, scale.deadlines, spread_ms, lead_ms
        )
    found["lockstep_reload"] = partial(endurance.reload, scale.reloaded, 2_000, scale.seconds + 1)
    return found


def peers_of(scale: Scale) -> dict[str, Measurement]:
    """The same work, as far as they do it, by durable_rules alone and by Redis alone."""
    found: dict[str, Measurement] = {}
    for rules in scale.rules:
        found[f"durable_rules_{rules}_rules"] = partial(peers.durable_single_conditions, rules, QUIET, scale.facts)
    found["durable_rules_100_rules_busy"] = partial(peers.durable_single_conditions, 100, BUSY, scale.facts // 15)
    for count in scale.watchers[:1]:
        found[f"durable_rules_{count}_watchers"] = partial(peers.durable_watched, count, max(2, scale.updates // 4))
    found["redis_read_and_commit"] = partial(peers.redis_read_and_commit, scale.facts // 2)
    for pace in scale.paces:
        found[f"redis_hop_{pace}"] = partial(peers.redis_hop, pace, scale.seconds)
    return found
