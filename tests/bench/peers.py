"""What Lockstep's numbers stand beside: durable_rules as people use it, and a bare Redis that only reads and commits.

Each peer is a function that returns integers: counts, nanoseconds, and rates derived from them. ``durable_rules`` runs
in a child process, because it may die of an ordinary retraction; ``died_by_signal`` then says how (0: it lived).

    python -m tests.bench.peers [seed]
"""

from __future__ import annotations

import json
import os
import platform
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import redis

from engine.clock import monotonic_ns
from engine.store.embedded import EmbeddedServer
from tests.bench.workload import BUSY, KINDS, QUIET, Change, changes, threshold

#: Rules of the single-condition peer.
RULE_COUNTS = (1, 10, 100, 500)
BATCH = 500
SECOND_NS = 10**9

Result = dict[str, int]
#: Entries as redis-py gives them: id and fields.
Batch = list[tuple[bytes, dict[bytes, bytes]]]

#: The whole work of a bare commit: facts, cursor, nothing decided. KEYS: facts, meta. ARGV: cursor, field, value, …
COMMIT = """
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('HSET', KEYS[2], 'cursor', ARGV[1])
return 1
"""


def machine() -> dict[str, int | str]:
    """What the numbers were measured on."""
    model = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) * 1024 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    return {
        "processor": model[0] if model else platform.processor(),
        "cores": os.cpu_count() or 0,
        "memory_bytes": memory[0] if memory else 0,
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


# --- durable_rules, in memory, through its own Python API ------------------------------------------------------------


def durable_single_conditions(rules: int, span: int = QUIET, operations: int = 20_000, seed: int = 1) -> Result:
    """Facts per second with ``m.kind == … & m.value > …`` rules on the facts of ``workload``.

    A value change is what the library asks its users to do: retract the fact, assert it anew. Nothing is durable.
    """
    return _in_child("single_conditions", {"rules": rules, "span": span, "operations": operations, "seed": seed})


def durable_watched(watchers: int = 1_000, updates: int = 200, seed: int = 1) -> Result:
    """The cost of one update of a fact that ``watchers`` others are joined to and none of them matches."""
    return _in_child("watched", {"watchers": watchers, "updates": updates, "floor": 10_000, "seed": seed})


def durable_watched_and_true(watchers: int = 1_000, updates: int = 50, seed: int = 1) -> Result:
    """The same where all match before and after: without a way to update, each of them fires anew."""
    return _in_child("watched", {"watchers": watchers, "updates": updates, "floor": -1_000, "seed": seed})


def _in_child(name: str, arguments: Mapping[str, int]) -> Result:
    command = [sys.executable, "-m", "tests.bench.peers", "child", name, json.dumps(arguments)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode < 0:
        return {**arguments, "died_by_signal": -child.returncode}
    if child.returncode > 0:
        raise RuntimeError(f"{name} failed: {child.stderr[-2000:]}")
    return {**arguments, "died_by_signal": 0, **json.loads(child.stdout)}


def _single_conditions(rules: int, span: int, operations: int, seed: int) -> Result:
    lang = _lang()
    not_handled: type[Exception] = import_module("durable.engine").MessageNotHandledException
    fired = [0]

    def fire(_context: object) -> None:
        fired[0] += 1

    with lang.ruleset("peer"):
        for number in range(rules):
            floor = threshold(number, span)
            lang.when_all((lang.m.kind == f"kind-{number % KINDS}") & (lang.m.value > floor))(fire)

    held: dict[str, dict[str, object]] = {}

    def put(change: Change) -> None:
        name = f"{change.kind}-{change.key}"
        if name in held:
            lang.retract_fact("peer", held[name])
        held[name] = {"id": name, "kind": f"kind-{change.kind}", "key": change.key, "value": change.value}
        # The library's way to say that no rule looks at the fact.
        with suppress(not_handled):
            lang.assert_fact("peer", held[name])

    put(Change(0, 0, 0))  # the rules are compiled on first use
    facts = list(changes(operations, span, seed))
    started = monotonic_ns()
    for change in facts:
        put(change)
    elapsed = monotonic_ns() - started
    return _rate(operations, elapsed) | {"fired": fired[0]}


def _watched(watchers: int, updates: int, floor: int, seed: int) -> Result:
    lang, rng = _lang(), Random(seed)
    fired = [0]

    def fire(_context: object) -> None:
        fired[0] += 1

    m, c = lang.m, lang.c
    with lang.ruleset("peer"):
        intent = c.intent << (m.kind == "intent")
        # The last term always holds: without one that does, the library reads past its terms and dies of this rule.
        price = c.price << (
            (m.kind == "price") & (m.pair == c.intent.pair) & (m.value > c.intent.floor) & (m.one == c.intent.one)
        )
        lang.when_all(intent, price)(fire)

    for number in range(watchers):
        watcher = {"id": f"i{number}", "kind": "intent", "pair": 7, "floor": floor + rng.randrange(1_000), "one": 1}
        lang.assert_fact("peer", watcher)
    fact = {"id": "p", "kind": "price", "pair": 7, "value": 0, "one": 1}
    lang.assert_fact("peer", fact)
    fired[0] = 0
    started = monotonic_ns()
    for _ in range(updates):
        lang.retract_fact("peer", fact)
        fact = {**fact, "value": rng.randrange(10_000)}
        lang.assert_fact("peer", fact)
    elapsed = monotonic_ns() - started
    return {
        "elapsed_ns": elapsed,
        "update_ns": elapsed // updates,
        "watcher_ns": elapsed // (updates * watchers),
        "fired": fired[0],
    }


def _lang() -> Any:  # noqa: ANN401 - the library has no types
    return import_module("durable.lang")


_CHILDREN: dict[str, Callable[..., Result]] = {"single_conditions": _single_conditions, "watched": _watched}


# --- Redis, reading and committing and nothing else ------------------------------------------------------------------


def redis_read_and_commit(entries: int = 50_000, seed: int = 1) -> Result:
    """Facts per second of XREAD 500 and one atomic script per batch, each append on disk before it is answered."""
    rng = Random(seed)
    with _server() as client:
        commit = client.register_script(COMMIT)
        for first in range(0, entries, 1_000):
            pipe = client.pipeline(transaction=False)
            for number in range(first, min(first + 1_000, entries)):
                pipe.xadd("journal", _entry(number, rng))
            pipe.execute()
        started, cursor, done = monotonic_ns(), b"0-0", 0
        while done < entries:
            batch = _read(client, cursor)
            cursor = batch[-1][0]
            commit(keys=["facts", "meta"], args=[cursor, *_changes(batch)])
            done += len(batch)
        elapsed = monotonic_ns() - started
    return {"entries": entries, "seed": seed} | _rate(entries, elapsed)


def redis_hop(per_second: int = 10_000, seconds: int = 5, seed: int = 1) -> Result:
    """From before XADD to after the commit that holds it, while another process sends at that pace."""
    with _server() as client:
        commit = client.register_script(COMMIT)
        arguments = json.dumps({"per_second": per_second, "seconds": seconds, "seed": seed})
        path = str(client.connection_pool.connection_kwargs["path"])
        command = [sys.executable, "-m", "tests.bench.peers", "send", path, arguments]
        total, cursor = per_second * seconds, b"0-0"
        took: list[int] = []
        started = 0
        with subprocess.Popen(command) as sender:
            while len(took) < total:
                batch = _read(client, cursor)
                started = started or monotonic_ns()
                cursor = batch[-1][0]
                commit(keys=["facts", "meta"], args=[cursor, *_changes(batch)])
                now = monotonic_ns()
                took.extend(now - int(entry[b"sent_ns"]) for _, entry in batch)
            elapsed = monotonic_ns() - started
            sender.wait()
    return {"asked_per_s": per_second, "seed": seed} | _rate(total, elapsed) | percentiles(took)


def _read(client: redis.Redis, cursor: bytes) -> Batch:
    answer: Any = client.xread({"journal": cursor}, count=BATCH, block=10_000)
    if not answer:
        raise RuntimeError("nobody sends any more")
    batch: Batch = answer[0][1]
    return batch


def _changes(batch: Batch) -> list[bytes]:
    return [part for _, entry in batch for part in (entry[b"key"], entry[b"data"])]


def percentiles(values: list[int]) -> Result:
    """p50, p90, p99 and the largest, in ns."""
    ranked = sorted(values)
    at = {f"p{share}_ns": ranked[min(len(ranked) - 1, len(ranked) * share // 100)] for share in (50, 90, 99)}
    return {**at, "max_ns": ranked[-1]}


def _send(path: str, per_second: int, seconds: int, seed: int) -> None:
    """In the sending process: a pipeline each millisecond; one that is late is sent at once, so the pace holds."""
    rng = Random(seed)
    client = redis.Redis(unix_socket_path=path)
    tick_ns, per_tick = SECOND_NS // 1_000, per_second // 1_000
    started = monotonic_ns()
    for tick in range(1_000 * seconds):
        wait_until(started + tick * tick_ns)
        pipe = client.pipeline(transaction=False)
        for number in range(per_tick):
            pipe.xadd("journal", _entry(tick * per_tick + number, rng) | {"sent_ns": monotonic_ns()})
        pipe.execute()


def wait_until(instant_ns: int) -> None:
    """Sleep, so that a sender that keeps a pace does not take a processor from what is measured."""
    while (left := instant_ns - monotonic_ns()) > 0:
        select.select([], [], [], left / SECOND_NS)


def _entry(number: int, rng: Random) -> dict[Any, Any]:
    """A fact like the ones other services send: 9 of 10 change the value of a key that is there."""
    key = rng.randrange(1_000) if number % 10 else number
    data = f'{{"id":"{key}","height":{number},"base_fee":"{rng.randrange(10**11)}"}}'
    return {"op": "assert", "kind": "network", "source": "bench", "key": f"network|{key}", "data": data}


class _server:
    """A redis-server as the daemon starts it, in a folder of its own, and a client of it."""

    def __enter__(self) -> redis.Redis:
        self._folder = tempfile.TemporaryDirectory(prefix="lockstep-bench-")
        self._server = EmbeddedServer(Path(self._folder.name))
        self._client = redis.Redis(unix_socket_path=str(self._server.start().path))
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._server.stop()
        self._folder.cleanup()


def _rate(count: int, elapsed_ns: int) -> Result:
    return {"operations": count, "elapsed_ns": elapsed_ns, "facts_per_s": count * SECOND_NS // max(1, elapsed_ns)}


def every_peer(seed: int = 1) -> dict[str, Result]:
    """All of them, one after the other; about a minute."""
    results = {
        f"durable_rules_{rules}_rule{'s' if rules > 1 else ''}": durable_single_conditions(rules, seed=seed)
        for rules in RULE_COUNTS
    }
    results["durable_rules_100_rules_busy"] = durable_single_conditions(100, BUSY, seed=seed)
    results["durable_rules_watched"] = durable_watched(seed=seed)
    results["durable_rules_watched_and_true"] = durable_watched_and_true(seed=seed)
    results["redis_read_and_commit"] = redis_read_and_commit(seed=seed)
    results["redis_hop"] = redis_hop(seed=seed)
    return results


def main(arguments: list[str]) -> None:
    """The peers, or one of the processes they start."""
    match arguments:
        case ["child", name, text]:
            sys.stdout.write(json.dumps(_CHILDREN[name](**json.loads(text))))
            sys.stdout.flush()
            # The library's threads poll for ever and may be in C code while the interpreter goes.
            os._exit(0)
        case ["send", path, text]:
            _send(path, **json.loads(text))
        case _:
            seed = int(arguments[0]) if arguments else 1
            sys.stdout.write(json.dumps({"machine": machine(), "seed": seed, **every_peer(seed)}, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
