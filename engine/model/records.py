"""The durable form of a claim in the ``facts`` hash: a canonical name, and a record that any JSON reader can read.

The sender's own JSON is kept inside the record as it came, so that what was said can be shown years later and decoded
again when a kind gains fields; only a few numbers are put in front of it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Final

from engine.model.journal import StreamId
from engine.model.kinds import Scalar

#: What a record is: a living claim, a retraction that late duplicates meet, or a fact that rules or the engine made.
CLAIM: Final = "claim"
TOMBSTONE: Final = "tombstone"
CONCLUDED: Final = "concluded"
ENGINE: Final = "engine"
ROLES: Final = (CLAIM, TOMBSTONE, CONCLUDED, ENGINE)

#: Names a removed block where a kind's name stands for claims; no kind can have it, for kinds are words.
REMOVED_BLOCK: Final = "!removed"

Key = tuple[Scalar, ...]

#: All that ``encode_claim`` puts before the data.
_HEAD: Final = re.compile(
    rb'\{"at":(-?[0-9]+),(?:"seq":([0-9]+),)?(?:"role":"([a-z]+)",)?(?:"until":([0-9]+),)?'
    rb'"position":"([0-9]+)-([0-9]+)","source":("[^"\\]*(?:\\.[^"\\]*)*"),"data":'
)
_REMEMBERED: Final = 4_096


@lru_cache(maxsize=_REMEMBERED)
def _quoted(text: str) -> str:
    quoted: str = encode_basestring(text)
    return quoted


@lru_cache(maxsize=_REMEMBERED)
def _unquoted(quoted: bytes) -> str:
    text: str = json.loads(quoted)
    return text


def _element(value: Scalar) -> str:
    if type(value) is str:
        quoted: str = encode_basestring(value)
        return quoted
    if type(value) is int:
        return str(value)
    return "true" if value else "false"


def fact_field(kind: str, key: Key, source: str | None = None) -> bytes:
    """The field of a claim in the ``facts`` hash: ``["kind",["k1",…]]``, and the source third if claims are per source.

    Args:
        kind: name of the kind.
        key: values of the key fields, in the order of ``Kind.key``; integers stay integers.
        source: for kinds with ``claims: per_source``.
    """
    head = f"[{_quoted(kind)},[{','.join([_element(v) for v in key])}]"
    return f"{head}]".encode() if source is None else f"{head},{_quoted(source)}]".encode()


def parse_fact_field(field: bytes) -> tuple[str, Key, str | None]:
    """Kind, key and source (None: one claim per key).

    Raises:
        ValueError: not a name that ``fact_field`` made.
    """
    match json.loads(field):
        case [str(kind), list(key)]:
            return kind, _key(key), None
        case [str(kind), list(key), str(source)]:
            return kind, _key(key), source
        case _:
            raise ValueError(f"not the name of a claim: {field[:200]!r}")


def fact_kind(field: bytes) -> str:
    """The kind alone, without reading the rest: recovery asks it of every record.

    Raises:
        ValueError: not a name that ``fact_field`` made.
    """
    if field.startswith(b'["') and (end := field.find(b'",[', 2)) > 0 and b"\\" not in field[:end]:
        return field[2:end].decode()
    return parse_fact_field(field)[0]


def _key(parts: list[object]) -> Key:
    return tuple(_scalar(p) for p in parts)


def _scalar(part: object) -> Scalar:
    if isinstance(part, (str, int)):
        return part
    raise ValueError(f"not part of a key: {part!r}")


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """What is kept of a claim.

    Attributes:
        observed_at: unix ms.
        seq: the sender's sequence number, if it sent one.
        position: of the entry that said it.
        source: who said it.
        data: the JSON object as it came, or canonical for what rules made. A tombstone's is the retraction's own: the
            key, and the order fields if it carried them.
        role: one of ``ROLES``.
        until_ms: of a tombstone: the instant after which it is forgotten; else None.
    """

    observed_at: int
    seq: int | None
    position: StreamId
    source: str
    data: bytes
    role: str = CLAIM
    until_ms: int | None = None


def encode_claim(
    observed_at: int,
    seq: int | None,
    position: StreamId,
    source: str,
    data: bytes,
    role: str = CLAIM,
    until_ms: int | None = None,
) -> bytes:
    """The record of a claim: a JSON object that ends with the data as it came.

    Args:
        observed_at: unix ms.
        seq: the sender's sequence number, or None.
        position: of the entry that said it.
        source: who said it.
        data: valid UTF-8 JSON (the decoder saw it); it is not looked at again.
        role: one of ``ROLES``.
        until_ms: see ClaimRecord.
    """
    more = "" if seq is None else f'"seq":{seq},'
    if role != CLAIM:
        more += f'"role":"{role}",'
    if until_ms is not None:
        more += f'"until":{until_ms},'
    ms, n = position
    head = f'{{"at":{observed_at},{more}"position":"{ms}-{n}","source":{_quoted(source)},"data":'
    return b"%b%b}" % (head.encode(), data)


def decode_claim(record: bytes) -> ClaimRecord:
    """A record that ``encode_claim`` made.

    Raises:
        ValueError: it is not one.
    """
    head = _HEAD.match(record)
    if head is None or not record.endswith(b"}"):
        raise ValueError(f"not the record of a claim: {record[:200]!r}")
    at, seq, role, until, ms, n, source = head.groups()
    return ClaimRecord(
        int(at),
        None if seq is None else int(seq),
        StreamId(int(ms), int(n)),
        _unquoted(source),
        record[head.end() : -1],
        CLAIM if role is None else role.decode(),
        None if until is None else int(until),
    )


def removed_block_field(network: str, block: str) -> bytes:
    """The field under which a removed block is remembered: ``["!removed",["network","0x…"]]``."""
    return fact_field(REMOVED_BLOCK, (network, block))


def encode_removed_block(until_ms: int, position: StreamId) -> bytes:
    """The record of a removed block: until when it is remembered, and which entry removed it."""
    return f'{{"until":{until_ms},"position":"{position.ms}-{position.seq}"}}'.encode()


def decode_removed_block(record: bytes) -> tuple[int, StreamId]:
    """Until when a removed block is remembered (unix ms), and the entry that removed it.

    Raises:
        ValueError: not a record that ``encode_removed_block`` made.
    """
    head = json.loads(record)
    return int(head["until"]), StreamId.parse(head["position"])
