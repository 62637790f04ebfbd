"""A process that replays the recorded trace through plain XADD, at the pace it was recorded.

Run as ``python -m engine.insight.demo.producer SOCKET TRACE``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.clock import monotonic_ms, wall_ms
from engine.insight.demo.client import Client
from engine.insight.demo.trace import Line, load

_LONGEST_WAIT_MS = 200


class Producer:
    """Sends one line after another; while it holds, the trace's clock stands still."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._began_ms = wall_ms()
        self._offset_ms = monotonic_ms()
        self._read = "0-0"

    def replay(self, lines: tuple[Line, ...]) -> None:
        """Everything, until it ends or is asked to stop."""
        for line in lines:
            self._wait_for(line.at_ms)
            if line.hold is not None:
                self._hold(line.hold)
            if self._client.is_asked_to_stop:
                return
            if line.fields:
                self._client.add(line.entry(self._began_ms))

    def _wait_for(self, at_ms: int) -> None:
        while not self._client.is_asked_to_stop:
            left_ms = self._offset_ms + at_ms - monotonic_ms()
            if left_ms <= 0:
                return
            time.sleep(min(left_ms, _LONGEST_WAIT_MS) / 1000)

    def _hold(self, wanted: Mapping[str, Any]) -> None:
        began = monotonic_ms()
        while not self._client.is_asked_to_stop:
            for entry, fields in self._client.journal(self._read, _LONGEST_WAIT_MS):
                self._read = entry
                if fields.get("kind") == wanted["kind"] and _has(fields.get("data", ""), wanted["data"]):
                    stood_ms = monotonic_ms() - began
                    self._offset_ms += stood_ms
                    self._began_ms += stood_ms
                    return


def _has(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        said = json.loads(text)
    except ValueError:
        return False
    return isinstance(said, dict) and all(said.get(name) == value for name, value in wanted.items())


def main(socket: str, trace: str) -> None:
    """Replays."""
    with Client(Path(socket)).heed_signals() as client:
        Producer(client).replay(load(Path(trace)).lines)


if __name__ == "__main__":
    main(*sys.argv[1:])
