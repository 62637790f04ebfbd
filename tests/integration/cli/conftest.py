"""The program, as a user runs it: in a process of its own, in a directory of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROGRAM = [sys.executable, "-m", "engine.cli"]
ROOT = Path(__file__).parents[3]

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


def environment() -> dict[str, str]:
    """This process's, without what would configure the program."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCKSTEP_")}
    return kept | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}


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
