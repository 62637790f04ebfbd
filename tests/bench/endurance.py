"""What months need: memory per fact, recovery, and a new rule base while facts keep coming."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from itertools import cycle, islice

from engine.clock import monotonic_ns, wall_ms
from engine.model.journal import StreamId
from tests.bench import workload
from tests.bench.peers import SECOND_NS, Result, wait_until
from tests.bench.stand import KEYS, Sender, Stand, child, packed

_TICK_NS = SECOND_NS // 1_000
#: Far enough ahead that no deadline comes up while it is measured.
_FAR_MS = 3_600_000

PACK = """
pack: bench
version: 1
kinds:
  reading:
    key: [id]
    permanent: true
    limit: 1000000
    fields: {id: int, value: int}
  order:
    key: [id]
    permanent: true
    limit: 1000000
    fields: {id: int, due: timestamp}
  intent:
    key: [id]
    permanent: true
    limit: 1000000
    fields: {id: int, ref: id, amount: int}
  leg:
    key: [id]
    permanent: true
    limit: 1000000
    fields: {id: int, ref: id, amount: int}
rules:
  - rule: high
    when:
      - reading: r
        where: r.value > 1000000
    then:
      - command: act.high
        with: {id: =r.id}
  - rule: late
    when:
      - order: o
        where: now > o.due
    then:
      - command: act.late
        with: {id: =o.id}
  - rule: paid
    when:
      - intent: i
      - leg: l
        where: l.ref == i.ref and l.amount > i.amount
    then:
      - command: act.paid
        with: {id: =i.id}
"""


def words(kind: str, **data: int | str) -> list[str]:
    """The words of an XADD that asserts a fact."""
    return ["*", "op", "assert", "kind", kind, "source", "bench", "data", json.dumps(data)]


def facts(total: int, due_ms: int) -> Iterator[list[str]]:
    """Half wait for a deadline, a fifth are joined in pairs, the rest only have a value that a rule watches."""
    pairs = total // 10
    for n in range(total // 2):
        yield words("order", id=n, due=due_ms + n)
    for n in range(pairs):
        yield words("intent", id=n, ref=f"ref-{n}", amount=n)
        yield words("leg", id=n, ref=f"ref-{n}", amount=0)
    for n in range(total - total // 2 - 2 * pairs):
        yield words("reading", id=n, value=n % 1000)


def recovery(total: int) -> Result:
    """A daemon is killed and another takes over: from the lease to the last fact in its place."""
    with Stand() as stand:
        stand.run(PACK)
        before = stand.rss_bytes()
        stand.wait_committed(stand.fill(facts(total, wall_ms() + _FAR_MS))[-1])
        grown = stand.rss_bytes() - before
        stand.kill()
        started = monotonic_ns()
        daemon = stand.start()
        daemon.wait_for("leading")
        leading = monotonic_ns()
        daemon.wait_for("recovered")
        recovered = monotonic_ns()
        daemon.wait_for("ready")
        ready = monotonic_ns()
        assert int(stand.client.hlen(KEYS.facts)) >= total
    return {
        "facts": total,
        "joined": total // 10 * 2,
        "deadlines": total // 2,
        "recovery_ns": recovered - leading,
        "start_to_ready_ns": ready - started,
        "mixed_memory_bytes_per_fact": grown // total,
    }


def memory(total: int) -> Result:
    """Growth of the daemon and of Redis while ``total`` new facts come, each watched by a rule, none of them joined."""
    with Stand() as stand:
        stand.run(PACK)
        stand.wait_committed(stand.fill([words("reading", id=total + n, value=0) for n in range(1_000)])[-1])
        daemon, server = stand.rss_bytes(), _redis_bytes(stand)
        stand.wait_committed(stand.fill(words("reading", id=n, value=n % 1000) for n in range(total))[-1])
        stand.client.xtrim(KEYS.journal, maxlen=0, approximate=False)
        return {
            "facts": total,
            "daemon_bytes_per_fact": (stand.rss_bytes() - daemon) // total,
            "redis_bytes_per_fact": (_redis_bytes(stand) - server) // total,
        }


def _redis_bytes(stand: Stand) -> int:
    return int(stand.client.info("memory")["used_memory"])


def reload(rules: int, per_second: int, seconds: int, seed: int) -> Result:
    """The longest time between two commits, with a new rule base coming in half-way and without."""
    with Stand() as stand:
        stand.run(workload.pack(rules, workload.QUIET))
        arguments = json.dumps({"per_second": per_second, "seconds": 2 * seconds, "seed": seed})
        with child("tests.bench.endurance", "send", stand.socket, arguments) as sender:
            assert sender.stdout is not None
            sender.stdout.readline()
            usual = _longest_gap(stand, monotonic_ns() + seconds * SECOND_NS, lambda: True)
            revision = stand.client.hget(KEYS.meta, "revision")
            pushed = stand.push(workload.pack(rules, 2 * workload.QUIET, version=2))
            during = _longest_gap(stand, monotonic_ns(), lambda: pushed.poll() is not None)
            assert pushed.wait() == 0
            last = sender.stdout.readline().strip()
            stand.wait_committed(StreamId.parse(last))
        assert stand.client.hget(KEYS.meta, "revision") != revision
        assert int(stand.client.xlen(KEYS.rejected)) == 0
    return {"rules": rules, "per_second": per_second, "pause_ns": during, "usual_pause_ns": usual}


def _longest_gap(stand: Stand, until: int, is_over: Callable[[], bool]) -> int:
    """Between two changes of the cursor, ns, until that instant, and until it is over."""
    longest, before, since = 0, b"", monotonic_ns()
    with Sender(stand.socket) as sender:
        while (now := monotonic_ns()) < until or not is_over():
            cursor = sender.call("HGET", KEYS.meta, "cursor")
            if cursor != before:
                before, since = cursor, now
            longest = max(longest, now - since)
            wait_until(now + _TICK_NS)
    return longest


def send(socket: str, per_second: int, seconds: int, seed: int) -> None:
    """In the sending process: a steady pace; says when it begins, and at the end the last id."""
    some = list(map(workload.entry, workload.changes(per_second, workload.QUIET, seed)))
    source = cycle(map(packed, some))
    last = b""
    with Sender(socket) as sender:
        started = monotonic_ns()
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        for tick in range(1_000 * seconds):
            wait_until(started + tick * _TICK_NS)
            last = sender.send(list(islice(source, per_second // 1_000)))[-1]
    sys.stdout.write(last.decode() + "\n")


if __name__ == "__main__":
    send(sys.argv[2], **json.loads(sys.argv[3]))
