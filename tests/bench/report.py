"""One table of one run: what was measured, Lockstep's number, and beside it the peer's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.bench.peers import Result

Results = Mapping[str, Result]


@dataclass(frozen=True, slots=True)
class Line:
    """One row: ``of`` names the result, ``beside`` the peer's; ``show`` puts a result into words."""

    what: str
    of: str
    show: Callable[[Result], str]
    beside: str = ""
    show_beside: Callable[[Result], str] | None = None


def per_second(name: str) -> Callable[[Result], str]:
    """A rate."""
    return lambda result: f"{result[name]:,}/s"


def _span(result: Result) -> str:
    return f"{result['p50_ns'] // 1_000:,} / {result['p99_ns'] // 1_000:,} µs"


def _late(result: Result) -> str:
    return f"{result['early']} early; {result['p50_ns'] // 10**6:,} / {result['p99_ns'] // 10**6:,} ms"


def _update(result: Result) -> str:
    if result.get("died_by_signal"):
        return f"died of signal {result['died_by_signal']}"
    return f"{result['update_ns'] // 1_000:,} µs, {result['watcher_ns']:,} ns a watcher"


def _peer_rate(result: Result) -> str:
    if result["died_by_signal"]:
        return f"died of signal {result['died_by_signal']}"
    return f"{result['facts_per_s']:,}/s"


def lines(results: Results) -> list[Line]:
    """The rows for what the run holds, in order."""
    rows: list[Line] = []
    for name in (each for each in results if each.startswith("lockstep_") and "_rules" in each):
        words = name.removeprefix("lockstep_").replace("_rules", " rules").replace("_busy", ", half of the facts fire")
        peer = name.replace("lockstep", "durable_rules")
        rows.append(Line(f"{words}: full journal", name, per_second("drain_facts_per_s"), peer, _peer_rate))
        rows.append(Line(f"{words}: live", name, per_second("live_facts_per_s")))
    for name in (each for each in results if each.startswith("lockstep_") and each.endswith("_watchers")):
        count = results[name]["watchers"]
        rows.append(
            Line(f"update with {count:,} watchers", name, _update, name.replace("lockstep", "durable_rules"), _update)
        )
    for name in (each for each in results if each.startswith("lockstep_latency_")):
        pace = results[name]["per_second"]
        rows.append(Line(f"fact to outbox at {pace:,}/s, p50 / p99", name, _span, f"redis_hop_{pace}", _span))
    rows += [
        Line("memory per fact, daemon", "lockstep_memory", lambda r: f"{r['daemon_bytes_per_fact']:,} bytes"),
        Line("memory per fact, Redis", "lockstep_memory", lambda r: f"{r['redis_bytes_per_fact']:,} bytes"),
        Line("recovery", "lockstep_recovery", lambda r: f"{r['recovery_ns'] // 10**6:,} ms for {r['facts']:,} facts"),
        Line("start to ready", "lockstep_recovery", lambda r: f"{r['start_to_ready_ns'] // 10**6:,} ms"),
        Line("deadlines at one instant, p50 / p99", "lockstep_deadlines_instant", _late),
        Line("deadlines spread, p50 / p99", "lockstep_deadlines_spread", _late),
        Line(
            "longest pause, reload under load",
            "lockstep_reload",
            lambda r: f"{r['pause_ns'] // 10**6:,} ms (else {r['usual_pause_ns'] // 10**6:,} ms), {r['rules']} rules",
        ),
        Line("Redis, read and commit alone", "", str, "redis_read_and_commit", per_second("facts_per_s")),
    ]
    return [row for row in rows if row.of in results or row.beside in results]


def table(results: Results, machine: Mapping[str, int | str], seed: int) -> Table:
    """The run, for people."""
    place = ", ".join(f"{name} {value}" for name, value in machine.items())
    made = Table(title="make bench", caption=f"{place}; seed {seed}")
    made.add_column("what")
    made.add_column("Lockstep, durable", justify="right")
    made.add_column("peer (durable_rules: in memory)", justify="right")
    for row in lines(results):
        own = row.show(results[row.of]) if row.of in results else ""
        beside = row.show_beside or row.show
        made.add_row(row.what, own, beside(results[row.beside]) if row.beside in results else "")
    return made


def show(results: Results, machine: Mapping[str, int | str], seed: int) -> None:
    """Print the table."""
    Console().print(table(results, machine, seed))
