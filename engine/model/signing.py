"""Signatures of the engine's own journal entries: HMAC-SHA256 over every other field.

Anyone who may XADD may claim to be anyone; so what only the engine may say (results, rule bases, control, facts of its
own kinds) carries a signature. Each name and value goes in with its length before it, so that no shift of a boundary
between fields gives the same bytes; ``writer`` and a strictly rising ``n`` are among the fields, so that no entry can
be sent again or lend its signature to another.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

#: Operations nobody but the engine may send.
RESERVED_OPS: Final = frozenset({"result", "rulebase", "control"})
#: Shortest secret that is taken, in bytes.
MIN_SECRET_BYTES: Final = 16

#: Sets these signatures apart from anything else the same secret may ever sign.
_PURPOSE: Final = b"lockstep journal entry 1"


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def sign(fields: Mapping[str, bytes | str], secret: bytes) -> str:
    """The signature of an entry.

    Args:
        fields: all fields of the entry; ``sig`` is left out if it is among them.
        secret: at least ``MIN_SECRET_BYTES`` bytes.

    Returns:
        64 hex digits in lower case.

    Raises:
        ValueError: the secret is too short to protect anything.
    """
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(f"a secret of {len(secret)} bytes is too short, at least {MIN_SECRET_BYTES} are needed")
    mac = hmac.new(secret, _PURPOSE, hashlib.sha256)
    for name, value in sorted((_bytes(name), _bytes(value)) for name, value in fields.items() if name != "sig"):
        mac.update(b"%d:%b%d:%b" % (len(name), name, len(value), value))
    return mac.hexdigest()


def verify(fields: Mapping[str, bytes | str], secret: bytes) -> bool:
    """Whether ``sig`` is this entry's signature and ``writer`` and ``n`` are there; takes the same time either way.

    Whether ``n`` rises is for the caller to know: it holds the last one of each writer.
    """
    sig = fields.get("sig")
    if sig is None or "writer" not in fields or "n" not in fields:
        return False
    return hmac.compare_digest(_bytes(sig), sign(fields, secret).encode())


def signed_fields(
    op: str,
    data: str,
    writer: str,
    n: int,
    secret: bytes,
    source: str = "engine",
    kind: str | None = None,
    observed_at: int | None = None,
) -> dict[str, str]:
    """A complete signed entry, ready for XADD.

    Args:
        op: operation, usually one of ``RESERVED_OPS``.
        data: JSON text.
        writer: who signs; each writer counts its own ``n``.
        n: larger than any this writer used before.
        secret: shared by the engine's parts.
        source: who says it.
        kind: for assertions of the engine's own kinds.
        observed_at: unix ms; left out: the entry's time.
    """
    fields = {"op": op}
    if kind is not None:
        fields["kind"] = kind
    fields |= {"source": source, "data": data}
    if observed_at is not None:
        fields["observed_at"] = str(observed_at)
    fields |= {"writer": writer, "n": str(n)}
    fields["sig"] = sign(fields, secret)
    return fields
