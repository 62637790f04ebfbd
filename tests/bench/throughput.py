"""Facts per second from the journal to the commit, every append on disk before it is answered.

python -m tests.bench.throughput rules=100 facts=100000 span=100000 seed=1
"""

from __future__ import annotations

import json
import sys
from bisect import bisect_right

from engine.clock import monotonic_ns
from engine.model.journal import StreamId
from tests.bench import workload
from tests.bench.peers import Result
from tests.bench.stand import KEYS, SECOND_NS, Sender, Stand, child, packed

#: Facts applied before anything is measured.
_WARM = 5_000
#: Entries of one pipeline of the live sender.
_AT_ONCE = 250


def measure(rules: int, facts: int, span: int, seed: int) -> Result:
    """Both ways of feeding one rule base: a journal that is full already, and a sender that runs meanwhile."""
    with Stand() as stand:
        stand.run(workload.pack(rules, span))
        warm = stand.fill(map(workload.entry, workload.changes(_WARM, span, seed + 1)))
        stand.wait_committed(warm[-1])
        live = _live(stand, facts, span, seed)
        stand.stop()
        drained = _drained(stand, facts, span, seed)
        fired = int(stand.client.xlen(KEYS.outbox))
        refused = int(stand.client.xlen(KEYS.rejected))
    return (
        {"rules": rules, "facts": facts, "span": span, "seed": seed, "fired": fired, "rejected": refused}
        | live
        | drained
    )


def _drained(stand: Stand, facts: int, span: int, seed: int) -> Result:
    """A daemon starts on a full journal; counted from its first commit, so that its start is not."""
    ids = stand.fill(map(workload.entry, workload.changes(facts, span, seed)))
    stand.start()
    while (first := stand.cursor()) < ids[0]:
        pass
    started, cpu = monotonic_ns(), stand.cpu_ns()
    ended = stand.wait_committed(ids[-1])
    applied = max(1, len(ids) - bisect_right(ids, first))
    return {
        "drain_facts_per_s": applied * SECOND_NS // (ended - started),
        "drain_cpu_ns_per_fact": (stand.cpu_ns() - cpu) // applied,
    }


def _live(stand: Stand, facts: int, span: int, seed: int) -> Result:
    """Another process sends as fast as it is answered; from its first XADD until the last fact is committed."""
    arguments = json.dumps({"facts": facts, "span": span, "seed": seed})
    with child("tests.bench.throughput", "send", stand.socket, arguments) as sender:
        assert sender.stdout is not None
        started, sent, last = map(int, sender.stdout.readline().split())
        ended = stand.wait_committed(StreamId(*divmod(last, 10**6)))
    return {
        "live_facts_per_s": facts * SECOND_NS // (ended - started),
        "live_sent_per_s": facts * SECOND_NS // (sent - started),
    }


def send(socket: str, facts: int, span: int, seed: int) -> None:
    """In the sending process: commands are put together before the clock starts."""
    commands = [packed(workload.entry(change)) for change in workload.changes(facts, span, seed)]
    with Sender(socket) as sender:
        started, last = monotonic_ns(), b""
        for first in range(0, facts, _AT_ONCE):
            last = sender.send(commands[first : first + _AT_ONCE])[-1]
        sent = monotonic_ns()
    ms, seq = StreamId.parse(last)
    sys.stdout.write(f"{started} {sent} {ms * 10**6 + seq}\n")


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], **json.loads(sys.argv[3]))
    else:
        sys.stdout.write(json.dumps(measure(**{k: int(v) for k, v in (a.split("=") for a in sys.argv[1:])})) + "\n")
