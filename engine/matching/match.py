"""Matches: tuples of facts that fit a shape, and the seats facts take in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.matching.fact import Fact, Key, key_text
from engine.matching.memory import Bucket, Watch

if TYPE_CHECKING:
    from engine.matching.grounding import Ground
    from engine.matching.node import RuleNode


class Seat:
    """One position of a ground: who reads which fields of the facts that sit there.

    Attributes:
        ground: the shape.
        position: index into a match's facts.
        nodes: (mask, rule): a change of these bits has the rule judge the matches that hold the fact here.
        source_bits: fields that look-ups or joins read: when one changes, the matches themselves change.
    """

    __slots__ = ("ground", "nodes", "position", "source_bits")

    def __init__(self, ground: Ground, position: int) -> None:
        self.ground = ground
        self.position = position
        self.nodes: list[tuple[int, RuleNode]] = []
        self.source_bits = 0


class Match:
    """Facts by seat. Incomplete while a look-up waits for its fact.

    Attributes:
        ground: the shape it fits.
        facts: by seat; None where not bound yet.
        keys: the keys looked up so far, by stage.
        is_complete: all seats are bound; only then do rules see it.
        subscriptions: rule → buckets its inner terms looked at when it was last judged.
    """

    __slots__ = ("_key", "_text", "facts", "ground", "is_complete", "keys", "subscriptions")

    def __init__(self, ground: Ground, facts: list[Fact | None]) -> None:
        self.ground = ground
        self.facts = facts
        self.keys: list[Key] = []
        self.is_complete = False
        self.subscriptions: dict[RuleNode, tuple[Watch, dict[Bucket, tuple[int, Key]]]] | None = None
        self._key: tuple[Key, ...] | None = None
        self._text = ""

    @property
    def key(self) -> tuple[Key, ...]:
        """Identities of the facts, by seat; only of a complete match."""
        if self._key is None:
            self._key = tuple([f.memory.identity(f) for f in self.facts if f is not None])
        return self._key

    @property
    def text(self) -> str:
        """Canonical JSON of the key."""
        if not self._text:
            self._text = key_text(self.key)
        return self._text

    def forget_key(self) -> None:
        """Another fact was bound: the key is another."""
        self._key = None
        self._text = ""
