"""Facts and claims, by plain dictionaries. See *State* and *Facts* in docs/semantics.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.limits import MAX_CLAIMS, MAX_SKEW_MS, REORG_MEMORY_MS, TOMBSTONE_MS
from engine.model.kinds import Kind, Value

#: Sorts as the order does; absent parts are lowest.
Order = tuple[Any, ...]
Key = tuple[Value, ...]

ONE_CLAIM = ""  # the slot of the only claim of a kind whose claims are not per source


@dataclass(frozen=True, slots=True)
class Claim:
    """What one source said under a key. ``position`` counts changes of data, in the order they were made."""

    kind: str
    key: Key
    values: tuple[Value, ...]
    source: str
    observed_at: int
    seq_no: int | None
    position: int


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A retraction that is remembered."""

    order: Order
    at: int


class Facts:
    """All claims, tombstones and removed blocks. ``changed`` collects the kinds of which some claim changed."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self.kinds = kinds
        self.claims: dict[tuple[str, Key], dict[str, Claim]] = {}
        self.tombstones: dict[tuple[str, Key, str], Tombstone] = {}
        self.removed_blocks: dict[tuple[str, str], int] = {}
        self.changed: set[str] = set()
        self.position = 0

    def copy(self) -> Facts:
        """An independent copy."""
        other = Facts(self.kinds)
        other.claims = {fact: dict(slots) for fact, slots in self.claims.items()}
        other.tombstones = dict(self.tombstones)
        other.removed_blocks = dict(self.removed_blocks)
        other.changed = set(self.changed)
        other.position = self.position
        return other

    # --- reading --------------------------------------------------------------------------------------------------

    def order(self, claim: Claim) -> Order:
        """What orders a claim among those of its key, without the journal position."""
        kind = self.kinds[claim.kind]
        if kind.order:
            return orderly(tuple(claim.values[i] for i in kind.order_positions))
        return orderly((claim.observed_at, claim.seq_no))

    def newest_first(self, kind: str, key: Key) -> list[Claim]:
        """The claims under a key; the first is the fact."""
        claims = self.claims.get((kind, key), {}).values()
        return sorted(claims, key=lambda c: (self.order(c), c.position), reverse=True)

    def of_kind(self, kind: str) -> list[Claim]:
        """Every fact of a kind: the newest claim under each key."""
        return [self.newest_first(k, key)[0] for k, key in self.claims if k == kind]

    def is_disputed(self, kind: str, key: Key) -> bool:
        """Two claims of equal order (by time: of one instant) differ."""
        claims = self.newest_first(kind, key)
        order = self.order if self.kinds[kind].order else lambda claim: (claim.observed_at,)
        return any(order(a) == order(b) and a.values != b.values for a in claims for b in claims)

    def past_ttl(self, claim: Claim, now: int) -> bool:
        """The claim is older than its kind allows."""
        ttl = self.kinds[claim.kind].ttl_ms
        return ttl is not None and now - claim.observed_at > ttl

    # --- changing -------------------------------------------------------------------------------------------------

    def is_older(self, new: Claim, old: Claim, *, is_dated: bool) -> bool:
        """The new claim is of lower order than the old. ``is_dated``: its sender said when it was observed."""
        if self.kinds[new.kind].order:
            return self.order(new) < self.order(old)
        if new.seq_no is not None and old.seq_no is not None:
            if new.source == old.source and not is_dated:
                return new.seq_no < old.seq_no
            return (new.observed_at, new.seq_no) < (old.observed_at, old.seq_no)
        return new.observed_at < old.observed_at

    def take(
        self,
        kind_name: str,
        values: tuple[Value, ...],
        source: str,
        now: int,
        said_at: int | None = None,
        seq_no: int | None = None,
    ) -> bool:
        """Take a claim, or refuse it. True if it was refused or superseded."""
        kind = self.kinds[kind_name]
        observed_at = now if said_at is None else said_at
        key = tuple(values[i] for i in kind.key_positions)
        slot = source if kind.per_source else ONE_CLAIM
        new = Claim(kind_name, key, values, source, observed_at, seq_no, self.position + 1)
        old = self.claims.get((kind_name, key), {}).get(slot)
        if self.refuses(new, now) or self.past_ttl(new, now) or self.is_buried(new, slot, now):
            return True
        if old is not None and not self.past_ttl(old, now):
            if kind.event:
                return old.values != new.values
            if self.is_older(new, old, is_dated=said_at is not None):
                return True
            is_retry = said_at is None and seq_no is not None and (seq_no, source) == (old.seq_no, old.source)
            if old.values == new.values and is_retry:
                return False
            if old.values == new.values:
                renewed = replace(old, observed_at=max(old.observed_at, observed_at), seq_no=seq_no, source=source)
                if self.order(renewed) > self.order(old) or renewed.observed_at > old.observed_at:
                    self._put(slot, renewed)
                return False
        self._put(slot, new)
        self.position += 1
        self._drop_surplus(kind_name, key)
        return False

    def refuses(self, claim: Claim, now: int) -> bool:
        """The claim cannot be taken, whatever is there already."""
        kind = self.kinds[claim.kind]
        if claim.observed_at > now + MAX_SKEW_MS:
            return True
        if kind.limit is not None and (claim.kind, claim.key) not in self.claims:
            number = sum(1 for name, _ in self.claims if name == claim.kind)
            if number >= kind.limit:
                return True
        removed_at = self.removed_blocks.get(self.block_of(claim) or ("", ""))
        return removed_at is not None and now - removed_at <= REORG_MEMORY_MS

    def is_buried(self, claim: Claim, slot: str, now: int) -> bool:
        """A tombstone that still counts supersedes the claim."""
        tomb = self.tombstones.get((claim.kind, claim.key, slot))
        if tomb is None or now - tomb.at > TOMBSTONE_MS:
            return False
        if self.kinds[claim.kind].order:
            return self.order(claim) <= tomb.order
        return self.order(claim) < tomb.order  # at equal times the journal position decides: the later entry wins

    def retract(
        self,
        kind_name: str,
        key: Key,
        source: str,
        now: int,
        order: tuple[Value, ...] | None,
        observed_at: int,
        seq_no: int | None,
    ) -> None:
        """A source takes its claim back (the claim, where claims are not per source)."""
        kind = self.kinds[kind_name]
        slot = source if kind.per_source else ONE_CLAIM
        old = self.claims.get((kind_name, key), {}).get(slot)
        if not kind.order:
            limit = orderly((observed_at, seq_no))
        elif order is not None:
            limit = orderly(order)
        elif old is not None:
            limit = self.order(old)
        else:
            return
        if old is not None and self.order(old) > limit and not self.past_ttl(old, now):
            return
        self._bury(kind_name, key, slot, limit, now)

    def retract_all(self, kind_name: str, key: Key, now: int) -> None:
        """A rule takes every claim under a key back."""
        slots = self.claims.get((kind_name, key), {})
        by_time = not self.kinds[kind_name].order
        for slot, old in list(slots.items()):
            limit = max(self.order(old), orderly((now, None))) if by_time else self.order(old)
            self._bury(kind_name, key, slot, limit, now)
        if not slots and by_time and not self.kinds[kind_name].per_source:
            self._bury(kind_name, key, ONE_CLAIM, orderly((now, None)), now)

    def _bury(self, kind: str, key: Key, slot: str, order: Order, now: int) -> None:
        """Remove a claim, if it is there, and leave a tombstone, unless a later one lies there already."""
        tomb = self.tombstones.get((kind, key, slot))
        if tomb is None or now - tomb.at > TOMBSTONE_MS or order >= tomb.order:
            self.tombstones[kind, key, slot] = Tombstone(order, now)
        self.remove(kind, key, slot)

    def remove(self, kind: str, key: Key, slot: str) -> None:
        """Remove a claim, if it is there, without a trace."""
        slots = self.claims.get((kind, key), {})
        if slots.pop(slot, None) is not None:
            self.changed.add(kind)
        if not slots:
            self.claims.pop((kind, key), None)

    def _put(self, slot: str, claim: Claim) -> None:
        self.claims.setdefault((claim.kind, claim.key), {})[slot] = claim
        self.tombstones.pop((claim.kind, claim.key, slot), None)
        self.changed.add(claim.kind)

    def _drop_surplus(self, kind: str, key: Key) -> None:
        for claim in self.newest_first(kind, key)[MAX_CLAIMS:]:
            self.remove(kind, key, claim.source)

    def expire(self, kind: str, key: Key, now: int) -> None:
        """Remove every claim under a key that is past its ttl."""
        for slot, claim in list(self.claims.get((kind, key), {}).items()):
            if self.past_ttl(claim, now):
                self.remove(kind, key, slot)

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
        for block in removed:
            self.removed_blocks[network, block] = now
        for block in added:
            self.removed_blocks.pop((network, block), None)
        gone = {(network, block) for block in removed}
        for (kind, key), slots in list(self.claims.items()):
            for slot, claim in list(slots.items()):
                if self.block_of(claim) in gone:
                    self.remove(kind, key, slot)

    def write(self, kind_name: str, values: tuple[Value, ...], now: int) -> None:
        """The engine's own word, or a conclusion: stands as it is. Equal values change nothing."""
        kind = self.kinds[kind_name]
        key = tuple(values[i] for i in kind.key_positions)
        old = self.claims.get((kind_name, key), {}).get(ONE_CLAIM)
        if old is not None and old.values == values:
            return
        self.position += 1
        self._put(ONE_CLAIM, Claim(kind_name, key, values, "engine", now, None, self.position))


def orderly(parts: tuple[Value, ...]) -> Order:
    """Parts that compare, an absent one below any other."""
    return tuple((0, 0) if part is None else (1, part) for part in parts)
