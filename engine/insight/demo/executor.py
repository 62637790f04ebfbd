"""A process that carries commands out, as a relayer would: moves value in its book, and reports what chains would show.

It honours the command's id: one that comes again has no second effect, and is reported again as before.
Run as ``python -m engine.insight.demo.executor SOCKET TRACE BOOK``.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.clock import monotonic_ms, wall_ms
from engine.insight.demo.book import FEES, POOL, Book, OverdrawnError
from engine.insight.demo.client import Client
from engine.insight.demo.trace import load

SOURCE = "executor-1"
CONNECTOR = "executor"
_LONGEST_WAIT_MS = 200
_SUBMITTED_AFTER_MS = 300
_CROSSING_MS = 3_000
_INCLUDED_AFTER_MS = 2_200
_BLOCK_MS = 2_000
#: Blocks an arrival is followed for.
_DEPTHS = 6
#: What the bridge keeps, in 1/10,000.
_BRIDGE_FEE_BPS = 5
#: The pool's reserves and its fee: a constant-product pool of 48 M USDC and 16,000 WETH that keeps 30 bps.
_RESERVE_IN, _RESERVE_OUT, _KEEPS, _OF = 48_000_000 * 10**6, 16_000 * 10**18, 997, 1_000

Work = Callable[[], None]


class RevertedError(Exception):
    """The transaction was included and had no effect."""


class Executor:
    """Carries out what it is sent, step by step, at the pace of blocks."""

    def __init__(self, client: Client, book: Book, path: Path) -> None:
        self._client = client
        self._book = book
        self._path = path
        self._due: list[tuple[int, int, Work]] = []
        self._count = 0
        #: Command id → what was last reported of it.
        self._known: dict[str, tuple[str, Mapping[str, Any]]] = {}
        book.save(path)

    def run(self) -> None:
        """Until it is asked to stop."""
        read = "0-0"
        while not self._client.is_asked_to_stop:
            for entry, fields in self._client.commands(CONNECTOR, read, self._work()):
                read = entry
                self._accept(fields)

    def _work(self) -> int:
        """Does what is due; gives how long to wait for the next."""
        while self._due and self._due[0][0] <= monotonic_ms():
            heapq.heappop(self._due)[2]()
            self._book.save(self._path)
        if not self._due:
            return _LONGEST_WAIT_MS
        return min(_LONGEST_WAIT_MS, max(1, self._due[0][0] - monotonic_ms()))

    def _later(self, wait_ms: int, work: Work) -> None:
        self._count += 1
        heapq.heappush(self._due, (monotonic_ms() + wait_ms, self._count, work))

    def _accept(self, fields: Mapping[str, str]) -> None:
        command, verb = fields["command"], fields["verb"]
        if command in self._known:
            self._report(command, *self._known[command])
            return
        args = json.loads(fields["args"])
        carry = {"bridge": self._bridge, "bridge_back": self._bridge, "swap": self._swap}.get(verb)
        if carry is None:
            self._report(command, "refused", {"reason": f"no verb {verb}"})
        elif fields["expires"] and int(fields["expires"]) < wall_ms():
            self._report(command, "refused", {"reason": "expired"})
        else:
            self._report(command, "submitted", {"tx": _tx(command)})
            self._later(_SUBMITTED_AFTER_MS, lambda: self._begin(carry, command, verb, args))

    def _begin(self, carry: Callable[[str, str, dict[str, Any]], None], command: str, verb: str, args: Any) -> None:  # noqa: ANN401 - JSON
        try:
            carry(command, verb, args)
        except (OverdrawnError, RevertedError) as error:
            self._report(command, "failed", {"reason": str(error)})
        else:
            self._book.took_effect(command, args["intent"], verb)

    def _bridge(self, command: str, verb: str, args: dict[str, Any]) -> None:
        """Value leaves one network, is nowhere for a while, and arrives on the other, less the fee."""
        intent, asset, amount = args["intent"], args["asset"], int(args["amount"])
        source, target = args["source"], args["target"]
        arrives = amount * (10_000 - _BRIDGE_FEE_BPS) // 10_000
        purpose = "bridge" if verb == "bridge" else "refund"
        self._book.move(intent, asset, amount, source, "in flight")
        transfer = {"id": f"{purpose}-{_tx(command)[:14]}", "intent": intent, "purpose": purpose, "asset": asset}
        transfer |= {"source": source, "target": target, "tx": _tx(command)}
        self._see(transfer | {"amount": str(amount), "state": "in_flight", "network": source})

        def arrive() -> None:
            self._book.move(intent, asset, amount - arrives, "in flight", FEES)
            self._book.move(intent, asset, arrives, "in flight", target)
            self._report(command, "done", {"tx": _tx(command), "arrived": str(arrives)})
            self._follow(transfer | {"amount": str(arrives), "state": "arrived", "network": target})

        self._later(_CROSSING_MS, arrive)

    def _swap(self, command: str, _verb: str, args: dict[str, Any]) -> None:
        """One asset for another, at what the pool's reserves give; less than the least asked for is a revert."""
        intent, amount, place = args["intent"], int(args["amount"]), args["network"]
        pays = amount * _KEEPS * _RESERVE_OUT // (_RESERVE_IN * _OF + amount * _KEEPS)
        if pays < int(args["min_out"]):
            raise RevertedError(f"INSUFFICIENT_OUTPUT_AMOUNT: {pays} < {args['min_out']}")
        self._book.move(intent, args["asset_in"], amount, place, POOL)
        self._book.move(intent, args["asset_out"], pays, POOL, place)
        transfer = {"id": f"swap-{_tx(command)[:14]}", "intent": intent, "purpose": "swap", "asset": args["asset_out"]}
        transfer |= {"source": place, "target": place, "network": place, "tx": _tx(command)}

        def included() -> None:
            self._report(command, "done", {"tx": _tx(command), "out": str(pays)})
            self._follow(transfer | {"amount": str(pays), "state": "arrived"})

        self._later(_INCLUDED_AFTER_MS, included)

    def _follow(self, transfer: Mapping[str, Any]) -> None:
        """An arrival, block by block. One sample is sent twice and one comes late, as it happens with real indexers."""
        arrived_ms = wall_ms()
        for depth in range(1, _DEPTHS + 1):
            seen_ms = arrived_ms + (depth - 1) * _BLOCK_MS
            sample = dict(transfer) | {"depth": depth, "chain_time": arrived_ms}
            wait_ms = (depth - 1) * _BLOCK_MS
            self._later(wait_ms, lambda sample=sample, seen_ms=seen_ms: self._see(sample, seen_ms))  # type: ignore[misc]
            if depth in (1, 2):
                late_ms = wait_ms + (100 if depth == 1 else _BLOCK_MS + 500)
                self._later(late_ms, lambda sample=sample, seen_ms=seen_ms: self._see(sample, seen_ms))  # type: ignore[misc]

    def _see(self, transfer: Mapping[str, Any], seen_ms: int | None = None) -> None:
        self._client.assert_fact("base-indexer-1", "transfer", transfer, wall_ms() if seen_ms is None else seen_ms)

    def _report(self, command: str, status: str, detail: Mapping[str, Any]) -> None:
        self._known[command] = (status, detail)
        self._client.report(SOURCE, command, status, detail)


def _tx(command: str) -> str:
    """A transaction hash, for show."""
    return "0x" + hashlib.sha256(command.encode()).hexdigest()


def main(socket: str, trace: str, book: str) -> None:
    """Serves."""
    with Client(Path(socket)).heed_signals() as client:
        Executor(client, Book.open(load(Path(trace)).opening), Path(book)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
