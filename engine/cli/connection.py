"""Reaching the Redis a command is about: the one of ``--redis``, or the built-in one of a running daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from engine.cli.output import note
from engine.errors import ConfigError, StoreError
from engine.insight.doctor import Vitals
from engine.insight.facts import facts_of
from engine.insight.status import JournalEnds, Status, status_of
from engine.model.journal import StreamId
from engine.model.kinds import Kind
from engine.model.rules import RuleBase
from engine.settings import Settings
from engine.store.data_directory import DataDirectory
from engine.store.redis_store import RedisStore, connect_with_backoff
from engine.store.secret import secret_path
from engine.store.url import Endpoint, parse

#: A command gives a server that is just starting that long.
_PATIENCE_MS = 1_000


def _endpoint(settings: Settings) -> Endpoint:
    if settings.redis:
        return parse(settings.redis)
    path = DataDirectory(settings.data).socket()
    if not path.exists():
        hint = "start `lockstep run`, or name yours: --data DIR for its directory, --redis URL for a server"
        raise ConfigError("C150", f"no daemon keeps its Redis in {settings.data}", hint)
    return Endpoint(path=path)


def _on_try(error: StoreError, tries: int, _wait_ms: int) -> None:
    if tries == 1:
        note(f"{error.code} {error.message}; trying again")


def secret_of(settings: Settings) -> Path:
    """Where the signing secret is."""
    return secret_path(settings.data, str(settings.secret_file) if settings.secret_file else None)


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[RedisStore]:
    """A store whose server has answered.

    Raises:
        ConfigError: no server is configured or running.
        StoreError: it does not answer, or refuses.
    """
    async with await connect_with_backoff(_endpoint(settings), _on_try, give_up_after_ms=_PATIENCE_MS) as store:
        yield store


async def kinds_in_force(store: RedisStore) -> dict[str, Kind]:
    """The kinds of the rule base in force; the engine's own when there is none yet."""
    return (await rulebase_of(store)).kinds


async def rulebase_of(store: RedisStore) -> RuleBase:
    """The rule base in force; an empty one when there is none yet."""
    revision = await store.revision_in_force()
    blob = await store.get_revision(revision) if revision else None
    if blob is None:
        return RuleBase("")
    # Most commands never read packs, and should not wait for what reads them.
    from engine.packs.bundle import load_blob

    return load_blob(blob)


async def page(store: RedisStore) -> Status:
    """What ``status`` shows."""
    meta = await store.load_meta()
    extent = await store.journal_extent()
    cursor = await store.cursor()
    unread = await store.read_journal(cursor.entry, 1)
    report = await store.server_report()
    first = StreamId.parse(unread[0][0]) if unread else None
    waiting = await store.journal_lag(cursor.entry) if unread else 0
    ends = JournalEnds(extent.length, extent.last_id, first, waiting)
    said = {
        "version": report.version,
        "memory": f"{report.used_memory_bytes >> 20} MiB",
        "at": str(store.endpoint),
    }
    return status_of(meta, await store.read_figures(), ends, said, await store.time_ms())


async def vitals(store: RedisStore, settings: Settings) -> Vitals:
    """What ``doctor`` looks at."""
    extent = await store.journal_extent()
    incidents = [fact async for fact in facts_of(store, "incident") if fact.values.get("open") is True]
    return Vitals(
        server=await store.server_report(),
        status=await page(store),
        journal_last=extent.last_id,
        time_ms=await store.time_ms(),
        secret=secret_of(settings),
        incidents=tuple(sorted((fact.key_text, str(fact.values.get("reason", ""))) for fact in incidents)),
    )
