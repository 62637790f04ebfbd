"""The real program under measurement: a redis-server as the daemon starts it, and daemons, each its own process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import hiredis
import redis

from engine.clock import monotonic_ns
from engine.model.journal import StreamId
from engine.store.embedded import EmbeddedServer
from engine.store.keys import Keys
from tests.integration.cli.program import PROGRAM, RunningDaemon, environment

KEYS = Keys()
SECOND_NS = 10**9
#: Entries of one pipeline while a journal is filled.
_FILL = 1_000
#: How long anything may take before the measurement gives up.
_PATIENCE_NS = 120 * SECOND_NS


class Stand:
    """One server and a client of it; facts are durable (``appendfsync always``) before they are acknowledged."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lockstep-bench-")
        self.directory = Path(self._folder.name)
        self._server = EmbeddedServer(self.directory / "redis")
        self.daemon: RunningDaemon | None = None
        self.socket = ""
        self.client: redis.Redis

    def __enter__(self) -> Self:
        self.socket = str(self._server.start().path)
        self.client = redis.Redis(unix_socket_path=self.socket)
        return self

    def __exit__(self, *_: object) -> None:
        if self.daemon is not None:
            self.stop()
        self.client.close()
        self._server.stop()
        self._folder.cleanup()

    # -- the daemon ----------------------------------------------------------------
    def run(self, pack: str | None = None) -> RunningDaemon:
        """Start a daemon, with ``pack`` in force if one is given; returns when it has read the journal to its end."""
        words: list[str | Path] = ["--redis", f"unix://{self.socket}", "--data", self.directory / "data"]
        if pack is not None:
            words += ["--packs", self._write(pack)]
        self.daemon = RunningDaemon(self.directory, *words)
        self.daemon.wait_for("ready")
        return self.daemon

    def start(self) -> RunningDaemon:
        """Start a daemon and do not wait for it."""
        words = ["--redis", f"unix://{self.socket}", "--data", str(self.directory / "data")]
        self.daemon = RunningDaemon(self.directory, *words)
        return self.daemon

    def stop(self) -> None:
        """Have it finish what is in hand."""
        if self.daemon is not None:
            self.daemon.stop()
            self.daemon = None

    def kill(self) -> None:
        """As a power cut would."""
        if self.daemon is not None:
            self.daemon.kill()
            self.daemon = None

    def push(self, pack: str) -> subprocess.Popen[bytes]:
        """``lockstep push``, under way."""
        words = [*PROGRAM, "push", str(self._write(pack)), "--redis", f"unix://{self.socket}"]
        words += ["--data", str(self.directory / "data")]
        return subprocess.Popen(words, cwd=self.directory, env=environment(), stdout=subprocess.DEVNULL)

    def _write(self, pack: str) -> Path:
        folder = self.directory / "packs"
        folder.mkdir(exist_ok=True)
        (folder / "bench.yaml").write_text(pack)
        return folder

    def rss_bytes(self) -> int:
        """Resident memory of the daemon."""
        assert self.daemon is not None
        fields = Path(f"/proc/{self.daemon.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_ns(self) -> int:
        """Processor time the daemon has used."""
        assert self.daemon is not None
        fields = Path(f"/proc/{self.daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * SECOND_NS // os.sysconf("SC_CLK_TCK")

    # -- the journal ----------------------------------------------------------------
    def fill(self, entries: Iterable[list[str]]) -> list[StreamId]:
        """XADD them in pipelines; returns their ids, all of them on disk."""
        with Sender(self.socket) as sender:
            ids: list[bytes] = []
            part: list[bytes] = []
            for words in entries:
                part.append(packed(words))
                if len(part) == _FILL:
                    ids += sender.send(part)
                    part = []
            ids += sender.send(part)
        return [StreamId.parse(each) for each in ids]

    def cursor(self) -> StreamId:
        """The last journal entry whose decision is committed."""
        text: Any = self.client.hget(KEYS.meta, "cursor")
        return StreamId.parse((text or b"0-0").partition(b"@")[0])

    def wait_committed(self, last: StreamId) -> int:
        """Ask until that entry is committed; the instant at which it was, ns."""
        deadline = monotonic_ns() + _PATIENCE_NS
        with Sender(self.socket) as sender:
            while True:
                text = sender.call("HGET", KEYS.meta, "cursor") or b"0-0"
                now = monotonic_ns()
                if StreamId.parse(text.partition(b"@")[0]) >= last:
                    return now
                if now > deadline:
                    raise TimeoutError(f"{last} is not committed; the cursor is {text!r}")
                sender.call("BLPOP", "bench:nothing", "0.002")


def packed(words: list[str]) -> bytes:
    """An XADD to the journal, ready to be sent."""
    command: bytes = hiredis.pack_command(("XADD", KEYS.journal, *words))  # type: ignore[arg-type]
    return command


_SOCKET_TIMEOUT_S = 60


class Sender:
    """A connection that costs as little as possible, so that the load generator is not what is measured."""

    def __init__(self, socket: str) -> None:
        self._pool = redis.connection.ConnectionPool(
            connection_class=redis.connection.UnixDomainSocketConnection,
            path=socket,
            protocol=2,
            # Longer than any call here blocks: what redis-py waits by itself differs between its versions.
            socket_timeout=_SOCKET_TIMEOUT_S,
        )
        self._connection = self._pool.get_connection()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.disconnect()

    def send(self, commands: list[bytes]) -> list[bytes]:
        """Send prepared commands in one go; returns their answers."""
        if not commands:
            return []
        self._connection.send_packed_command([b"".join(commands)])  # type: ignore[no-untyped-call]
        return [self._connection.read_response() for _ in commands]

    def call(self, *words: str | bytes | int) -> Any:  # noqa: ANN401 - an answer of any kind
        """One command."""
        self._connection.send_command(*words)  # type: ignore[no-untyped-call]
        return self._connection.read_response()


def child(module: str, *words: str) -> subprocess.Popen[str]:
    """A process of the benchmark's own, for load that must not share the measuring interpreter."""
    return subprocess.Popen([sys.executable, "-m", module, *words], stdout=subprocess.PIPE, text=True)
