"""The signing secret: a file only its owner can read, made once, never in Redis."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from engine.errors import ConfigError
from engine.model.signing import MIN_SECRET_BYTES
from engine.settings import Settings

_MADE_BYTES = 32


def secret_path(settings: Settings) -> Path:
    """Where the secret is: as configured, else ``secret`` in the data directory."""
    return settings.secret_file or settings.data / "secret"


def read_secret(settings: Settings) -> bytes:
    """The secret.

    Raises:
        ConfigError: C140 it cannot be read, C141 it is too short to protect anything.
    """
    path = secret_path(settings)
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        hint = "name the daemon's: --data DIR, or LOCKSTEP_SECRET_FILE; `lockstep run` makes it at its first start"
        raise ConfigError("C140", f"signing secret {path}: {error.strerror}", hint) from error
    if len(secret) < MIN_SECRET_BYTES:
        hint = f"put {_MADE_BYTES} random bytes into it: openssl rand -hex {_MADE_BYTES}"
        raise ConfigError("C141", f"signing secret {path} has {len(secret)} bytes", hint)
    return secret


def read_or_make_secret(settings: Settings) -> bytes:
    """The secret; made at the first start, unless a file was configured, which then must be there.

    Raises:
        ConfigError: C140, C141 as ``read_secret``, C142 it cannot be made.
    """
    path = secret_path(settings)
    if settings.secret_file is None and not path.exists():
        try:
            _make(path)
        except OSError as error:
            raise ConfigError("C142", f"signing secret {path}: {error.strerror}", "check --data") from error
    return read_secret(settings)


def _make(path: Path) -> None:
    """Written whole under another name first, so that of two daemons that start at once both read the same one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "w") as stream:
            stream.write(secrets.token_hex(_MADE_BYTES) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return
    finally:
        draft.unlink()
