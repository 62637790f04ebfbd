"""Which of two words about a key came first, and the memory of what was retracted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from engine.matching.fact import Claim


@dataclass(frozen=True, slots=True)
class Word:
    """What a sender says of when it said something.

    Attributes:
        source: who says it.
        at: observed_at, or the entry's time.
        seq: the sender's sequence number, if any.
        is_dated: the sender gave observed_at itself.
    """

    source: str
    at: int
    seq: int | None
    is_dated: bool


class Tombstone(NamedTuple):
    """A retraction, remembered so that what it retracted cannot come back late.

    Attributes:
        order: values of the kind's order fields, if they are known.
        at: its observed_at, unix ms.
        until: instant until which it is remembered.
        seq: its sender's sequence number, if any.
        source: its sender.
    """

    order: tuple[int, ...]
    at: int
    until: int
    seq: int | None = None
    source: str = ""


def compared(new: Word | Claim, old: Claim | Tombstone, *, is_dated: bool) -> int:
    """Below 0: the new word was said before the old one; above 0: after it.

    Sequence numbers count where both have one: after observed_at, or alone if both are of one source whose sender gave
    no observed_at, so that a late retry, which has the time of its arrival, cannot overtake.
    """
    if new.seq is None or old.seq is None:
        return new.at - old.at
    if not is_dated and new.source == old.source:
        return new.seq - old.seq
    return new.at - old.at or new.seq - old.seq


def buries(stone: Tombstone, order: tuple[int, ...], claim: Claim, *, is_dated: bool) -> bool:
    """Whether the retraction supersedes a claim; by time, the later entry wins, by order fields the retraction."""
    if stone.order and order != stone.order:
        return order < stone.order
    age = compared(claim, stone, is_dated=is_dated)
    return age < 0 or (age == 0 and bool(stone.order))


def merged(stone: Tombstone, there: Tombstone, *, is_dated: bool) -> Tombstone:
    """The tombstone that counts when there is one already: the later."""
    if not stone.order:
        stone = stone._replace(order=there.order)
    if stone.order < there.order:
        return there
    word = Word(stone.source, stone.at, stone.seq, is_dated)
    return there if stone.order == there.order and compared(word, there, is_dated=is_dated) < 0 else stone
