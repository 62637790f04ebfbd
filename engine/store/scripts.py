"""The Lua scripts: read once from the package, known to Redis by their hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

_INCLUDE = "-- include: "


@dataclass(frozen=True, slots=True)
class Script:
    """One script: its text, and the SHA-1 under which Redis keeps it."""

    name: str
    text: str
    sha: str


def load(name: str) -> Script:
    """The script ``lua/<name>.lua``, its ``-- include: file.lua`` lines replaced by those files."""
    folder = resources.files("engine.store").joinpath("lua")
    lines: list[str] = []
    for line in folder.joinpath(f"{name}.lua").read_text(encoding="utf-8").splitlines():
        if line.startswith(_INCLUDE):
            lines += folder.joinpath(line.removeprefix(_INCLUDE).strip()).read_text(encoding="utf-8").splitlines()
        else:
            lines.append(line)
    text = "\n".join(lines)
    # Redis itself names scripts by SHA-1; nothing is secured by it.
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


COMMIT = load("commit")
NOTE = load("note")
NOTE_DOWN = load("note_down")
TAKE = load("take")
REQUEUE = load("requeue")
MARK_SENT = load("mark_sent")
SEND_REDIS = load("send_redis")
END = load("end")
LEASE_ACQUIRE = load("lease_acquire")
LEASE_RENEW = load("lease_renew")
LEASE_RELEASE = load("lease_release")
APPEND_SIGNED = load("append_signed")
CLAIM_NUMBERS = load("claim_numbers")
PUT_REVISION = load("put_revision")
SNAPSHOT = load("snapshot")
VIEW = load("view")
LAG = load("lag")
