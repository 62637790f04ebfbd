"""The program, as a user runs it: in a process of its own, in a directory of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.program import PROGRAM, RunningDaemon, environment

PACK = """
pack: gas
version: 1
kinds:
  network:
    key: [id]
    ttl: 10m
    fields: {id: id, base_fee: wei, is_open: {type: bool, default: true}}
  intent:
    key: [id]
    ttl: 1h
    fields: {id: id, network: id, state: "enum(open, closed)"}
rules:
  - rule: go-when-cheap
    when:
      - intent: i
        where: i.state == "open"
      - network: n
        where: n.id == i.network and n.base_fee <= gwei(30)
    then:
      - command: log.go
        with: {intent: =i.id, fee: =n.base_fee}
"""


@dataclass(frozen=True)
class Ran:
    """What a run of the program came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401
        return json.loads(self.out)


Lockstep = Callable[..., Ran]


@pytest.fixture
def lockstep(tmp_path: Path) -> Lockstep:
    """Runs the program in the test's own directory and waits for its end."""

    def run(*words: str | Path, stdin: str = "") -> Ran:
        done = subprocess.run(
            [*PROGRAM, *map(str, words)],
            cwd=tmp_path,
            env=environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """A directory with one good pack."""
    directory = tmp_path / "packs"
    directory.mkdir()
    (directory / "gas.yaml").write_text(PACK)
    return directory


StartDaemon = Callable[..., RunningDaemon]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[StartDaemon]:
    """Starts daemons in the test's own directory; what still runs at the test's end is stopped."""
    started: list[RunningDaemon] = []

    def start(*words: str | Path) -> RunningDaemon:
        started.append(RunningDaemon(tmp_path, *words))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.stop()
