"""How far a chain was told: the last block, and the hashes of those before it, as the notebook keeps them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

#: Names of notes begin so; the sending half has names of its own.
PREFIX: Final = "watch/"
_BLOCK: Final = PREFIX + "block/"
_NEXT: Final = PREFIX + "next"
_REMOVED: Final = PREFIX + "removed"
#: Hashes of removed blocks that are remembered, to say so when one comes back.
_MAX_REMOVED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A block that was told, or is being told.

    Attributes:
        time_ms: its own time.
        told: facts of it that stand in the journal.
        is_whole: there are no more of them; only the last block may not be whole.
        keys: identities of its facts, so that what they replaced is told again if it is removed.
    """

    number: int
    hash: str
    time_ms: int
    told: int
    is_whole: bool
    keys: tuple[str, ...]

    def text(self) -> str:
        """As a note."""
        rest = {"hash": self.hash, "time": self.time_ms, "told": self.told, "whole": self.is_whole, "keys": self.keys}
        return json.dumps(rest, separators=(",", ":"))

    @classmethod
    def of(cls, number: int, text: str) -> Entry:
        """From a note."""
        rest = json.loads(text)
        return cls(number, rest["hash"], rest["time"], rest["told"], rest["whole"], tuple(rest["keys"]))


class Window:
    """The last blocks that were told.

    Blocks may be missing where many were caught up with at once: then every block between two entries lies deeper than
    the window reaches. What changes it returns the notes that say the same; they are written at once.

    Attributes:
        entries: rising; at most ``size`` blocks back from the last.
        removed: hashes of blocks that were told and removed, oldest first.
    """

    def __init__(self, size: int, notes: Mapping[str, str]) -> None:
        """As noted.

        Args:
            size: blocks it reaches back.
            notes: all of the notebook.
        """
        self.size = size
        found = {int(name.removeprefix(_BLOCK)): text for name, text in notes.items() if name.startswith(_BLOCK)}
        self.entries = [Entry.of(number, found[number]) for number in sorted(found)]
        self.removed: dict[str, None] = dict.fromkeys(json.loads(notes.get(_REMOVED, "[]")))
        self._next = int(notes[_NEXT]) if _NEXT in notes else None

    @property
    def last(self) -> Entry | None:
        """The newest block told."""
        return self.entries[-1] if self.entries else None

    @property
    def next_number(self) -> int | None:
        """The first block of which something is to be told; None: nothing ever was."""
        last = self.last
        if last is None:
            return self._next
        return last.number + 1 if last.is_whole else last.number

    def unbroken(self, first: int) -> list[Entry]:
        """The entries from ``first`` up to the last one, as far back as none is missing between them."""
        unbroken: list[Entry] = []
        for entry in reversed(self.entries):
            if entry.number < first or (unbroken and entry.number != unbroken[-1].number - 1):
                break
            unbroken.append(entry)
        return unbroken[::-1]

    def add(self, entry: Entry) -> dict[str, str | None]:
        """A block was told, or more of the last one."""
        if self.last is not None and self.last.number == entry.number:
            self.entries.pop()
        self.entries.append(entry)
        notes: dict[str, str | None] = {_BLOCK + str(entry.number): entry.text()}
        if self._next is not None:
            self._next, notes[_NEXT] = None, None
        while self.entries[0].number <= entry.number - self.size:
            notes[_BLOCK + str(self.entries.pop(0).number)] = None
        return notes

    def begin_at(self, number: int) -> dict[str, str | None]:
        """Nothing was told yet (or nothing that still stands); the next block is this one."""
        self._next = number
        return {_NEXT: str(number)}

    def cut(self, keep: int) -> dict[str, str | None]:
        """The entries from the ``keep``-th on were removed."""
        gone, self.entries = self.entries[keep:], self.entries[:keep]
        self.removed |= dict.fromkeys(entry.hash for entry in gone)
        for oldest in list(self.removed)[: max(len(self.removed) - _MAX_REMOVED, 0)]:
            del self.removed[oldest]
        notes: dict[str, str | None] = {_BLOCK + str(entry.number): None for entry in gone}
        return notes | self._removed_note()

    def lift(self, hashes: Iterable[str]) -> dict[str, str | None]:
        """Blocks that were removed are back."""
        back = [each for each in hashes if each in self.removed]
        for each in back:
            del self.removed[each]
        return self._removed_note() if back else {}

    def _removed_note(self) -> dict[str, str | None]:
        return {_REMOVED: json.dumps(list(self.removed)) if self.removed else None}
