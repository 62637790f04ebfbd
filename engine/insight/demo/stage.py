"""What the demonstration runs on: a Redis of its own, and processes that are started, killed and stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from engine.errors import LockstepError
from engine.insight.demo.trace import TRACE
from engine.store.embedded import EmbeddedServer

PACK = TRACE.parents[1] / "cross_network_swap.yaml"
_STOP_S = 15


class StageError(LockstepError):
    """A process of the demonstration did not live as long as it must."""


class Stage:
    """A directory with a Redis, and the processes around it; all of it is gone at the end."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._stack = ExitStack()
        #: The executor's book.
        self.book = directory / "book.json"

    def __enter__(self) -> Self:
        self._redis = EmbeddedServer(self._directory / "redis")
        self._redis.start()
        self._stack.callback(self._redis.stop)
        self._stack.callback(self._stop_all)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    @property
    def socket(self) -> Path:
        """Where Redis listens."""
        path = self._redis.endpoint.path
        if path is None:
            raise StageError("X140", "the built-in Redis has no socket", "report this")
        return path

    def start_daemon(self) -> int:
        """``lockstep run``, as anybody would start it; gives its process id."""
        url = f"unix://{self.socket}"
        data = str(self._directory / "data")
        return self._start("daemon", "engine.cli", "run", "--packs", str(PACK), "--redis", url, "--data", data)

    def start_executor(self) -> int:
        """The service that carries commands out."""
        words = (str(self.socket), str(TRACE), str(self.book))
        return self._start("executor", "engine.insight.demo.executor", *words)

    def start_producer(self) -> int:
        """The service that says what reporters saw."""
        return self._start("producer", "engine.insight.demo.producer", str(self.socket), str(TRACE))

    def decide_again(self) -> dict[str, Any]:
        """``lockstep replay``: what it says of everything that happened here.

        Raises:
            StageError: X143, it says nothing.
        """
        said: dict[str, Any] = self.asked("replay")
        return said

    def asked(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        """What a command of the program says of this Redis, asked with ``--json``.

        Raises:
            StageError: X143, it says nothing.
        """
        place = ("--redis", f"unix://{self.socket}", "--data", str(self._directory / "data"))
        ran = subprocess.run(
            [sys.executable, "-m", "engine.cli", *words, "--json", *place],
            cwd=self._directory,
            env=_clean(),
            capture_output=True,
            text=True,
            check=False,
        )
        if not ran.stdout:
            raise StageError("X143", f"lockstep {words[0]} says nothing: {ran.stderr.strip()}", "report this")
        return json.loads(ran.stdout)

    def kill_daemon(self) -> None:
        """``kill -9``: no signal handler, no goodbye."""
        self._kill("daemon")

    def _kill(self, name: str) -> None:
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def check(self) -> None:
        """Raises StageError if something has ended that must not have."""
        for name, process in self._running.items():
            code = process.poll()
            if code is not None and not (name == "producer" and code == 0):
                raise StageError("X141", f"the {name} ended with {code}: {self._last_words(name)}")

    def _start(self, name: str, module: str, *words: str, environment: Mapping[str, str] | None = None) -> int:
        log = self._log(name)
        with log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self._directory,
                env=_clean() | dict(environment or {}),
                start_new_session=True,
            )
        self._running[name] = process
        return process.pid

    def _stop_all(self) -> None:
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _log(self, name: str) -> Path:
        return self._directory / f"{name}.log"

    def _last_words(self, name: str) -> str:
        lines = self._log(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return " / ".join(lines[-3:])


def _clean() -> dict[str, str]:
    """The environment, without what would configure the program."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LOCKSTEP_")}
