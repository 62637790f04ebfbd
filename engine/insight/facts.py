"""Facts as the store keeps them, for people."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.model.journal import StreamId
from engine.model.records import TOMBSTONE, Key, decode_claim, parse_fact_field


class FactStore(Protocol):
    """The one thing this module needs of the store."""

    def load_facts(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """All of ``facts``: field, record."""
        ...


@dataclass(frozen=True, slots=True)
class StoredFact:
    """A living claim.

    Attributes:
        kind: its kind.
        key: values of the key fields.
        values: as the sender wrote them; integers are exact.
        observed_at: unix ms.
        source: who said it.
        position: the journal entry that said it.
        role: claim, concluded (a rule's, as long as it holds) or engine.
    """

    kind: str
    key: Key
    values: Mapping[str, Any]
    observed_at: int
    source: str
    position: StreamId
    role: str

    @property
    def key_text(self) -> str:
        """The key for people: its parts with slashes between."""
        return "/".join(str(part) for part in self.key)

    def as_dict(self) -> dict[str, Any]:
        """The form ``facts --json`` prints."""
        return {
            "kind": self.kind,
            "key": list(self.key),
            "values": dict(self.values),
            "observed_at": self.observed_at,
            "source": self.source,
            "position": str(self.position),
            "role": self.role,
        }


async def facts_of(store: FactStore, kind: str | None = None) -> AsyncIterator[StoredFact]:
    """Living claims, of one kind or of all, in no order; tombstones and removed blocks are left out."""
    # Fields are canonical JSON, so the kind can be told without parsing the thousands of another one.
    wanted = f"[{json.dumps(kind, ensure_ascii=False)},".encode() if kind else b'["'
    async for field, record in store.load_facts():
        if not field.startswith(wanted) or field.startswith(b'["!'):
            continue
        claim = decode_claim(record)
        if claim.role == TOMBSTONE:
            continue
        name, key, _ = parse_fact_field(field)
        # json, not orjson: integers beyond 64 bits stay exact.
        values = json.loads(claim.data)
        yield StoredFact(name, key, values, claim.observed_at, claim.source, claim.position, claim.role)
