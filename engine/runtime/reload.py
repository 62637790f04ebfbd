"""A ``rulebase`` entry: the engine goes on under other rules, or refuses them and stays as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final, Protocol

from engine.errors import FactRejectedError, LockstepError, StoreError
from engine.matching.compiled import CompiledRule
from engine.matching.engine import Engine
from engine.matching.envelope import parse_envelope
from engine.matching.fact import Claim
from engine.matching.firing import RunawayError
from engine.matching.guards import compile_rule
from engine.matching.restore import Restoration
from engine.matching.state import read_state, state_of
from engine.matching.strict_json import parse_fields
from engine.model.journal import StreamId
from engine.model.plans import Plan, plan_kinds
from engine.model.records import fact_kind
from engine.model.rules import RuleBase
from engine.packs.changes import kind_change_problems
from engine.runtime.preparing import InForce, Ready, make_ready

#: Between compiling so many rules the event loop gets its turn.
_COMPILED_AT_ONCE: Final = 20


class RevisionStore(Protocol):
    """Where revisions are kept."""

    async def get_revision(self, revision: str) -> bytes | None:
        """The canonical form stored under that revision."""
        ...


class ReloadStore(RevisionStore, Protocol):
    """Where there are facts of kinds that are not declared any more, too."""

    def load_facts(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """All of ``facts``, as committed: field, record."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What a ``rulebase`` entry asks: ``replaces`` must be in force, at most ``accept`` commands may fire at once."""

    revision: str
    replaces: str
    accept: int


def read_order(engine: Engine, entry: StreamId, fields: list[bytes], now: int) -> Order | None:
    """Whether an entry is a rule-base order that must be followed; a bad one is rejected here and gives None."""
    engine.begin_entry(entry, now)
    try:
        envelope = parse_envelope(fields)
        engine.reports.check_signature(envelope)
        body = parse_fields(envelope.data)
        revision, replaces, accept = body.get("revision"), body.get("replaces"), body.get("accept", 0)
        if not isinstance(revision, str) or not isinstance(replaces, str) or not isinstance(accept, int):
            raise FactRejectedError("F313", "a rulebase entry names revision, replaces and accept", "use lockstep push")
        if replaces != engine.rulebase.revision:
            raise FactRejectedError(
                "F314",
                f"it replaces {replaces or 'nothing'}, but {engine.rulebase.revision or 'nothing'} is in force",
                "someone else pushed meanwhile: look at `lockstep rulebase log`, then push again",
            )
    except FactRejectedError as error:
        engine.reject(entry, fields, error)
        return None
    return Order(revision, replaces, accept)


async def follow_order(
    engine: Engine,
    order: Order,
    entry: StreamId,
    fields: list[bytes],
    store: ReloadStore,
    ready: Ready | None = None,
) -> Engine:
    """The engine that goes on: another one under the new rules, or the same if they are refused.

    Args:
        engine: that decides now.
        order: what is asked.
        entry: its place in the journal.
        fields: the entry, in case it is refused.
        store: where revisions are kept.
        ready: a rule base that was read beforehand; if it is another one, the right one is read now.

    Refusals: F315 not stored, F316 it does not load, F317 kinds with living facts would change, F318 more commands
    than accepted would fire at once, F319 a chain of its rules does not end.
    """
    try:
        return await _successor(engine, order, entry, store, ready)
    except FactRejectedError as error:
        engine.reject(entry, fields, error)
        return engine


async def _successor(engine: Engine, order: Order, entry: StreamId, store: ReloadStore, ready: Ready | None) -> Engine:
    blob = await store.get_revision(order.revision)
    if blob is None:
        raise FactRejectedError("F315", f"revision {order.revision} is not stored", "push its packs")
    try:
        if ready is None or ready.rulebase.revision != order.revision or ready.against != engine.rulebase.revision:
            ready = await asyncio.to_thread(make_ready, blob, in_force(engine))
        rulebase = ready.rulebase
        _check_kinds(engine, rulebase)
        in_use = {} if engine.driver is None else engine.driver.plans_in_use()
        _check_places(in_use, rulebase)
        successor = Engine(rulebase, replace(engine.surroundings, old_plans=in_use), ready.compiled)
    except FactRejectedError:
        raise
    except LockstepError as error:
        raise FactRejectedError(
            "F316", f"revision {order.revision} does not load: {error}", "check the packs"
        ) from error
    try:
        back = await _come_back(engine, rulebase, store)
        _go_on(successor, engine, order, entry, ready.changes, back)
    except BaseException:
        successor.close()
        raise
    return successor


async def _come_back(engine: Engine, rulebase: RuleBase, store: ReloadStore) -> list[tuple[str, Claim]]:
    """Facts that were left where they are when their kind went, and can be read again: as a start would find them."""
    added = rulebase.kinds.keys() - engine.rulebase.kinds.keys()
    if not added:
        return []
    kept = [(name, record) async for name, record in store.load_facts() if fact_kind(name) in added]
    try:
        return read_state(engine.cursor, {}, kept, (), rulebase.kinds).claims
    except StoreError as error:
        raise FactRejectedError(
            "F317",
            f"facts are kept from when there was such a kind before, and do not fit it: {error.message}",
            "give the new kind another name",
        ) from error


def in_force(engine: Engine) -> InForce:
    """What an engine decides by."""
    return InForce(engine.rulebase, {node.name: node.compiled for node in engine.nodes.values()})


def _go_on(
    successor: Engine,
    engine: Engine,
    order: Order,
    entry: StreamId,
    changes: tuple[str, ...],
    back: list[tuple[str, Claim]],
) -> None:
    """Give the successor everything the engine knows, and what it can know again, as one step of the entry."""
    renamed = {rule.was: rule.name for rule in successor.rulebase.rules if rule.was is not None}
    state = state_of(engine, successor.rulebase.kinds)
    state.claims += back
    try:
        Restoration(successor, state).reload(str(entry), renamed)
    except RunawayError as error:
        # The rules in force have no part in it, so nothing needs to be suspended: the new ones stay out.
        raise FactRejectedError(
            "F319", f"these rules would cause one another without end: {', '.join(error.rules)}", "break the circle"
        ) from error
    for name in sorted(engine.base.memories.keys() - successor.base.memories.keys()):
        for key, source in engine.base.memories[name].tombstones:
            # Left where it is, it would come back with the kind at a later start, and without that start not.
            successor.changes.tombstone_changed(name, key, source, None)
    fired = len(successor.changes.commands)
    if fired > order.accept:
        raise FactRejectedError(
            "F318",
            f"{fired} commands would fire at once, {order.accept} are accepted",
            f"push with --accept {fired} if that is meant",
        )
    successor.changes.meta["revision"] = order.revision
    for writer, n in successor.reports.writers.items():
        successor.changes.meta[f"writer:{writer}"] = str(n)
    successor.effects.events.append(
        {
            "event": "rulebase",
            "revision": order.revision,
            "replaces": order.replaces,
            "changes": list(changes),
        }
    )


def _check_places(in_use: dict[tuple[str, str], Plan], rulebase: RuleBase) -> None:
    """Open coordinations end under their own plan, which reads fields by place: new ones must come after the old."""
    for (_, name), plan in in_use.items():
        for kind in plan_kinds(plan):
            new = rulebase.kinds.get(kind.name)
            if new is None or any(new.positions.get(field) != at for field, at in kind.positions.items()):
                raise FactRejectedError(
                    "F320",
                    f"open coordinations of {name} read {kind.name}, whose fields would move",
                    "keep the kind, and add new fields after the old ones",
                )


def _check_kinds(engine: Engine, rulebase: RuleBase) -> None:
    living = {name for name, memory in engine.base.memories.items() if memory.facts}
    kept = {name: kind for name, kind in engine.rulebase.kinds.items() if name in living}
    problems = kind_change_problems(RuleBase(engine.rulebase.revision, kept), rulebase)
    if problems:
        raise FactRejectedError("F317", "; ".join(p.message for p in problems[:5]), problems[0].hint)


async def compile_all(rulebase: RuleBase) -> dict[str, CompiledRule]:
    """All rules as functions, without holding up what else the daemon does."""
    compiled: dict[str, CompiledRule] = {}
    for number, rule in enumerate(rulebase.rules):
        compiled[rule.name] = compile_rule(rule)
        if number % _COMPILED_AT_ONCE == 0:
            await asyncio.sleep(0)
    return compiled
