"""A server whose daemon was killed: found by the lock it still holds, stopped so that a new one can start."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from engine.clock import monotonic_ms
from engine.errors import ConfigError, StoreError
from engine.store.data_directory import DataDirectory
from engine.store.url import Endpoint
from engine.store.wire import ThreadWire

_CLEAN_STOP_MS = 30_000
_KILL_MS = 5_000
_POLL_MS = 20


def serving_pid(endpoint: Endpoint) -> int | None:
    """The process that answers at that socket; None if none does (0: one that is still loading)."""
    if endpoint.path is None or not endpoint.path.exists():
        return None
    wire = ThreadWire(endpoint, timeout_s=2)
    try:
        info: bytes = wire.call("INFO", "server")
    except StoreError as error:
        return 0 if error.code == "S109" else None
    finally:
        wire.close()
    found = dict(line.split(b":", 1) for line in info.splitlines() if b":" in line)
    return int(found[b"process_id"])


def stop_orphan(directory: DataDirectory, endpoint: Endpoint, give_up: threading.Event) -> None:
    """Stop the server that holds ``redis.lock`` and take the lock.

    Args:
        directory: whose ``daemon_lock`` we hold, so that the server has no daemon.
        endpoint: its socket.
        give_up: set when we are asked to stop ourselves.

    Raises:
        ConfigError: S123 if it cannot be found, or does not go.
    """
    pid = serving_pid(endpoint) or _pid_by_file(directory)
    for word, patience_ms in ((signal.SIGTERM, _CLEAN_STOP_MS), (signal.SIGKILL, _KILL_MS)):
        # Killing loses nothing either: what was acknowledged is on disk.
        if pid is not None:
            try:
                os.kill(pid, word)
            except ProcessLookupError:
                pid = None  # it is going already; a child that rewrites its file may hold the lock a little longer
        deadline = monotonic_ms() + patience_ms
        while monotonic_ms() < deadline and not give_up.is_set():
            if directory.server_lock.try_hold():
                return
            give_up.wait(_POLL_MS / 1000)
    raise ConfigError(
        "S123",
        f"a redis-server of an earlier run still holds {directory.server_lock.path}"
        + (f" (pid {pid})" if pid is not None else ""),
        "stop that process",
    )


def _pid_by_file(directory: DataDirectory) -> int | None:
    """The pid the server wrote down, if that process has our lock file open (ids are used again)."""
    try:
        pid = int(directory.pid_file.read_text(encoding="ascii"))
        held = [fd.resolve() for fd in Path(f"/proc/{pid}/fd").iterdir()]
    except (OSError, ValueError):
        return None
    return pid if directory.server_lock.path.resolve() in held else None
