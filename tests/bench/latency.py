"""From a fact's acknowledged XADD to its command, readable in the outbox, while other facts come at a steady pace."""

from __future__ import annotations

import json
import sys
from itertools import islice
from typing import Any

from engine.clock import monotonic_ns
from tests.bench import workload
from tests.bench.peers import SECOND_NS, Result, percentiles, wait_until
from tests.bench.stand import KEYS, Sender, Stand, child, packed

_RULES = 100
_TICK_NS = SECOND_NS // 1_000
#: Facts that fire, a second; each is one sample.
_PROBES_PER_S = 200
_PATIENCE_MS = 5_000
#: The probes of the first second are not counted: the sender and the daemon are still warming up.
_WARM_S = 1

PROBE_KIND = """  probe:
    key: [n]
    ttl: 1h
    fields: {n: int}
rules:
  - rule: probe
    when:
      - probe: p
    then:
      - command: probe.note
        with: {n: =p.n}
"""


def measure(per_second: int, seconds: int, seed: int) -> Result:
    """p50 and p99 over ``seconds``, at ``per_second`` facts of the quiet workload under 100 rules."""
    pack = workload.pack(_RULES, workload.QUIET).replace("rules:\n", PROBE_KIND, 1)
    with Stand() as stand:
        stand.run(pack)
        warm = stand.fill(map(workload.entry, workload.changes(5_000, workload.QUIET, seed + 1)))
        stand.wait_committed(warm[-1])
        position = _outbox_end(stand)
        arguments = {"per_second": per_second, "seconds": seconds + _WARM_S, "seed": seed}
        wanted = (seconds + _WARM_S) * _PROBES_PER_S
        with child("tests.bench.latency", "send", stand.socket, json.dumps(arguments)) as sender:
            readable = _read(stand, position, wanted)
            assert sender.stdout is not None
            acknowledged: list[int] = json.loads(sender.stdout.read())
    warm_probes = _WARM_S * _PROBES_PER_S
    took = [readable[n] - acknowledged[n] for n in range(warm_probes, wanted)]
    return {"per_second": per_second, "samples": len(took)} | percentiles(took)


def _outbox_end(stand: Stand) -> bytes:
    found: Any = stand.client.xrevrange(KEYS.outbox, count=1)
    return found[0][0] if found else b"0-0"


def _read(stand: Stand, position: bytes, wanted: int) -> dict[int, int]:
    """When each probe's command could be read."""
    readable: dict[int, int] = {}
    with Sender(stand.socket) as reader:
        while len(readable) < wanted:
            answer = reader.call("XREAD", "BLOCK", _PATIENCE_MS, "STREAMS", KEYS.outbox, position)
            now = monotonic_ns()
            if answer is None:
                raise TimeoutError(f"{wanted - len(readable)} commands did not come")
            for identity, fields in answer[0][1]:
                position = identity
                if fields[3] == b"probe":
                    readable[json.loads(fields[7])["n"]] = now
    return readable


def send(socket: str, per_second: int, seconds: int, seed: int) -> None:
    """In the sending process: a pipeline each millisecond; one that is late is sent at once, so the pace holds."""
    ticks = 1_000 * seconds
    facts = map(workload.entry, workload.changes(per_second * seconds, workload.QUIET, seed))
    acknowledged: list[int] = []
    with Sender(socket) as sender:
        commands: list[list[bytes]] = []
        for tick in range(ticks):
            due = tick * per_second // 1_000
            pipeline = [packed(words) for words in islice(facts, (tick + 1) * per_second // 1_000 - due)]
            if tick % (1_000 // _PROBES_PER_S) == 0:
                pipeline[-1] = packed(_probe(tick * _PROBES_PER_S // 1_000))
            commands.append(pipeline)
        started = monotonic_ns()
        for tick, pipeline in enumerate(commands):
            wait_until(started + tick * _TICK_NS)
            sender.send(pipeline)
            if tick % (1_000 // _PROBES_PER_S) == 0:
                acknowledged.append(monotonic_ns())
    sys.stdout.write(json.dumps(acknowledged))


def _probe(number: int) -> list[str]:
    return ["*", "op", "assert", "kind", "probe", "source", "bench", "data", f'{{"n":{number}}}']


if __name__ == "__main__":
    send(sys.argv[2], **json.loads(sys.argv[3]))
