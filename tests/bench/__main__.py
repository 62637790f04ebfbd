"""``make bench``: everything, beside the peers, in one run on one machine.

    python -m tests.bench [--json] [--seed N] [NAME…]      BENCH=quick: a minute instead of six

NAMEs choose measurements by a part of their name.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import sys
from importlib.metadata import version

from engine.clock import monotonic_ns
from tests.bench import report
from tests.bench.peers import SECOND_NS, Result, machine
from tests.bench.run import FULL, QUICK, measurements, peers_of
from tests.bench.stand import Stand


def surroundings() -> dict[str, int | str]:
    """Machine and versions."""
    with Stand() as stand:
        server = str(stand.client.info("server")["redis_version"])
    load = os.getloadavg()[0]
    return {
        **machine(),
        "load_1m": f"{load:.2f}",
        "lockstep": version("lockstep"),
        "durable_rules": version("durable-rules"),
        "redis": server,
        "redis_py": version("redis"),
    }


def main() -> None:
    """Measure, then show."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    scale = QUICK if os.environ.get("BENCH") == "quick" else FULL
    place, results = surroundings(), dict[str, Result]()
    for name, measure in {**measurements(scale), **peers_of(scale)}.items():
        if asked.names and not any(part in name for part in asked.names):
            continue
        started = monotonic_ns()
        try:
            results[name] = measure(asked.seed)
        except (AssertionError, OSError, queue.Empty) as error:  # the machine was too slow; the rest still counts
            sys.stderr.write(f"{name}: not measured: {type(error).__name__} {error}\n")
            continue
        sys.stderr.write(f"{name}: {(monotonic_ns() - started) // SECOND_NS} s\n")
    if asked.json:
        sys.stdout.write(json.dumps({"machine": place, "seed": asked.seed, **results}, indent=2) + "\n")
    else:
        report.show(results, place, asked.seed)


if __name__ == "__main__":
    main()
