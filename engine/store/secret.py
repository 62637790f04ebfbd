"""The secret behind the engine's signatures: a file of its own, never in Redis, never in a log."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from engine.errors import ConfigError

#: The environment variable that names a secret file, for servers that several hosts share.
SECRET_FILE_VARIABLE = "LOCKSTEP_SECRET_FILE"  # noqa: S105  the name of a file, not a secret
_NAME = "secret"
_BYTES = 32
#: HMAC-SHA256 keys below 128 bits can be guessed.
_MIN_BYTES = 16
_MAX_BYTES = 4_096


def secret_path(data: Path, named: str | None) -> Path:
    """The secret's file: the one ``LOCKSTEP_SECRET_FILE`` names, else ``secret`` in the data directory."""
    return Path(named) if named else data / _NAME


def read_secret(path: Path) -> bytes:
    """The secret, without the line end an editor adds.

    Raises:
        ConfigError: S130 not there, S131 others may read it, S132 it belongs to another user, S133 its length,
            S134 unreadable.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        hint = f"start the daemon once, or set {SECRET_FILE_VARIABLE}"
        raise ConfigError("S130", f"there is no secret file {path}", hint) from error
    except OSError as error:
        raise ConfigError("S134", f"secret file {path}: {error.strerror}", "it must be a readable file") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ConfigError("S134", f"secret file {path} is not a file", "it must be a readable file")
    with open(fd, "rb") as file:
        found = os.fstat(file.fileno())
        if found.st_mode & 0o077:
            raise ConfigError("S131", f"others may read the secret file {path}", f"chmod 600 {path}")
        if found.st_uid not in {os.getuid(), 0}:
            raise ConfigError(
                "S132", f"the secret file {path} belongs to another user", f"chown it to uid {os.getuid()}"
            )
        secret = file.read(_MAX_BYTES + 1).rstrip(b"\r\n")
    if not _MIN_BYTES <= len(secret) <= _MAX_BYTES:
        raise ConfigError(
            "S133", f"the secret file {path} holds {len(secret)} bytes", f"{_MIN_BYTES} to {_MAX_BYTES} are needed"
        )
    return secret


def ensure_secret(path: Path) -> bytes:
    """The secret; made first (0600, 256 bits, as hexadecimal text) if there is none.

    Two that make it at once end up with the same one: the file appears complete, by a link, and only once.

    Raises:
        ConfigError: as ``read_secret``.
    """
    if not path.exists():
        _create(path)
    return read_secret(path)


def _create(path: Path) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.unlink(missing_ok=True)
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            # The one place that needs chance: a secret that follows from its causes would be none.
            file.write(secrets.token_hex(_BYTES).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first; its secret counts
        finally:
            draft.unlink()
    except OSError as error:
        raise ConfigError("S134", f"secret file {path}: {error.strerror}", "is its directory writable?") from error
