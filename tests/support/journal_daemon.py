"""The real program under ``--time journal``, told entries with explicit ids over a plain Redis connection."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import redis

from engine.model.records import TOMBSTONE, decode_claim, parse_fact_field
from engine.store.keys import Keys
from tests.support.journal_engine import write_packs
from tests.support.world import MARK, START, Refused, World, decision_of

_ROOT: Final = Path(__file__).parents[2]
_PATIENCE_S: Final = 30


class JournalDaemon(World):
    """``lockstep run --time journal`` with its embedded server; ``time="server"`` for the real clock."""

    def __init__(self, folder: Path, *packs: str, command: tuple[str, ...] = (), time: str = "journal") -> None:
        super().__init__()
        self.keys = Keys()
        self.data = folder / "data"
        self.log = folder / "log"
        self.packs = write_packs(folder / "packs", packs)
        self.time = time
        self._command = command or (sys.executable, "-m", "engine.cli.main")
        self.client: Any = None  # redis-py's types say str or bytes; this connection says bytes
        self._seen: Any = "0-0"
        self.last = (START, 0)
        self.start()

    def start(self) -> None:
        """Start the program and wait until it has said that it runs."""
        words = [*self._command, "run", "--data", self.data, "--packs", self.packs, "--time", self.time]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCKSTEP_")}
        self.process = subprocess.Popen(
            list(map(str, words)),
            cwd=self.packs.parent,
            env=kept | {"PYTHONPATH": str(_ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if json.loads(line)["event"] == "ready":
                break
        else:
            raise AssertionError(f"it ended: {said}")
        self.said = said
        self.client = redis.Redis(unix_socket_path=str(self.data / "redis.sock"), socket_timeout=_PATIENCE_S)

    def send(self, ms: int, number: int, fields: list[bytes]) -> None:
        """``XADD journal ms-number …``."""
        while True:
            try:
                self.client.execute_command("XADD", self.keys.journal, f"{ms}-{number}", *fields)
            except redis.ResponseError as error:
                # The engine's own results are numbered after the last entry, and may have taken this place.
                if "equal or smaller" not in str(error) or self.last[0] != ms:
                    raise
                number += 1
            else:
                break
        self.last = (ms, number)
        self.ids.add((ms - START, number))

    def settled(self) -> None:
        """Wait until everything sent is committed: a mark comes out in ``rejected``, which is part of the commit."""
        self.send(self.last[0], self.last[1] + 1, [b"op", MARK.encode()])
        entry = f"{self.last[0]}-{self.last[1]}"
        while True:
            answer = self.client.xread({self.keys.rejected: self._seen}, block=_PATIENCE_S * 900)
            assert answer, f"no word of {entry} within {_PATIENCE_S} s"
            for identity, row in answer[0][1]:
                self._seen = identity
                if row[b"entry"].decode() == entry:
                    return

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Asked to stop; its exit code."""
        self.process.send_signal(number)
        _, rest = self.process.communicate(timeout=_PATIENCE_S)
        assert "Traceback" not in rest, rest
        return self.process.returncode

    # -- looking -----------------------------------------------------------------
    def _stream(self, key: str) -> list[dict[bytes, bytes]]:
        self.settled()
        return [row for _, row in self.client.xrange(key)]

    def outbox(self) -> list[dict[str, str]]:
        """The outbox stream."""
        return [{n.decode(): v.decode() for n, v in row.items()} for row in self._stream(self.keys.outbox)]

    def audit(self) -> list[dict[str, Any]]:
        """The audit stream, without what the push of the packs said."""
        rows = [decision_of({n.decode(): v for n, v in row.items()}) for row in self._stream(self.keys.audit)]
        return [row for row in rows if row["events"][0]["event"] != "rulebase"]

    def refused(self) -> list[Refused]:
        """The rejected stream, without marks."""
        found = []
        for row in self._stream(self.keys.rejected):
            kept = {name: value for name, value in row.items() if name not in (b"entry", b"code", b"message", b"hint")}
            if kept.get(b"op") == MARK.encode():
                continue
            at = int(row[b"entry"].split(b"-")[0]) - START
            found.append(Refused(at, row[b"code"].decode(), row[b"message"].decode(), row[b"hint"].decode(), kept))
        return found

    def facts(self, kind: str) -> list[dict[str, Any]]:
        """From the facts hash."""
        self.settled()
        found = []
        for name, record in sorted(self.client.hgetall(self.keys.facts).items()):
            if name.startswith(b'["!'):
                continue
            claim = decode_claim(record)
            if parse_fact_field(name)[0] == kind and claim.role != TOMBSTONE:
                found.append(json.loads(claim.data))
        return found
