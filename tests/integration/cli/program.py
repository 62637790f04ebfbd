"""The program in a process of its own; a daemon is observed by what it logs."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PROGRAM = [sys.executable, "-m", "engine.cli"]
ROOT = Path(__file__).parents[3]
PATIENCE_S = 30


def environment() -> dict[str, str]:
    """This process's, without what would configure the program."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCKSTEP_")}
    return kept | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}


class RunningDaemon:
    """``lockstep run``, its log read line by line as it comes."""

    def __init__(self, directory: Path, *words: str | Path, env: Mapping[str, str] | None = None) -> None:
        self.lines: list[dict[str, Any]] = []
        self._coming: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.process = subprocess.Popen(
            [*PROGRAM, "run", *map(str, words)],
            cwd=directory,
            env=environment() | dict(env or {}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self._coming.put(json.loads(line))
        self._coming.put(None)

    def wait_until(self, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first line, from now on, that is it."""
        while True:
            line = self._coming.get(timeout=PATIENCE_S)
            assert line is not None, f"it ended before; it said: {self.lines}"
            self.lines.append(line)
            if is_it(line):
                return line

    def wait_for(self, event: str) -> dict[str, Any]:
        """The first line, from now on, with that event."""
        return self.wait_until(lambda line: line["event"] == event)

    def wait_end(self) -> int:
        """Its exit code, once it has ended by itself."""
        code = self.process.wait(PATIENCE_S)
        while (line := self._coming.get(timeout=PATIENCE_S)) is not None:
            self.lines.append(line)
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Asked to stop; its exit code."""
        self.process.send_signal(number)
        return self.wait_end()

    def kill(self) -> None:
        """As a power cut would."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def said(self) -> list[str]:
        """The events so far."""
        return [line["event"] for line in self.lines]
