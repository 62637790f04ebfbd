"""Facts and claims, by plain dictionaries. See *State* and *Facts* in docs/semantics.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from engine.limits import MAX_CLAIMS, MAX_SKEW_MS, REORG_MEMORY_MS, TOMBSTONE_MS
from engine.model.kinds import Kind, Value

#: Sorts as the order does; absent parts are lowest.
Order = tuple[Any, ...]
Key = tuple[Value, ...]
#: Milliseconds and number of the last applied journal entry.
Position = tuple[int, int]

ONE_CLAIM = ""  # the slot of the only claim of a kind whose claims are not per source


@dataclass(frozen=True, slots=True)
class Claim:
    """What one source said under a key. ``position``: of the journal entry that said it, or was applied last."""

    kind: str
    key: Key
    values: tuple[Value, ...]
    source: str
    observed_at: int
    seq_no: int | None
    position: Position


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A retraction that is remembered until an instant. ``order``: of the kind's order fields, if they were known."""

    order: Order
    observed_at: int
    seq_no: int | None
    source: str
    until: int


@dataclass(frozen=True, slots=True)
class Change:
    """The fact under a key was one, and is another now: None if there was or is none."""

    kind: str
    key: Key
    before: Claim | None
    after: Claim | None


class Facts:
    """All claims, tombstones and removed blocks. ``changes`` collects what matches may have to be judged for."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self.kinds = kinds
        self.claims: dict[tuple[str, Key], dict[str, Claim]] = {}
        self.tombstones: dict[tuple[str, Key, str], Tombstone] = {}
        self.removed_blocks: dict[tuple[str, str], int] = {}
        self.changes: list[Change] = []
        self.position: Position = (0, 0)

    def copy(self) -> Facts:
        """An independent copy."""
        other = Facts(self.kinds)
        other.claims = {fact: dict(slots) for fact, slots in self.claims.items()}
        other.tombstones = dict(self.tombstones)
        other.removed_blocks = dict(self.removed_blocks)
        other.changes = list(self.changes)
        other.position = self.position
        return other

    # --- reading --------------------------------------------------------------------------------------------------

    def order(self, claim: Claim) -> Order:
        """The values of the kind's order fields; none in a kind ordered by time."""
        return orderly(tuple(claim.values[i] for i in self.kinds[claim.kind].order_positions))

    def rank(self, claim: Claim) -> Order:
        """What makes a claim newer than others."""
        return (self.order(claim), claim.observed_at, orderly((claim.seq_no,)), claim.position, claim.source)

    def newest_first(self, kind: str, key: Key) -> list[Claim]:
        """The claims under a key; the first is the fact."""
        return sorted(self.claims.get((kind, key), {}).values(), key=self.rank, reverse=True)

    def fact(self, kind: str, key: Key) -> Claim | None:
        """The newest claim under a key."""
        claims = self.newest_first(kind, key)
        return claims[0] if claims else None

    def of_kind(self, kind: str) -> list[Claim]:
        """Every fact of a kind: the newest claim under each key."""
        return [self.newest_first(k, key)[0] for k, key in self.claims if k == kind]

    def is_disputed(self, kind: str, key: Key) -> bool:
        """Two claims of equal order (by time: of one instant) differ."""
        claims = self.newest_first(kind, key)
        by_time = not self.kinds[kind].order
        return any(
            (a.observed_at == b.observed_at if by_time else self.order(a) == self.order(b)) and a.values != b.values
            for a in claims
            for b in claims
        )

    def past_ttl(self, claim: Claim, now: int) -> bool:
        """The claim is older than its kind allows."""
        ttl = self.kinds[claim.kind].ttl_ms
        return ttl is not None and now - claim.observed_at > ttl

    # --- changing -------------------------------------------------------------------------------------------------

    def is_older(self, new: Claim, old: Claim, *, is_dated: bool) -> bool:
        """The new claim is of lower order than the old. ``is_dated``: its sender said when it was observed."""
        if self.order(new) != self.order(old):
            return self.order(new) < self.order(old)
        return compared(new, old, is_dated=is_dated) < 0

    def take(
        self,
        kind_name: str,
        values: tuple[Value, ...],
        source: str,
        now: int,
        said_at: int | None = None,
        seq_no: int | None = None,
    ) -> None:
        """Take a claim, or refuse it."""
        kind = self.kinds[kind_name]
        observed_at = now if said_at is None else said_at
        key = tuple(values[i] for i in kind.key_positions)
        slot = source if kind.per_source else ONE_CLAIM
        new = Claim(kind_name, key, values, source, observed_at, seq_no, self.position)
        old = self.claims.get((kind_name, key), {}).get(slot)
        if self.refuses(new, now) or self.past_ttl(new, now) or self.is_buried(new, slot, now, said_at is not None):
            return
        if old is not None and not self.past_ttl(old, now):
            if kind.event or self.is_older(new, old, is_dated=said_at is not None):
                return
            is_retry = said_at is None and seq_no is not None and (seq_no, source) == (old.seq_no, old.source)
            if old.values == values and (is_retry or observed_at <= old.observed_at):
                return
        with self.changing(kind_name, key):
            self.claims.setdefault((kind_name, key), {})[slot] = new
            self.tombstones.pop((kind_name, key, slot), None)
            for surplus in self.newest_first(kind_name, key)[MAX_CLAIMS:]:
                del self.claims[kind_name, key][surplus.source]

    @contextmanager
    def changing(self, kind: str, key: Key) -> Iterator[None]:
        """Whatever happens inside to the claims under that key is one change."""
        claims, before = dict(self.claims.get((kind, key), {})), self.fact(kind, key)
        yield
        if not self.claims.get((kind, key), {}):
            self.claims.pop((kind, key), None)
        if self.claims.get((kind, key), {}) != claims:
            self.changes.append(Change(kind, key, before, self.fact(kind, key)))

    def refuses(self, claim: Claim, now: int) -> bool:
        """The claim cannot be taken, whatever is there already."""
        kind = self.kinds[claim.kind]
        if claim.observed_at > now + MAX_SKEW_MS:
            return True
        if kind.limit is not None and (claim.kind, claim.key) not in self.claims:
            number = sum(1 for name, _ in self.claims if name == claim.kind)
            if number >= kind.limit:
                return True
        return now <= self.removed_blocks.get(self.block_of(claim) or ("", ""), -1)

    def is_buried(self, claim: Claim, slot: str, now: int, is_dated: bool) -> bool:
        """A tombstone that still counts supersedes the claim."""
        tomb = self.tombstones.get((claim.kind, claim.key, slot))
        if tomb is None or now > tomb.until:
            return False
        if tomb.order and self.order(claim) != tomb.order:
            return self.order(claim) < tomb.order
        age = compared(claim, tomb, is_dated=is_dated)
        return age < 0 or (age == 0 and bool(tomb.order))  # by time the later entry wins

    def retract(
        self,
        kind_name: str,
        key: Key,
        source: str,
        now: int,
        order: tuple[Value, ...] | None,
        said_at: int | None,
        seq_no: int | None,
    ) -> None:
        """A source takes its claim back (the claim, where claims are not per source)."""
        slot = source if self.kinds[kind_name].per_source else ONE_CLAIM
        old = self.claims.get((kind_name, key), {}).get(slot)
        limit: Order = () if order is None else orderly(order)
        tomb = Tombstone(limit, now if said_at is None else said_at, seq_no, source, now + TOMBSTONE_MS)
        if tomb.observed_at > now + MAX_SKEW_MS:
            return
        if old is not None:
            if limit and limit != self.order(old):
                is_old = limit < self.order(old)
            else:
                is_old = compared(tomb, old, is_dated=said_at is not None) < 0
            if is_old and not self.past_ttl(old, now):
                return
            tomb = tomb if limit else replace(tomb, order=self.order(old))
        with self.changing(kind_name, key):
            self._bury(kind_name, key, slot, tomb, now, is_dated=said_at is not None)

    def retract_all(self, kind_name: str, key: Key, now: int) -> None:
        """A rule takes every claim under a key back."""
        with self.changing(kind_name, key):
            for slot, old in list(self.claims.get((kind_name, key), {}).items()):
                at = max(now, old.observed_at)
                tomb = Tombstone(self.order(old), at, old.seq_no, old.source, now + TOMBSTONE_MS)
                self._bury(kind_name, key, slot, tomb, now, is_dated=True)

    def _bury(self, kind: str, key: Key, slot: str, tomb: Tombstone, now: int, *, is_dated: bool) -> None:
        """Remove a claim, if it is there, and leave a tombstone, unless a later one lies there already."""
        self.claims.get((kind, key), {}).pop(slot, None)
        there = self.tombstones.get((kind, key, slot))
        if there is not None and now <= there.until:
            tomb = tomb if tomb.order else replace(tomb, order=there.order)
            if tomb.order < there.order:
                return
            if tomb.order == there.order and compared(tomb, there, is_dated=is_dated) < 0:
                return
        self.tombstones[kind, key, slot] = tomb

    def remove(self, kind: str, key: Key, slot: str) -> None:
        """Remove a claim, if it is there, without a trace."""
        with self.changing(kind, key):
            self.claims.get((kind, key), {}).pop(slot, None)

    def expire(self, kind: str, key: Key, now: int) -> None:
        """Remove every claim under a key that is past its ttl."""
        with self.changing(kind, key):
            for slot, claim in list(self.claims.get((kind, key), {}).items()):
                if self.past_ttl(claim, now):
                    del self.claims[kind, key][slot]

    def block_of(self, claim: Claim) -> tuple[str, str] | None:
        """Network and hash of the block a claim stands on."""
        kind = self.kinds[claim.kind]
        if kind.chain_network is None or kind.chain_block is None:
            return None
        network = claim.values[kind.positions[kind.chain_network]]
        block = claim.values[kind.positions[kind.chain_block]]
        return (network, block) if isinstance(network, str) and isinstance(block, str) else None

    def reorganise(self, network: str, removed: tuple[str, ...], added: tuple[str, ...], now: int) -> None:
        """Blocks go, and every claim on them; others come back."""
        gone = {(network, block) for block in removed}
        self.removed_blocks |= dict.fromkeys(gone, now + REORG_MEMORY_MS)
        for block in added:
            self.removed_blocks.pop((network, block), None)
        for (kind, key), slots in list(self.claims.items()):
            for slot, claim in list(slots.items()):
                if self.block_of(claim) in gone:
                    self.remove(kind, key, slot)

    def write(self, kind_name: str, values: tuple[Value, ...], now: int) -> None:
        """The engine's own word, or a conclusion: stands as it is. Equal values change nothing."""
        kind = self.kinds[kind_name]
        key = tuple(values[i] for i in kind.key_positions)
        old = self.claims.get((kind_name, key), {}).get(ONE_CLAIM)
        if old is None or old.values != values:
            with self.changing(kind_name, key):
                new = Claim(kind_name, key, values, "engine", now, None, self.position)
                self.claims[kind_name, key] = {ONE_CLAIM: new}


def compared(new: Claim | Tombstone, old: Claim | Tombstone, *, is_dated: bool) -> int:
    """Below 0: the new word was said before the old one; above 0: after it. ``is_dated``: its sender said when."""
    if new.seq_no is None or old.seq_no is None:
        return new.observed_at - old.observed_at
    if new.source == old.source and not is_dated:
        return new.seq_no - old.seq_no
    return new.observed_at - old.observed_at or new.seq_no - old.seq_no


def orderly(parts: tuple[Value, ...]) -> Order:
    """Parts that compare, an absent one below any other."""
    return tuple((0, 0) if part is None else (1, part) for part in parts)
