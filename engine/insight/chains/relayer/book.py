"""The relayer's own file: how far it has read, what it owes, what it has released."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from engine.insight.chains.problems import ChainError
from engine.insight.chains.relayer.deposit import Deposit

#: ``due``: deep enough, to be released; ``sent``: a transaction is under way; ``released``: it is in a block;
#: ``final``: so deep that it is left alone.
State = Literal["due", "sent", "released", "final"]
#: Final entries that are kept, for people; whether something was released is for the chain to say.
_KEPT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Mark:
    """The last block of a chain that was deep enough and is read."""

    height: int
    hash: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A deposit and what became of it; ``tx`` releases it, once there is one."""

    deposit: Deposit
    state: State = "due"
    tx: str | None = None


@dataclass
class Book:
    """In memory; ``save`` makes it last.

    Attributes:
        marks: network → how far it is read.
        entries: id → entry, in the order in which they became due.
    """

    path: Path
    marks: dict[str, Mark] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> Book:
        """As saved; empty if there is none.

        Raises:
            ChainError: X157, it is no such book.
        """
        try:
            saved = json.loads(path.read_bytes())
            marks = {network: Mark(**mark) for network, mark in saved["marks"].items()}
            entries = {
                each["deposit"]["id"]: Entry(Deposit(**each["deposit"]), each["state"], each["tx"])
                for each in saved["entries"]
            }
        except FileNotFoundError:
            return cls(path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            hint = "move it away: what was released is read from the chains again"
            raise ChainError("X157", f"{path} is no relayer's book: {error}", hint) from error
        return cls(path, marks, entries)

    def open_of(self, network: str) -> Iterator[Entry]:
        """What was locked on that network and is not finally released."""
        return iter([e for e in self.entries.values() if e.deposit.network == network and e.state != "final"])

    def note(self, deposit: Deposit, state: State, tx: str | None) -> None:
        """What became of a deposit that is in the book."""
        self.entries[deposit.id] = replace(self.entries[deposit.id], state=state, tx=tx)

    def forget_network(self, network: str) -> None:
        """Everything that was read from a chain."""
        self.marks.pop(network, None)
        self.entries = {id_: e for id_, e in self.entries.items() if e.deposit.network != network}

    def save(self) -> None:
        """Whole or not at all, and on the disk when it returns."""
        done = [id_ for id_, entry in self.entries.items() if entry.state == "final"]
        for id_ in done[:-_KEPT]:
            del self.entries[id_]
        saved = {
            "marks": {network: asdict(mark) for network, mark in self.marks.items()},
            "entries": [asdict(entry) for entry in self.entries.values()],
        }
        draft = self.path.with_suffix(".part")
        with draft.open("w", encoding="utf-8") as file:
            json.dump(saved, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
