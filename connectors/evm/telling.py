"""What sending says: reports on commands, and the ``transaction`` fact of each, for rules that wait for more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from connectors.base import Observation
from connectors.evm.notes import Book, Mined, Note, Outcome

#: States of a ``transaction`` fact.
PENDING: Final = "pending"
MINED: Final = "mined"
UNCONFIRMED: Final = "unconfirmed"
STUCK: Final = "stuck"
MISSING: Final = "missing"
DONE: Final = "done"
FAILED: Final = "failed"
FINAL: Final = "final"
KIND: Final = "transaction"


class Teller:
    """Notes a change and says it, in one write."""

    def __init__(self, book: Book, network: str) -> None:
        self._book = book
        self._network = network

    async def change(self, note: Note, head: int, reason: str = "", *said: Observation) -> None:
        """The note becomes this, and its ``transaction`` fact and whatever else is said enter the journal."""
        await self._book.change(note, [*said, fact(self._network, note, head, reason)])

    async def close(self, note: Note, outcome: Outcome, head: int, reason: str = "", *said: Observation) -> None:
        """Nothing more can come of it; likewise."""
        await self._book.close(note, outcome, [*said, fact(self._network, note, head, reason)])


def report(note: Note, status: str, detail: Mapping[str, Any]) -> Observation:
    """A report on the note's command."""
    return Observation("report", {"command": note.command, "status": status, "detail": dict(detail)})


def fact(network: str, note: Note, head: int, reason: str = "") -> Observation:
    """How the note's transaction stands, as of that head."""
    mined = note.mined
    data: dict[str, Any] = {
        "id": note.command,
        "network": network,
        "state": note.state,
        "sender": note.sender,
        "nonce": note.nonce,
        "tx": note.last.hash if mined is None else mined.hash,
        "max_fee": str(note.last.max_fee),
        "priority_fee": str(note.last.priority),
        "replaced": len(note.versions) - 1,
        "reason": reason,
    }
    if mined is not None:
        data |= {"height": mined.block, "block_hash": mined.block_hash, "depth": depth(mined, head)}
    return Observation("assert", data, KIND)


def depth(mined: Mined, head: int) -> int:
    """Blocks on top, its own included."""
    return max(head - mined.block + 1, 0)


def stand(note: Note, state: str, **changes: Any) -> Note:  # noqa: ANN401 - fields of a note
    """The note in that state."""
    return replace(note, state=state, **changes)
