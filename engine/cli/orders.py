"""What became of an order: the engine takes it when its turn in the journal comes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from engine.clock import monotonic_ms
from engine.insight.audit import Decision, Noted, decisions
from engine.model.journal import StreamId
from engine.store.redis_store import RedisStore

#: How often a waiting command looks again.
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an order: ``state`` is done, refused or waiting; ``code``, ``message``, ``hint`` say why."""

    state: str
    code: str = ""
    message: str = ""
    hint: str = ""


def _refusal(decision: Decision) -> Verdict | None:
    for event in decision.events:
        if isinstance(event, Noted) and event.event == "refused":
            said = {name: str(event.fields.get(name, "")) for name in ("code", "message", "hint")}
            return Verdict("refused", **said)
    return None


async def outcome(store: RedisStore, entry: StreamId, timeout_ms: int) -> Verdict:
    """Wait until the engine has applied the entry, and say what it made of it.

    Args:
        store: connected.
        entry: the order's place in the journal.
        timeout_ms: give up after that long; the order stays in the journal and will be taken.
    """
    until = monotonic_ms() + timeout_ms
    while (await store.cursor()).entry < entry:
        if monotonic_ms() >= until:
            return Verdict("waiting")
        await asyncio.sleep(_LOOK_EVERY_S)
    since = StreamId(max(entry.ms - 1, 0), 0)
    async for decision in decisions(store, since, about=str(entry)):
        refused = _refusal(decision) if decision.cause == str(entry) else None
        if refused:
            return refused
    for kept in await store.read_rejected(after=since, limit=1_000):
        if kept.rejection.entry == entry:
            return Verdict("refused", kept.rejection.code, kept.rejection.message, kept.rejection.hint)
    return Verdict("done")


async def until_prepared(store: RedisStore, revision: str, timeout_ms: int) -> bool:
    """Wait until the daemon has read a stored rule base beforehand; False: not within that time, which is no harm."""
    until = monotonic_ms() + timeout_ms
    while (await store.read_figures()).get("prepared") != revision:
        if monotonic_ms() >= until:
            return False
        await asyncio.sleep(_LOOK_EVERY_S)
    return True
