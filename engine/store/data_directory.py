"""The data directory of an embedded server: its files, its two locks, and a socket path that is short enough."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
from pathlib import Path

from engine.errors import ConfigError

#: `sun_path` has 108 bytes on Linux and 104 on macOS, the final zero included.
MAX_SOCKET_BYTES = 100


class FileLock:
    """An flock on a file. It belongs to the open file, so a child that inherits the descriptor holds it too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    @property
    def fd(self) -> int:
        """The locked descriptor."""
        if self._fd is None:
            raise RuntimeError(f"{self.path} is not locked")
        return self._fd

    @property
    def is_held(self) -> bool:
        """Whether this object holds it."""
        return self._fd is not None

    def try_hold(self) -> bool:
        """Take the lock if nobody else has it; True if it is held now."""
        if self._fd is not None:
            return True
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def let_go(self) -> None:
        """Close our descriptor; whoever inherited it still holds the lock."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class DataDirectory:
    """Where an embedded server keeps everything.

    ``daemon.lock`` is held by the daemon that supervises the server; ``redis.lock`` by that daemon and, inherited, by
    the server itself, so that a server whose daemon was killed still keeps a second one away from its files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.daemon_lock = FileLock(self.path / "daemon.lock")
        self.server_lock = FileLock(self.path / "redis.lock")
        self.pid_file = self.path / "redis.pid"
        self.log_file = self.path / "redis.log"

    def prepare(self) -> None:
        """Create it (0700) if it is not there.

        Raises:
            ConfigError: S126 if it cannot be made or written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError("S126", f"data directory {self.path}: {error.strerror}", "choose --data") from error
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigError("S126", f"data directory {self.path} is not writable", "change its owner or --data")

    def socket(self) -> Path:
        """The path clients connect to: ``redis.sock`` here, through a short link if this path is too long.

        Raises:
            ConfigError: S122 if the link cannot be made safely.
        """
        plain = self.path / "redis.sock"
        if len(os.fsencode(plain)) <= MAX_SOCKET_BYTES:
            return plain
        folder = Path(tempfile.gettempdir()) / f"lockstep-{os.getuid()}"
        link = folder / hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        short = link / "redis.sock"
        if len(os.fsencode(short)) > MAX_SOCKET_BYTES:
            raise self._too_long(f"and so is {folder}")
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.lstat()
            # Anyone may write to the temporary directory: a folder that is not ours could lead clients elsewhere.
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
                raise self._too_long(f"and {folder} is not a private directory of this user")
            if not link.is_symlink() or link.readlink() != self.path:
                link.unlink(missing_ok=True)
                link.symlink_to(self.path)
        except FileExistsError:  # another process made the same link meanwhile
            pass
        except OSError as error:
            raise self._too_long(f"and {link}: {error.strerror}") from error
        return short

    def _too_long(self, why: str) -> ConfigError:
        return ConfigError("S122", f"{self.path} is too long for a unix socket, {why}", "choose a shorter --data")
