"""Facts in working memory: a key with one claim, or with one claim of each source."""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Final

from engine.model.journal import StreamId
from engine.model.kinds import Scalar, Value

if TYPE_CHECKING:
    from engine.matching.match import Match, Seat
    from engine.matching.memory import KindMemory

Key = tuple[Scalar, ...]
_ENCODE: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def key_text(parts: object) -> str:
    """Canonical JSON of a key or of a tuple of keys: what ties are broken by and what ids are made of."""
    if isinstance(parts, tuple):
        return f"[{','.join([key_text(part) for part in parts])}]"
    if isinstance(parts, str):
        quoted: str = encode_basestring(parts)
        return quoted
    # A fifth of what the encoder takes for the few short parts of a key; a recovery asks it of every fact.
    return str(parts) if type(parts) is int else _ENCODE(parts)


def subject_text(key: Key) -> str:
    """A key as rules and people read it: a single part as it is, several as ``key_text``."""
    return str(key[0]) if len(key) == 1 else key_text(key)


class Claim:
    """What one source said under a key. Never changed: a newer word is a new claim.

    Attributes:
        source: who said it.
        values: decoded values in the kind's field order.
        at: observed_at, unix ms.
        seq: the sender's sequence number, if any.
        position: journal position of the entry that said it.
        data: the JSON object it came as; empty for what the engine made itself.
    """

    __slots__ = ("at", "data", "position", "seq", "source", "values")

    def __init__(
        self, source: str, values: tuple[Value, ...], at: int, seq: int | None, position: StreamId, data: bytes
    ) -> None:
        self.source = source
        self.values = values
        self.at = at
        self.seq = seq
        self.position = position
        self.data = data


class Fact:
    """A living fact: the newest claim under its key, and who watches it.

    Attributes:
        memory: the memory of its kind.
        key: values of the key fields.
        values: of the newest claim; replaced as a whole on change, so a guard reads one consistent tuple.
        at: observed_at of the newest claim.
        claim: the newest claim.
        claims: source → claim for kinds with ``claims: per_source``, else None.
        solo: its match in the one-pattern ground of its kind, if rules use that.
        seats: seat (ground and position) → complete matches that hold this fact there.
        partials: matches, complete or not, that hold this fact.
        handle: the joiner's name for it; 0 while it is not joined.
        expires_at: instant of the expiry item in the agenda of time, 0 if none.
        is_alive: False once it has left memory.
    """

    __slots__ = (
        "at",
        "claim",
        "claims",
        "expires_at",
        "handle",
        "is_alive",
        "key",
        "memory",
        "partials",
        "seats",
        "solo",
        "text",
        "values",
    )

    def __init__(self, memory: KindMemory, key: Key, claim: Claim) -> None:
        self.memory = memory
        self.key = key
        self.text = ""
        self.claim = claim
        self.values = claim.values
        self.at = claim.at
        self.claims: dict[str, Claim] | None = None
        self.solo: Match | None = None
        self.seats: dict[Seat, dict[Match, None]] | None = None
        self.partials: dict[Match, None] | None = None
        self.handle = 0
        self.expires_at = 0
        self.is_alive = True

    @property
    def key_text(self) -> str:
        """Canonical JSON of the key, made when first asked for."""
        if not self.text:
            self.text = key_text(self.key)
        return self.text
