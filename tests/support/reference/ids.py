"""Ids and the order of keys: both are canonical JSON."""

from __future__ import annotations

import base64
import hashlib
import json

from tests.support.reference.records import GroupKey


def canonical(value: object) -> str:
    """Canonical JSON text: sorted names, no blanks, no escapes beyond the needed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: object) -> str:
    """First 16 bytes of SHA-256 over canonical JSON, base32, lower-case, without padding."""
    first = hashlib.sha256(canonical(value).encode()).digest()[:16]
    return base64.b32encode(first).decode().rstrip("=").lower()


def activation_id(rule: str, group: GroupKey, cause: str, n: int) -> str:
    """The id of the n-th (from 0) firing of a decision."""
    return digest(["activation", rule, group, cause, n])


def command_id(activation: str, index: int, attempt: int) -> str:
    """The id of the command that is effect ``index`` of a firing."""
    return digest(["command", activation, index, attempt])
