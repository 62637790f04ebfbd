"""The cost of one update of a fact that many groundings watch and that makes none of them true."""

from __future__ import annotations

import json
from random import Random

from engine.clock import monotonic_ns
from tests.bench.peers import Result
from tests.bench.stand import Stand

PACK = """
pack: bench
version: 1
kinds:
  net:
    key: [id]
    ttl: 1h
    fields: {id: id, fee: int}
  want:
    key: [id]
    ttl: 1h
    fields: {id: id, net: id, floor: int}
rules:
  - rule: cheap-enough
    when:
      - want: w
      - net: n
        where: n.id == w.net and n.fee > w.floor
    then:
      - command: act.note
        with: {id: =w.id}
"""


def measure(watchers: int, updates: int, seed: int) -> Result:
    """``watchers`` wants look up one net by key; its fee changes ``updates`` times below every floor."""
    rng = Random(seed)
    with Stand() as stand:
        stand.run(PACK)
        wants = [_entry("want", {"id": f"w{n}", "net": "n", "floor": 10_000 + n}) for n in range(watchers)]
        last = stand.fill([_net(0), *wants, _net(1)])[-1]
        stand.wait_committed(last)
        changes = [_net(rng.randrange(2, 10_000)) for _ in range(updates)]
        started = monotonic_ns()
        elapsed = stand.wait_committed(stand.fill(changes)[-1]) - started
    update_ns = elapsed // updates
    return {"watchers": watchers, "updates": updates, "update_ns": update_ns, "watcher_ns": update_ns // watchers}


def _net(fee: int) -> list[str]:
    return _entry("net", {"id": "n", "fee": fee})


def _entry(kind: str, data: dict[str, str | int]) -> list[str]:
    return ["*", "op", "assert", "kind", kind, "source", "bench", "data", json.dumps(data)]
