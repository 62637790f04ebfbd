"""Working memory of one kind: facts by key, their claims and order, tombstones, and indexes for inner terms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Final

from engine import limits
from engine.matching.fact import Claim, Fact, Key
from engine.matching.tombstones import Tombstone, Word, buries, compared
from engine.matching.watchers import Watchers
from engine.model.journal import StreamId
from engine.model.kinds import Kind, Scalar, Value

if TYPE_CHECKING:
    from engine.matching.match import Match, Seat
    from engine.matching.node import RuleNode

#: A rule's watch on a bucket: changes of these bits of a fact in it matter to the rule for that match.
Watch = tuple["RuleNode", "Match"]


#: Orders before every number that a field may hold.
_ABSENT: Final = -(2**256)
#: Who supports a conclusion: rule, group key, number of the effect.
Supporter = tuple[str, str, int]


class Taken(Enum):
    """What became of a claim."""

    ADDED = "added"  # the key had no fact
    CHANGED = "changed"  # the fact's values changed, or the set of its claims
    RENEWED = "renewed"  # the same values, observed later
    SAME = "same"  # nothing changes
    SUPERSEDED = "superseded"  # older than what is known
    CONFLICT = "conflict"  # an event cannot change
    FULL = "full"  # the kind's limit is reached


class Bucket:
    """The facts of an index under one key, and who looked there."""

    __slots__ = ("facts", "watchers")

    def __init__(self) -> None:
        self.facts: dict[Fact, None] = {}
        self.watchers: dict[Watch, int] = {}


class Index:
    """Facts of a kind by the values of some of its fields; facts without one of the values are not in it."""

    __slots__ = ("bits", "buckets", "positions")

    def __init__(self, positions: tuple[int, ...]) -> None:
        self.positions = positions
        self.bits = sum(1 << p for p in positions)
        self.buckets: dict[tuple[Value, ...], Bucket] = {}

    def key_of(self, values: tuple[Value, ...]) -> tuple[Value, ...]:
        """The bucket's key for a fact with these values."""
        return tuple([values[p] for p in self.positions])

    def bucket(self, key: tuple[Value, ...]) -> Bucket:
        """The bucket under a key, made when first looked at."""
        found = self.buckets.get(key)
        if found is None:
            found = self.buckets[key] = Bucket()
        return found

    def drop_if_idle(self, key: tuple[Value, ...], bucket: Bucket) -> None:
        """Let an empty, unwatched bucket go, so that keys that passed do not pile up."""
        if not bucket.facts and not bucket.watchers and self.buckets.get(key) is bucket:
            del self.buckets[key]


class KindMemory:
    """All living facts of a kind.

    Attributes:
        kind: the schema.
        facts: by key.
        indexes: by field positions, for inner terms.
        waiting: key → (match, stage) of each look-up of that key; a match may look up one key more than once.
        tombstones: (key, source or "") → tombstone.
        is_followed: somebody keeps copies of facts of this kind.
        is_simple: one claim a key, standing on no block.
        observed_bit: says that a claim's observed_at changed.
        differences: of two tuples of values: bits of the fields that differ.
        ttl_ms: age at which a claim is gone, or None.
        solo_nodes: (mask, rule) of the rules whose only pattern is this kind.
        watchers: the same, sorted by what they need.
        core_seats: seats where facts of this kind enter a ground as its single core.
        source_bits: fields that look-ups or joins of some ground read.
        supporters: for concluded kinds: key → supporter → the values it concludes.
    """

    __slots__ = (
        "blocks",
        "core_seats",
        "differences",
        "facts",
        "indexes",
        "is_followed",
        "is_simple",
        "joined_bits",
        "joined_fields",
        "kind",
        "name",
        "observed_bit",
        "order",
        "per_source",
        "solo_ground",
        "solo_nodes",
        "source_bits",
        "supporters",
        "tombstones",
        "ttl_ms",
        "waiting",
        "watchers",
    )

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.name = kind.name
        self.order = kind.order_positions
        self.per_source = kind.per_source
        self.is_simple = not kind.per_source and kind.chain_block is None
        self.is_followed = False
        self.observed_bit = 1 << len(kind.fields)
        self.differences = _compile_differences(len(kind.fields))
        self.ttl_ms = limits.KEEP_USED_MS if kind.keep_while_used else kind.ttl_ms
        if kind.name == "command":
            self.ttl_ms = limits.COMMAND_KEEP_MS
        if kind.concluded:
            self.ttl_ms = None  # it lives as long as its supporters hold
        self.facts: dict[Key, Fact] = {}
        self.indexes: dict[tuple[int, ...], Index] = {}
        self.waiting: dict[Key, dict[tuple[Match, int], None]] = {}
        self.tombstones: dict[tuple[Key, str], Tombstone] = {}
        self.blocks: dict[tuple[str, str], dict[Fact, None]] = {}
        self.solo_nodes: list[tuple[int, RuleNode]] = []
        self.watchers = Watchers()
        self.solo_ground: Seat | None = None
        self.core_seats: list[Seat] = []
        self.joined_bits = 0
        self.source_bits = 0
        self.supporters: dict[Key, dict[Supporter, tuple[Value, ...]]] = {}
        self.joined_fields: tuple[tuple[str, int], ...] = ()

    def identity(self, fact: Fact) -> Key:
        """What a match is known by: the key; for a schedule also its occurrence, as each occurrence is a match anew."""
        if self.name == "schedule":
            at = fact.values[self.kind.positions["at"]]
            assert isinstance(at, int)  # noqa: S101 - the engine makes these facts
            return (*fact.key, at)
        return fact.key

    def waiting_for(self, fact: Fact) -> dict[tuple[Match, int], None] | None:
        """The look-ups that a fact answers."""
        return self.waiting.get(fact.key)

    # -- order ---------------------------------------------------------------
    def order_of(self, values: tuple[Value, ...]) -> tuple[int, ...]:
        """Values of the kind's order fields; an absent one is older than any."""
        return tuple([v if isinstance(v := values[p], int) else _ABSENT for p in self.order])

    def rank(self, claim: Claim) -> tuple[tuple[int, ...], int, int, StreamId, str]:
        """What newer means among claims: the kind's order, observed_at, seq and journal position.

        Rules may say several things at one position; among those the source decides.
        """
        seq = -1 if claim.seq is None else claim.seq
        return self.order_of(claim.values) if self.order else (), claim.at, seq, claim.position, claim.source

    def _is_older(self, new: Claim, old: Claim, has_observed_at: bool) -> bool:
        if self.order:
            a, b = self.order_of(new.values), self.order_of(old.values)
            if a != b:
                return a < b
        if new.seq is None:
            return new.at < old.at
        return compared(new, old, is_dated=has_observed_at) < 0

    def is_expired(self, claim: Claim, now: int) -> bool:
        """A claim lives while its age is at most the ttl."""
        return self.ttl_ms is not None and now > claim.at + self.ttl_ms

    def judge_claim(self, old: Claim | None, new: Claim, now: int, has_observed_at: bool) -> Taken:
        """What a new claim does to the old one of its key (and source). Changes nothing."""
        ttl = self.ttl_ms
        if ttl is not None and now > new.at + ttl:
            return Taken.SUPERSEDED
        if old is None or (ttl is not None and now > old.at + ttl):
            return Taken.ADDED
        if new.values == old.values:
            if self.kind.event:
                return Taken.SAME
            if new.at <= old.at or self._is_older(new, old, has_observed_at):
                return Taken.SAME
            if not has_observed_at and new.seq is not None and new.seq == old.seq and new.source == old.source:
                return Taken.SAME  # a retry of the same word is not a newer look
            return Taken.RENEWED
        if self.kind.event:
            return Taken.CONFLICT
        return Taken.SUPERSEDED if self._is_older(new, old, has_observed_at) else Taken.CHANGED

    # -- tombstones ------------------------------------------------------------
    def is_buried(self, key: Key, source: str, claim: Claim, now: int, *, is_dated: bool) -> bool:
        """Whether a tombstone says that this claim is older than the retraction of its key."""
        stone = self.tombstones.get((key, source)) if self.tombstones else None
        if stone is None or now > stone.until:
            return False
        return buries(stone, self.order_of(claim.values), claim, is_dated=is_dated)

    def retraction_is_old(self, claim: Claim, order: tuple[int, ...], word: Word) -> bool:
        """Whether a retraction is older than the claim it would remove."""
        if order:
            have = self.order_of(claim.values)
            if have != order:
                return order < have
        return compared(word, claim, is_dated=word.is_dated) < 0

    # -- claims ----------------------------------------------------------------
    def newest(self, fact: Fact) -> Claim:
        """The claim that is the fact."""
        assert fact.claims is not None  # noqa: S101 - only called for per-source kinds
        return max(fact.claims.values(), key=self.rank)

    def block_of(self, values: tuple[Value, ...]) -> tuple[str, str] | None:
        """(network, block hash) a claim with these values stands on, if any."""
        kind = self.kind
        if kind.chain_network is None or kind.chain_block is None:
            return None
        network, block = values[kind.positions[kind.chain_network]], values[kind.positions[kind.chain_block]]
        return (str(network), str(block)) if network is not None and block is not None else None

    def is_disputed(self, fact: Fact) -> bool:
        """Whether claims of equal order (the kind's, else observed_at) differ."""
        if fact.claims is None or len(fact.claims) < 2:
            return False
        seen: dict[object, tuple[Value, ...]] = {}
        for claim in fact.claims.values():
            order = self.order_of(claim.values) if self.order else claim.at
            if seen.setdefault(order, claim.values) != claim.values:
                return True
        return False

    # -- indexes ------------------------------------------------------------------
    def need_index(self, positions: tuple[int, ...]) -> Index:
        """The index over these fields, made (and filled) when first needed."""
        index = self.indexes.get(positions)
        if index is None:
            index = self.indexes[positions] = Index(positions)
            for fact in self.facts.values():
                self._enter(index, fact, fact.values)
        return index

    @staticmethod
    def _enter(index: Index, fact: Fact, values: tuple[Value, ...]) -> Bucket | None:
        key = index.key_of(values)
        if None in key:
            return None
        bucket = index.bucket(key)
        bucket.facts[fact] = None
        return bucket

    @staticmethod
    def _leave(index: Index, fact: Fact, values: tuple[Value, ...]) -> Bucket | None:
        key = index.key_of(values)
        bucket = index.buckets.get(key)
        if bucket is None:
            return None
        bucket.facts.pop(fact, None)
        index.drop_if_idle(key, bucket)
        return bucket

    def enter_indexes(self, fact: Fact) -> Iterator[Watch]:
        """Put a new fact where inner terms look; yields whoever watches there."""
        for index in self.indexes.values():
            bucket = self._enter(index, fact, fact.values)
            if bucket is not None:
                yield from bucket.watchers

    def leave_indexes(self, fact: Fact) -> Iterator[Watch]:
        """Take a fact out; yields whoever watched there."""
        for index in self.indexes.values():
            bucket = self._leave(index, fact, fact.values)
            if bucket is not None:
                yield from bucket.watchers

    def move_in_indexes(self, fact: Fact, before: tuple[Value, ...], changed: int) -> Iterator[Watch]:
        """After a change of values: yields whoever watches the old or new bucket, or reads a changed field there."""
        for index in self.indexes.values():
            if changed & index.bits:
                for bucket in (self._leave(index, fact, before), self._enter(index, fact, fact.values)):
                    if bucket is not None:
                        yield from bucket.watchers
                continue
            bucket = index.buckets.get(index.key_of(fact.values))
            if bucket is not None:
                for watch, mask in bucket.watchers.items():
                    if mask & changed:
                        yield watch


def _compile_differences(fields: int) -> Callable[[tuple[Value, ...], tuple[Value, ...]], int]:
    """One expression instead of a loop: it is asked for every change of a fact."""
    terms = " | ".join(f"(a[{i}] != b[{i}]) << {i}" for i in range(fields)) or "0"
    made: Callable[[tuple[Value, ...], tuple[Value, ...]], int] = eval(f"lambda a, b: {terms}")  # noqa: S307 - numbers
    return made


def orderly(values: Iterable[Value]) -> tuple[int, ...]:
    """Values of order fields so that they compare: an absent one is older than any."""
    return tuple([v if isinstance(v, int) else _ABSENT for v in values])


def scalars(values: tuple[Value, ...], positions: tuple[int, ...]) -> Key:
    """Key values out of a fact's values."""
    key: list[Scalar] = []
    for position in positions:
        value = values[position]
        if value is None or isinstance(value, tuple):
            raise AssertionError(f"the checker lets only scalars be keys, not {value!r}")
        key.append(value)
    return tuple(key)
