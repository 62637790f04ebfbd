"""All that a service of somebody else needs: a Redis connection and the documented commands on it."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Self

from engine.store.keys import Keys
from engine.store.url import Endpoint
from engine.store.wire import ThreadWire

_TIMEOUT_S = 10


class Client:
    """A connection over which facts are asserted, reports are made and streams are read."""

    def __init__(self, socket: Path) -> None:
        self._wire = ThreadWire(Endpoint(path=socket), _TIMEOUT_S)
        self._keys = Keys()
        self.is_asked_to_stop = False

    def heed_signals(self) -> Self:
        """SIGTERM and Ctrl-C ask it to stop, and do nothing else; for a service that ends in its own order."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._wire.close()

    def add(self, words: Sequence[str]) -> None:
        """``XADD journal * …``."""
        self._wire.call("XADD", self._keys.journal, "*", *words)

    def assert_fact(self, source: str, kind: str, fact: Mapping[str, Any], observed_at_ms: int) -> None:
        """A fact, as anybody may send one."""
        said = json.dumps(fact, separators=(",", ":"))
        self.add(["op", "assert", "kind", kind, "source", source, "data", said, "observed_at", str(observed_at_ms)])

    def report(self, source: str, command: str, status: str, detail: Mapping[str, Any]) -> None:
        """What became of a command."""
        said = json.dumps({"command": command, "status": status, "detail": detail}, separators=(",", ":"))
        self.add(["op", "report", "source", source, "data", said])

    def journal(self, after: str, wait_ms: int) -> list[tuple[str, dict[str, str]]]:
        """Entries of the journal after that id."""
        return self._read(self._keys.journal, after, wait_ms)

    def commands(self, connector: str, after: str, wait_ms: int) -> list[tuple[str, dict[str, str]]]:
        """Commands for that connector after that id."""
        return self._read(self._keys.commands(connector), after, wait_ms)

    def _read(self, key: str, after: str, wait_ms: int) -> list[tuple[str, dict[str, str]]]:
        reply = self._wire.call("XREAD", "COUNT", 100, "BLOCK", max(1, wait_ms), "STREAMS", key, after)
        entries = reply[0][1] if reply else []
        return [(entry.decode(), _texts(flat)) for entry, flat in entries]

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.is_asked_to_stop = True


def _texts(flat: list[bytes]) -> dict[str, str]:
    words = [word.decode(errors="replace") for word in flat]
    return dict(zip(words[::2], words[1::2], strict=True))
