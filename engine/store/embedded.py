"""The embedded default: a real redis-server as a supervised child, durable at every write, alone on its directory."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Self

from engine.clock import monotonic_ms
from engine.errors import ConfigError, Retry, StoreError
from engine.store.data_directory import DataDirectory
from engine.store.orphan import serving_pid, stop_orphan
from engine.store.server_binary import find_server
from engine.store.url import Endpoint
from engine.store.wire import ThreadWire

_FIRST_WAIT_MS = 50
_LONGEST_WAIT_MS = 5_000
#: A server that lived so long and then died is restarted at once.
_STEADY_MS = 60_000
#: How often a guest looks whether the supervising daemon has gone.
_GUEST_LOOKS_MS = 100
#: How long a clean stop may take before the server is killed; every write is on disk already.
_STOP_S = 30
_READY_POLL_MS = 20
_GUEST_PATIENCE_MS = 60_000
_MAX_LOG_BYTES = 10 * 1024 * 1024

#: Told what happened to the server: a word (started, died, restart_failed, adopted, orphan_stopped, stopped), details.
OnEvent = Callable[[str, str], None]


def _ignore(_word: str, _details: str) -> None:
    """The default listener."""


class EmbeddedServer:
    """One data directory's server.

    The first daemon on a directory supervises the server (``owns_server``). A later one is a guest: it connects to the
    same server, and takes the supervision over when the first one has gone. ``start`` and ``stop`` block: call them
    off the event loop. Stop it last: whatever else stops may still want to write.
    """

    def __init__(
        self,
        directory: Path,
        on_event: OnEvent = _ignore,
        binary: Path | None = None,
        maxmemory_bytes: int = 0,
    ) -> None:
        self._directory = DataDirectory(directory)
        self._on_event = on_event
        self._binary = binary
        self._maxmemory_bytes = maxmemory_bytes
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._spawning = threading.Lock()
        self._thread: threading.Thread | None = None
        self._endpoint: Endpoint | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Where clients connect; known after ``start``."""
        if self._endpoint is None:
            raise RuntimeError("the embedded server has not been started")
        return self._endpoint

    @property
    def owns_server(self) -> bool:
        """Whether the server is this process's child; False for a guest."""
        return self._child is not None

    @property
    def pid(self) -> int | None:
        """The child's process id; None for a guest."""
        return self._child.pid if self._child else None

    def start(self) -> Endpoint:
        """Start the server, or join the one another daemon supervises; returns when it answers.

        Raises:
            ConfigError: S120 to S126, as the message says.
        """
        self._directory.prepare()
        self._endpoint = Endpoint(path=self._directory.socket())
        self._stopping.clear()
        try:
            if not self._own():
                self._join()
        except BaseException:
            self._shut_down_child()
            self._let_go()
            raise
        self._thread = threading.Thread(target=self._supervise, name="redis-supervisor", daemon=True)
        self._thread.start()
        return self._endpoint

    def stop(self) -> None:
        """Stop the server if it is ours, cleanly, and let the directory go; a guest just leaves."""
        self._stopping.set()
        with self._spawning:  # so that no restart is half done
            self._shut_down_child()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._let_go()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    # --- becoming owner or guest ------------------------------------------------------------------------------------

    def _own(self) -> bool:
        """Become the supervisor, if no other daemon is; a server left behind by a killed one is stopped first."""
        directory = self._directory
        if not directory.daemon_lock.try_hold():
            return False
        if not directory.server_lock.try_hold():
            stop_orphan(directory, self.endpoint, self._stopping)
            self._on_event("orphan_stopped", str(directory.path))
        elif (pid := serving_pid(self.endpoint)) is not None:
            raise ConfigError(
                "S123", f"process {pid} already serves {self.endpoint}, and Lockstep did not start it", "stop it first"
            )
        with self._spawning:
            self._spawn()
        self._wait_until_ready()
        return True

    def _join(self) -> None:
        """Wait for the other daemon's server; if that daemon goes meanwhile, take its place."""
        deadline = monotonic_ms() + _GUEST_PATIENCE_MS
        while serving_pid(self.endpoint) is None:
            if self._own():
                return
            if monotonic_ms() > deadline:
                raise ConfigError(
                    "S123",
                    f"another daemon holds {self._directory.path}, but its Redis does not answer",
                    f"see {self._directory.log_file}",
                )
            self._stopping.wait(_GUEST_LOOKS_MS / 1000)

    def _let_go(self) -> None:
        self._directory.server_lock.let_go()
        self._directory.daemon_lock.let_go()

    # --- the child --------------------------------------------------------------------------------------------------

    def _spawn(self) -> None:
        if self._stopping.is_set():
            return
        directory = self._directory
        with self._open_log() as log:
            self._child = subprocess.Popen(
                self._command(),
                cwd=directory.path,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(directory.server_lock.fd,),
                start_new_session=True,  # the terminal's Ctrl-C is for the daemon, which stops the server last
                umask=0o077,
            )
        self._on_event("started", f"redis-server, pid {self._child.pid}, {self.endpoint}")

    def _command(self) -> list[str]:
        if self._binary is None:
            self._binary = find_server()
        settings = {
            "port": "0",
            "unixsocket": "redis.sock",  # relative to the directory it runs in, so never too long
            "unixsocketperm": "700",
            "pidfile": "redis.pid",
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": "always",
            "aof-load-truncated": "yes",  # a torn tail was never acknowledged
            "save": "",
            "maxmemory": str(self._maxmemory_bytes),
            "maxmemory-policy": "noeviction",
        }
        return [str(self._binary), *(word for name, value in settings.items() for word in (f"--{name}", value))]

    def _open_log(self) -> IO[bytes]:
        log = self._directory.log_file
        if log.exists() and log.stat().st_size > _MAX_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        return open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")

    def _wait_until_ready(self) -> None:
        """Until it answers; loading a large append-only file may take as long as it takes."""
        wire = ThreadWire(self.endpoint, timeout_s=1)
        try:
            while not self._stopping.is_set():
                if self._child is None or self._child.poll() is not None:
                    raise ConfigError(
                        "S124", f"redis-server did not start: {self._last_words()}", f"see {self._directory.log_file}"
                    )
                try:
                    wire.call("PING")
                except StoreError as error:
                    if error.retry is Retry.NEVER:
                        raise
                    self._stopping.wait(_READY_POLL_MS / 1000)
                else:
                    return
        finally:
            wire.close()

    def _last_words(self) -> str:
        tail = self._directory.log_file.read_bytes()[-2_000:].decode(errors="replace")
        lines = [line.strip() for line in tail.splitlines() if line.strip()]
        return " / ".join(lines[-3:])[-400:] or "it said nothing"

    def _shut_down_child(self) -> None:
        child = self._child
        if child is None:
            return
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._child = None
        self._on_event("stopped", str(self._directory.path))

    # --- supervision ------------------------------------------------------------------------------------------------

    def _supervise(self) -> None:
        """Thread: keep the child alive; as a guest, wait for the owner to go."""
        while not self._stopping.is_set():
            if self._child is not None:
                self._keep_alive(self._child)
            else:
                self._stopping.wait(_GUEST_LOOKS_MS / 1000)
                if not self._stopping.is_set():
                    self._adopt()

    def _adopt(self) -> None:
        try:
            if self._own():
                self._on_event("adopted", f"{self._directory.path}: the daemon that supervised its server has gone")
        except (ConfigError, StoreError, OSError) as error:
            self._on_event("restart_failed", str(error))
            self._stopping.wait(_LONGEST_WAIT_MS / 1000)

    def _keep_alive(self, child: subprocess.Popen[bytes]) -> None:
        """Wait for the child to die, then start it again, waiting longer each time it dies young."""
        wait_ms = _FIRST_WAIT_MS
        while True:
            began = monotonic_ms()
            status = child.wait()
            if self._stopping.is_set():
                return
            if monotonic_ms() - began > _STEADY_MS:
                wait_ms = _FIRST_WAIT_MS
            self._on_event("died", f"redis-server ended with {status}: {self._last_words()}; again in {wait_ms} ms")
            if self._stopping.wait(wait_ms / 1000):
                return
            wait_ms = min(2 * wait_ms, _LONGEST_WAIT_MS)
            with self._spawning:
                try:
                    self._spawn()
                except (ConfigError, OSError) as error:  # the binary vanished, or no memory for a process
                    self._on_event("restart_failed", str(error))
                    continue
            if self._child is None:
                return
            child = self._child
