"""The committed state of an engine, as plain values: what recovery reads from Redis, and a reload from memory."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.errors import FactRejectedError, StoreError
from engine.matching.changes import group_record
from engine.matching.decoders import KindDecoder
from engine.matching.fact import Claim, Key, key_text
from engine.matching.tombstones import Tombstone
from engine.model.journal import Cursor
from engine.model.kinds import Kind, Scalar, Value
from engine.model.records import decode_claim, fact_kind

if TYPE_CHECKING:
    from engine.matching.engine import Engine


def frozen(value: Any) -> Any:  # noqa: ANN401 - JSON in, values out
    """JSON lists as tuples, all the way down."""
    return tuple(frozen(item) for item in value) if isinstance(value, list) else value


@dataclass(slots=True)
class State:
    """Everything an engine must be given to go on where another stopped.

    Attributes:
        cursor: where it stopped.
        claims: (kind, claim), values decoded by the kinds of the rule base that goes on.
        groups: rule → [(group key, record)], see ``changes.group_record``.
        distinct: (rule, match key, seat) → values seen.
        once: (name, key) → when it fired.
        throttled: (rule, value) → when it last fired.
        tombstones: (kind, key, source) → tombstone.
        blocks: (network, block) → until when it is remembered as removed.
        followed: schedule → instant up to which it has been followed.
        minutes: source → [minute, rejections in it].
        suspended: rules whose chain did not end.
        writers: writer → last number.
        cases: canonical (plan, key) → coordination.
    """

    cursor: Cursor = field(default_factory=Cursor)
    claims: list[tuple[str, Claim]] = field(default_factory=list)
    groups: dict[str, list[tuple[Key, dict[str, Any]]]] = field(default_factory=dict)
    distinct: dict[tuple[str, tuple[Key, ...], int], list[Scalar]] = field(default_factory=dict)
    once: dict[tuple[str, Value], int] = field(default_factory=dict)
    throttled: dict[tuple[str, Value], int] = field(default_factory=dict)
    tombstones: dict[tuple[str, Key, str], Tombstone] = field(default_factory=dict)
    blocks: dict[tuple[str, str], int] = field(default_factory=dict)
    followed: dict[str, int] = field(default_factory=dict)
    minutes: dict[str, tuple[int, int]] = field(default_factory=dict)
    suspended: set[str] = field(default_factory=set)
    writers: dict[str, int] = field(default_factory=dict)
    cases: dict[str, Any] = field(default_factory=dict)

    @property
    def group_names(self) -> Iterable[tuple[str, str]]:
        """(rule, canonical group key) of every group."""
        for rule, groups in self.groups.items():
            for key, _ in groups:
                yield rule, key_text(key)


def read_state(
    cursor: Cursor,
    meta: dict[str, str],
    facts: Iterable[tuple[bytes, bytes]],
    active: Iterable[tuple[bytes, bytes]],
    kinds: dict[str, Kind],
) -> State:
    """The state as it stands in Redis.

    Facts of kinds that the rule base does not declare are left where they are.

    Raises:
        StoreError: S201, a record cannot be read.
    """
    state = State(cursor)
    decoders = {name: KindDecoder(kind) for name, kind in kinds.items()}
    for name, record in facts:
        try:
            kind = fact_kind(name)
            decoder = decoders.get(kind)
            if decoder is None:
                continue
            kept = decode_claim(record)
            values = decoder.decode(kept.data)
        except (ValueError, FactRejectedError) as error:
            hint = "another hand changed it: `lockstep replay` shows what it should be"
            raise StoreError("S201", f"the record of fact {name!r} cannot be read: {error}", hint) from error
        claim = Claim(kept.source, values, kept.observed_at, kept.seq, kept.position, kept.data)
        state.claims.append((kind, claim))
    for name, record in active:
        _read_active(state, frozen(json.loads(name)), json.loads(record))
    for entry, text in meta.items():
        scope, _, writer = entry.partition(":")
        if scope == "writer":
            state.writers[writer] = int(text)
    return state


def _read_active(state: State, name: tuple[Any, ...], record: Any) -> None:  # noqa: ANN401 - JSON
    match name:
        case ("g", rule, key):
            state.groups.setdefault(rule, []).append((key, record))
        case ("d", rule, key, seat):
            state.distinct[(rule, key, seat)] = record
        case ("o", once, key):
            state.once[(once, key)] = record
        case ("h", rule, per):
            state.throttled[(rule, per)] = record
        case ("t", kind, key, source):
            state.tombstones[(kind, key, source)] = Tombstone(tuple(record[0]), *record[1:])
        case ("b", network, block):
            state.blocks[(network, block)] = record
        case ("c", schedule):
            state.followed[schedule] = record
        case ("n", source):
            state.minutes[source] = (record[0], record[1])
        case ("p", plan, key):
            state.cases[key_text((plan, key))] = record
        case ("s", rule):
            state.suspended.add(rule)
        case _:
            raise StoreError("S201", f"unknown record {name!r} in active", "was it written by a newer version?")


def state_of(engine: Engine, kinds: dict[str, Kind]) -> State:
    """The state of a living engine, for the rule base with these kinds to go on from."""
    state = State(engine.cursor)
    for name, memory in engine.base.memories.items():
        kind = kinds.get(name)
        if kind is None:
            continue
        decoder = None if kind == memory.kind else KindDecoder(kind)
        for fact in memory.facts.values():
            for claim in (fact.claim,) if fact.claims is None else fact.claims.values():
                values = claim.values if decoder is None else decoder.decode(claim.data)
                moved = Claim(claim.source, values, claim.at, claim.seq, claim.position, claim.data)
                state.claims.append((name, moved))
        for (key, source), stone in memory.tombstones.items():
            state.tombstones[(name, key, source)] = stone
    for node in engine.nodes.values():
        for group in node.groups.values():
            record = json.loads(json.dumps(group_record(group)))
            state.groups.setdefault(node.name, []).append((group.key, record))
        for (match_key, seat), values_seen in node.distinct.items():
            state.distinct[(node.name, match_key, seat)] = list(values_seen)
        for per, at in node.throttled.items():
            state.throttled[(node.name, per)] = at
    state.once = dict(engine.firing.past.once)
    state.blocks = dict(engine.base.removed_blocks)
    state.followed = {name: followed.at for name, followed in engine.occurrences.all.items()}
    state.minutes = {s.name: (s.minute, s.rejected_in_minute) for s in engine.sources.all.values()}
    state.suspended = set(engine.firing.suspended)
    state.writers = dict(engine.reports.writers)
    if engine.driver is not None:
        state.cases = engine.driver.records()
    return state
