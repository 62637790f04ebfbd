"""How long after its deadline a command is in the outbox, by the server's own clock."""

from __future__ import annotations

from collections.abc import Iterator

from engine.clock import wall_ms
from tests.bench.endurance import PACK, words
from tests.bench.peers import Result, percentiles
from tests.bench.stand import KEYS, Sender, Stand

_MS_NS = 10**6
#: Pending deadlines that do not come up meanwhile.
_FAR_MS = 3_600_000
_PATIENCE_MS = 20_000


def measure(pending: int, due: int, spread_ms: int, lead_ms: int, seed: int) -> Result:
    """``due`` deadlines come up, all at one instant or evenly over ``spread_ms``, while ``pending`` others wait.

    A deadline at D has passed once it is later than D, so a command in the millisecond after D is not late at all.
    """
    with Stand() as stand:
        stand.run(PACK)
        far = wall_ms() + _FAR_MS
        stand.wait_committed(stand.fill(words("order", id=due + n, due=far + n) for n in range(pending))[-1])
        at = wall_ms() + lead_ms
        dues = [at + n * spread_ms // due for n in range(due)]
        stand.wait_committed(stand.fill(words("order", id=n, due=ms) for n, ms in enumerate(dues))[-1])
        assert wall_ms() < at, "the deadlines came up before all facts were in"
        late = [made - dues[order] - 1 for order, made in _made(stand, due)]
    early = sum(ms < 0 for ms in late)
    result = {"pending": pending, "due": due, "spread_ns": spread_ms * _MS_NS, "seed": seed, "early": early}
    return result | percentiles([ms * _MS_NS for ms in late])


def _made(stand: Stand, wanted: int) -> Iterator[tuple[int, int]]:
    """(order, unix ms at which its command was written)."""
    position: bytes | str = "0-0"
    with Sender(stand.socket) as reader:
        while wanted > 0:
            answer = reader.call("XREAD", "BLOCK", _PATIENCE_MS, "COUNT", 1_000, "STREAMS", KEYS.outbox, position)
            if answer is None:
                raise TimeoutError(f"{wanted} commands did not come")
            for identity, fields in answer[0][1]:
                position = identity
                wanted -= 1
                yield int(fields[7].rpartition(b":")[2].rstrip(b"}")), int(identity.partition(b"-")[0])
