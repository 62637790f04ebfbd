"""The program ``anvil``, from its npm package, fetched once."""

from __future__ import annotations

import fcntl
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Final

from engine.errors import Retry
from engine.insight.chains.cache import cache_directory
from engine.insight.chains.problems import ChainError

VERSION: Final = "1.7.1"
_FETCH_S: Final = 300


def anvil_program() -> Path:
    """The program, fetched by npm if it is not there yet. Several runs at once fetch it once.

    Raises:
        ChainError: X151 there is no npm; X152 it cannot be fetched, or there is none for this machine.
    """
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = f"@foundry-rs/anvil-{platform.system().lower()}-{machine}"
    cache = cache_directory()
    program = cache / "node_modules" / package / "bin" / "anvil"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _fetch(cache)
    if not program.exists():
        hint = "Linux and macOS have one, on x86-64 and arm64"
        raise ChainError("X152", f"npm has no {package}@{VERSION} for this machine", hint)
    return program


def _fetch(cache: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        hint = "install Node.js, which brings npm; it is used once"
        raise ChainError("X151", "there is no npm on PATH to fetch anvil, a node of an EVM chain", hint)
    # Without a prefix npm would look upwards for a directory that it takes for the project's.
    words = [npm, "install", "--prefix", str(cache), "--no-audit", "--no-fund", f"@foundry-rs/anvil@{VERSION}"]
    hint = "it takes a way to npm's registry, the first time alone"
    try:
        ran = subprocess.run(words, cwd=cache, capture_output=True, text=True, check=False, timeout=_FETCH_S)
    except subprocess.TimeoutExpired as error:
        message = f"npm did not fetch anvil within {_FETCH_S} s"
        raise ChainError("X152", message, hint, Retry.LATER) from error
    if ran.returncode:
        said = [line for line in ran.stderr.splitlines() if line.strip()][:3]
        raise ChainError("X152", f"npm cannot fetch anvil {VERSION}: {' / '.join(said)}", hint, Retry.LATER)
