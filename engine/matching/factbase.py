"""All working memories together: takes claims, retractions and expiries, and notes which rules must look again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, Protocol

from engine import limits
from engine.matching.compiled import claims_bit, observed_bit
from engine.matching.decoders import KindDecoder
from engine.matching.fact import Claim, Fact, Key
from engine.matching.forgetting import Forgetting
from engine.matching.match import Match
from engine.matching.memory import KindMemory, Taken
from engine.matching.timeline import EXPIRY, Timeline
from engine.matching.tombstones import Tombstone, Word, merged
from engine.model.kinds import Kind, Value

if TYPE_CHECKING:
    from engine.matching.changes import Changes
    from engine.matching.grounding import Grounder
    from engine.matching.node import RuleNode

#: Names in ``Forgetting``.
_STONES: Final = "tombstone"
_BLOCKS: Final = "block"
#: A rule and matches it must judge again.
Work = tuple["RuleNode", Iterable[Match]]


class Follower(Protocol):
    """Keeps copies of facts of the kinds that are followed, so that they are there when the fact is not."""

    def came(self, fact: Fact) -> None:
        """The fact was not there before."""
        ...

    def changed(self, fact: Fact) -> None:
        """It has other values, or was observed at another time."""
        ...

    def went(self, fact: Fact) -> None:
        """It is there no more."""
        ...


class FactBase:
    """Facts of all kinds.

    Attributes:
        memories: by kind name.
        decoders: by kind name.
        work: what must be judged before the step is settled.
        copies: by name of their kind: memories of what coordinations keep of facts; rules and people do not see them.
        is_used: whether an open coordination needs a fact to stay (``keep: while_used``, and what it is about).
        follower: who keeps copies.
        removed_blocks: (network, block hash) → instant until which it is remembered.
    """

    def __init__(self, kinds: Iterable[Kind], timeline: Timeline, changes: Changes, work: list[Work]) -> None:
        self.memories = {kind.name: KindMemory(kind) for kind in kinds}
        self.decoders = {name: KindDecoder(memory.kind) for name, memory in self.memories.items()}
        self.timeline = timeline
        self.changes = changes
        self.work = work
        self.removed_blocks: dict[tuple[str, str], int] = {}
        self.grounder: Grounder | None = None
        self.copies: dict[str, KindMemory] = {}
        self.is_used: Callable[[Fact], bool] | None = None
        self.follower: Follower | None = None
        self.count = 0
        self.restored_at = 0
        self.forgetting = Forgetting()
        self.forgetting.add(
            _STONES, self._buried_until, lambda where: self._unbury(self.memories[where[0]], *where[1:])
        )
        self.forgetting.add(_BLOCKS, self.removed_blocks.get, lambda block: self.restore_block(*block))

    def seated(self, kind: str) -> KindMemory:
        """The memory in which facts of a pattern's kind lie: that kind's, or one of copies."""
        return self.copies.get(kind) or self.memories[kind]

    # -- claims ---------------------------------------------------------------
    def put(self, memory: KindMemory, key: Key, claim: Claim, now: int, *, has_observed_at: bool = True) -> Taken:
        """Take a claim; what it changes is noted in ``work`` and ``changes``."""
        fact = memory.facts.get(key)
        source = claim.source if memory.per_source else ""
        old = fact if fact is None else (fact.claim if fact.claims is None else fact.claims.get(claim.source))
        previous = old if isinstance(old, Claim) else None
        verdict = memory.judge_claim(previous, claim, now, has_observed_at)
        if verdict is Taken.SAME or verdict is Taken.SUPERSEDED or verdict is Taken.CONFLICT:
            return verdict
        if previous is None and memory.is_buried(key, source, claim, now, is_dated=has_observed_at):
            return Taken.SUPERSEDED
        if fact is None:
            limit = memory.kind.limit
            if limit is not None and len(memory.facts) >= limit:
                return Taken.FULL
            self._add(memory, key, claim)
        else:
            self._replace(fact, previous, claim)
        if memory.tombstones and previous is None:
            self._unbury(memory, key, source)
        return verdict

    def _add(self, memory: KindMemory, key: Key, claim: Claim) -> Fact:
        fact = Fact(memory, key, claim)
        if memory.per_source:
            fact.claims = {claim.source: claim}
        memory.facts[key] = fact
        self.count += 1
        self._note_block(fact, claim)
        self._schedule_expiry(fact, claim)
        self.changes.claim_changed(fact, claim.source)
        assert self.grounder is not None  # noqa: S101 - set before the first fact
        self.grounder.added(fact)
        if memory.indexes:
            self.work.extend((node, (match,)) for node, match in memory.enter_indexes(fact))
        if memory.is_followed and self.follower is not None:
            self.follower.came(fact)
        return fact

    def _replace(self, fact: Fact, old: Claim | None, claim: Claim) -> None:
        memory = fact.memory
        self.changes.claim_changed(fact, claim.source)
        if memory.is_simple:
            self._follow(fact, claim)
            return
        if fact.claims is None:
            fact.claim = claim
        else:
            fact.claims[claim.source] = claim
            if len(fact.claims) > limits.MAX_CLAIMS:
                oldest = min(fact.claims.values(), key=memory.rank)
                del fact.claims[oldest.source]
                self.changes.claim_changed(fact, oldest.source)
            fact.claim = memory.newest(fact)
        if memory.kind.chain_block is not None:
            if old is not None:
                self._forget_block(fact, old)
            self._note_block(fact, claim)
        if memory.ttl_ms is not None:
            self._schedule_expiry(fact, claim)
        self._refresh(fact)

    def _follow(self, fact: Fact, claim: Claim) -> None:
        """``_refresh`` for a key with one claim that stands on no block: nearly every entry comes here."""
        before, memory = fact.values, fact.memory
        changed = memory.differences(before, claim.values)
        if claim.at != fact.at:
            changed |= memory.observed_bit
            if claim.at < fact.at:  # newer by its order, though observed earlier
                self._schedule_expiry(fact, claim)
        fact.claim, fact.values, fact.at = claim, claim.values, claim.at
        if changed:
            self.touch(fact, before, changed)

    def _refresh(self, fact: Fact) -> None:
        """The newest claim may be another now: bring the fact to it and note who must look."""
        claim, before = fact.claim, fact.values
        kind = fact.memory.kind
        changed = 0 if fact.claims is None else claims_bit(kind)
        if claim.at != fact.at:
            fact.at = claim.at
            changed |= observed_bit(kind)
        changed |= fact.memory.differences(before, claim.values)
        fact.values = claim.values
        if changed:
            self.touch(fact, before, changed)

    def touch(self, fact: Fact, before: tuple[Value, ...], changed: int) -> None:
        """Note which rules read what changed in a fact, and move its matches if look-ups or joins read it."""
        memory, work = fact.memory, self.work
        if fact.solo is not None:
            concerned = memory.watchers.concerned(before, fact.values, changed)
            if concerned:
                solo = (fact.solo,)
                work += [(node, solo) for node in concerned]
        if fact.seats is not None:
            for seat, matches in fact.seats.items():
                for mask, node in seat.nodes:
                    if mask & changed:
                        work.append((node, matches))
        if memory.indexes:
            work.extend((node, (match,)) for node, match in memory.move_in_indexes(fact, before, changed))
        if changed & memory.source_bits and self.grounder is not None:
            self.grounder.changed(fact, changed)
        if memory.is_followed and self.follower is not None:
            self.follower.changed(fact)

    def restore(self, memory: KindMemory, key: Key, claim: Claim) -> None:
        """Put a committed claim back, whatever its order."""
        fact = memory.facts.get(key)
        if fact is None:
            self._add(memory, key, claim)
        else:
            self._replace(fact, None, claim)

    def set_concluded(self, memory: KindMemory, key: Key, claim: Claim) -> None:
        """Set a concluded fact; nothing is older than a conclusion."""
        fact = memory.facts.get(key)
        if fact is None:
            self._add(memory, key, claim)
        else:
            self._replace(fact, fact.claim, claim)

    # -- copies ----------------------------------------------------------------
    def seat(self, copy: Fact) -> None:
        """A copy of a fact is there: conditions look at it. It is no state: who keeps it says so."""
        assert self.grounder is not None  # noqa: S101 - set before the first fact
        self.grounder.added(copy)

    def unseat(self, copy: Fact) -> None:
        """A copy has gone."""
        assert self.grounder is not None  # noqa: S101 - set before the first fact
        self.grounder.removed(copy)

    # -- endings -------------------------------------------------------------
    def remove_claim(self, fact: Fact, source: str) -> None:
        """Take one source's claim away; the next newest becomes the fact, or the fact goes."""
        if fact.claims is None or len(fact.claims) <= 1:
            self.remove(fact)
            return
        gone = fact.claims.pop(source)
        self.changes.claim_changed(fact, source)
        self._forget_block(fact, gone)
        fact.claim = fact.memory.newest(fact)
        self._refresh(fact)

    def remove(self, fact: Fact) -> None:
        """Take a fact out of memory with all its claims."""
        memory = fact.memory
        for source in fact.claims or (fact.claim.source,):
            self.changes.claim_changed(fact, source)
        fact.is_alive = False
        del memory.facts[fact.key]
        self.count -= 1
        for claim in [fact.claim] if fact.claims is None else list(fact.claims.values()):
            self._forget_block(fact, claim, keep_if_shared=False)
        if memory.indexes:
            self.work.extend((node, (match,)) for node, match in memory.leave_indexes(fact))
        assert self.grounder is not None  # noqa: S101 - set before the first fact
        self.grounder.removed(fact)
        if memory.is_followed and self.follower is not None:
            self.follower.went(fact)

    def retract(self, memory: KindMemory, key: Key, order: tuple[int, ...], word: Word, now: int) -> bool:
        """Retract a source's claim (the claim, where a key holds one); False if the retraction is older than it.

        Leaves a tombstone either way it is taken, so that what comes late stays away.

        Args:
            memory: of the kind.
            key: of the fact.
            order: values of the kind's order fields; empty if it has none or they were not given.
            word: who retracts, and when that was said.
            now: time of the step.
        """
        fact = memory.facts.get(key)
        claim = None if fact is None else fact.claim if fact.claims is None else fact.claims.get(word.source)
        if claim is not None and not memory.is_expired(claim, now) and memory.retraction_is_old(claim, order, word):
            return False
        if claim is not None and not order:
            order = memory.order_of(claim.values)
        stone = Tombstone(order, word.at, now + limits.TOMBSTONE_MS, word.seq, word.source)
        self._bury(memory, key, word.source if memory.per_source else "", stone, now, is_dated=word.is_dated)
        if fact is not None and claim is not None:
            self.remove_claim(fact, claim.source)
        return True

    def retract_key(self, memory: KindMemory, key: Key, now: int) -> bool:
        """A rule's ``retract``: every claim under the key goes and leaves a tombstone. False if there was none."""
        fact = memory.facts.get(key)
        if fact is None:
            return False
        for claim in [fact.claim] if fact.claims is None else list(fact.claims.values()):
            order, at = memory.order_of(claim.values), max(now, claim.at)
            stone = Tombstone(order, at, now + limits.TOMBSTONE_MS, claim.seq, claim.source)
            self._bury(memory, key, claim.source if memory.per_source else "", stone, now, is_dated=True)
        self.remove(fact)
        return True

    # -- tombstones -----------------------------------------------------------
    def _bury(self, memory: KindMemory, key: Key, source: str, stone: Tombstone, now: int, *, is_dated: bool) -> None:
        there = memory.tombstones.get((key, source))
        if there is not None and now <= there.until:
            stone = merged(stone, there, is_dated=is_dated)
        memory.tombstones[(key, source)] = stone
        self.forgetting.note(_STONES, (memory.name, key, source), stone.until)
        self.changes.tombstone_changed(memory.name, key, source, stone)

    def _unbury(self, memory: KindMemory, key: Key, source: str) -> None:
        if memory.tombstones.pop((key, source), None) is not None:
            self.changes.tombstone_changed(memory.name, key, source, None)

    def _buried_until(self, where: tuple[str, Key, str]) -> int | None:
        stone = self.memories[where[0]].tombstones.get(where[1:])
        return None if stone is None else stone.until

    def restore_tombstone(self, memory: KindMemory, key: Key, source: str, stone: Tombstone) -> None:
        """Put a committed tombstone back."""
        memory.tombstones[(key, source)] = stone
        self.forgetting.note(_STONES, (memory.name, key, source), stone.until)

    def expire(self, fact: Fact, now: int) -> bool:
        """Remove the claims past their ttl; False if none was (a renewal came since the item was made)."""
        memory = fact.memory
        if memory.ttl_ms is None or not fact.is_alive:
            return False
        fact.expires_at = 0
        claims = [fact.claim] if fact.claims is None else list(fact.claims.values())
        gone = [claim for claim in claims if memory.is_expired(claim, now)]
        is_all = memory.kind.keep_while_used or len(gone) == len(claims)
        if gone and is_all and self.is_used is not None and self.is_used(fact):
            self._look_again(fact, gone[0].at, memory.ttl_ms, now)
            return False
        if len(gone) == len(claims):
            self.remove(fact)
            return True
        for claim in gone:
            self.remove_claim(fact, claim.source)
        oldest = fact.claim if fact.claims is None else min(fact.claims.values(), key=lambda claim: claim.at)
        self._schedule_expiry(fact, oldest)
        return bool(gone)

    def _look_again(self, fact: Fact, since: int, ttl: int, now: int) -> None:
        """A used fact is looked at every ttl, counted from its observation, so that recovery looks when live would."""
        fact.expires_at = since + ttl * (-(-(now - since) // ttl)) + 1
        if fact.expires_at <= now:
            fact.expires_at += ttl
        self.timeline.push(fact.expires_at, EXPIRY, fact.memory.name, fact.key_text, fact)

    def outlive(self, fact: Fact) -> None:
        """A restored fact that stayed past its ttl, because a coordination is about it, is looked at as live would."""
        ttl = fact.memory.ttl_ms
        if ttl is not None and 0 < fact.expires_at < self.restored_at:
            first = fact.claim if fact.claims is None else next(iter(fact.claims.values()))
            self._look_again(fact, first.at, ttl, self.restored_at - 1)

    def _schedule_expiry(self, fact: Fact, claim: Claim) -> None:
        """One item a fact, for its oldest claim; a renewal leaves it, and it is moved when it comes up."""
        ttl = fact.memory.ttl_ms
        if ttl is None:
            return
        at = claim.at + ttl + 1
        if fact.expires_at and fact.expires_at <= at:
            return
        if at < self.restored_at and fact.memory.kind.keep_while_used:
            self._look_again(fact, claim.at, ttl, self.restored_at - 1)
            return
        fact.expires_at = at
        self.timeline.push(at, EXPIRY, fact.memory.name, fact.key_text, fact)

    # -- blocks -----------------------------------------------------------------
    def _note_block(self, fact: Fact, claim: Claim) -> None:
        block = fact.memory.block_of(claim.values)
        if block is not None:
            fact.memory.blocks.setdefault(block, {})[fact] = None

    def _forget_block(self, fact: Fact, claim: Claim, *, keep_if_shared: bool = True) -> None:
        block = fact.memory.block_of(claim.values)
        holders = None if block is None else fact.memory.blocks.get(block)
        if block is None or holders is None:
            return
        if keep_if_shared and fact.claims is not None:
            others = fact.claims.values()
            if any(fact.memory.block_of(c.values) == block for c in others if c is not claim):
                return
        holders.pop(fact, None)
        if not holders:
            del fact.memory.blocks[block]

    def remove_block(self, network: str, block: str, now: int) -> set[tuple[str, Key]]:
        """Remember a removed block, and take away every claim that stands on it, without tombstone.

        Returns:
            (kind, key) of the facts that are gone by it.
        """
        gone: set[tuple[str, Key]] = set()
        self.removed_blocks[(network, block)] = now + limits.REORG_MEMORY_MS
        self.forgetting.note(_BLOCKS, (network, block), now + limits.REORG_MEMORY_MS)
        self.changes.block_changed(network, block, now + limits.REORG_MEMORY_MS)
        for memory in self.memories.values():
            for fact in list(memory.blocks.get((network, block), ())):
                claims = [fact.claim] if fact.claims is None else list(fact.claims.values())
                for claim in claims:
                    if fact.is_alive and memory.block_of(claim.values) == (network, block):
                        self.remove_claim(fact, claim.source)
                if not fact.is_alive:
                    gone.add((memory.name, fact.key))
        return gone

    def restore_removed(self, block: tuple[str, str], until: int) -> None:
        """Put a committed memory of a removed block back."""
        self.removed_blocks[block] = until
        self.forgetting.note(_BLOCKS, block, until)

    def restore_block(self, network: str, block: str) -> None:
        """A block is part of the chain (again)."""
        if self.removed_blocks.pop((network, block), None) is not None:
            self.changes.block_changed(network, block, None)

    def stands_on_removed(self, memory: KindMemory, values: tuple[Value, ...], now: int) -> tuple[str, str] | None:
        """The removed block a claim with these values stands on, if any."""
        block = memory.block_of(values) if self.removed_blocks else None
        if block is None:
            return None
        until = self.removed_blocks.get(block)
        return block if until is not None and now <= until else None
