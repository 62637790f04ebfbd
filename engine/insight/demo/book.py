"""The executor's own book: where every intent's value is. It knows nothing of rules or verdicts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.insight.demo.trace import Opening

#: Where fees go.
FEES = "fees"
#: Where value comes from and goes to when it is exchanged.
POOL = "pool"


class OverdrawnError(Exception):
    """More was to be moved than lies there."""


@dataclass
class Book:
    """Double entry: what leaves one place enters another.

    Attributes:
        held: (intent, place, asset) → amount. The pool's may be negative: it began outside the book.
        carried_out: command id → how often it took effect.
        verbs: command id → its intent and verb.
    """

    held: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    carried_out: Counter[str] = field(default_factory=Counter)
    verbs: dict[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def open(cls, opening: Iterable[Opening]) -> Book:
        """With what is there at the beginning."""
        book = cls()
        for one in opening:
            book.held[one.intent, one.place, one.asset] += one.amount
        return book

    def move(self, intent: str, asset: str, amount: int, origin: str, to: str) -> None:
        """Moves an amount.

        Raises:
            OverdrawnError: it is not there.
        """
        if amount <= 0 or (origin != POOL and self.held[intent, origin, asset] < amount):
            raise OverdrawnError(f"{amount} {asset} of {intent} are not at {origin}")
        self.held[intent, origin, asset] -= amount
        self.held[intent, to, asset] += amount

    def took_effect(self, command: str, intent: str, verb: str) -> None:
        """A command was carried out."""
        self.carried_out[command] += 1
        self.verbs[command] = (intent, verb)

    def places(self, intent: str) -> dict[tuple[str, str], int]:
        """(place, asset) → what of this intent is there, where it is not nothing; without the pool."""
        found = {(p, a): n for (i, p, a), n in self.held.items() if i == intent and p != POOL and n}
        return dict(sorted(found.items()))

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        rows = [[*where, str(amount)] for where, amount in sorted(self.held.items())]
        verbs = {command: [*what, self.carried_out[command]] for command, what in self.verbs.items()}
        draft = path.with_suffix(".part")
        draft.write_text(json.dumps({"held": rows, "commands": verbs}), encoding="utf-8")
        draft.replace(path)

    @classmethod
    def load(cls, path: Path) -> Book:
        """As saved."""
        saved: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        book = cls()
        for intent, place, asset, amount in saved["held"]:
            book.held[intent, place, asset] = int(amount)
        for command, (intent, verb, times) in saved["commands"].items():
            book.verbs[command] = (intent, verb)
            book.carried_out[command] = times
        return book
