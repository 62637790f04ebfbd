"""``facts``, ``commands`` and ``rejected``: what the engine knows, did and refused."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
import typer
from rich.text import Text

from engine.cli import output
from engine.cli.connection import connected
from engine.cli.options import AsJson, Config, Data, RedisUrl, place
from engine.insight.commands import Command, commands_of
from engine.insight.facts import StoredFact, facts_of
from engine.settings import Settings
from engine.store.records import RejectedEntry

Limit = Annotated[int, typer.Option("--limit", min=1, help="Show at most so many.")]
_STATUS_STYLES = {"done": "green", "refused": "red", "failed": "red", "expired": "yellow", "unknown": "bold yellow"}


def _brief(values: Mapping[str, Any]) -> str:
    return "  ".join(f"{k}={v if isinstance(v, str) else orjson.dumps(v).decode()}" for k, v in values.items())


async def _facts(settings: Settings, kind: str | None, limit: int) -> tuple[list[StoredFact], int]:
    async with connected(settings) as store:
        found = [fact async for fact in facts_of(store, kind)]
        found.sort(key=lambda f: (f.kind, f.key_text, f.source))
        return found[:limit], await store.time_ms()


def facts(
    kind: Annotated[str | None, typer.Argument(help="Only facts of this kind.", show_default=False)] = None,
    limit: Limit = 1_000,
    as_json: AsJson = False,
    data: Data = None,
    redis: RedisUrl = None,
    config: Config = None,
) -> None:
    """List facts: what the engine believes now."""
    found, time_ms = asyncio.run(_facts(place(data, redis, config), kind, limit))
    if as_json:
        output.print_json([fact.as_dict() for fact in found])
        return
    rows = ((f.kind, f.key_text, _brief(f.values), output.span(time_ms - f.observed_at), f.source) for f in found)
    output.table(("kind", "key", "values", "age", "source"), rows, empty="no facts")
    if len(found) == limit:
        output.note(f"the first {limit}; --limit shows more")


async def _commands(settings: Settings, limit: int) -> list[Command]:
    async with connected(settings) as store:
        return await commands_of(store, limit)


def commands(
    limit: Limit = 100, as_json: AsJson = False, data: Data = None, redis: RedisUrl = None, config: Config = None
) -> None:
    """List commands, newest first, and how far they got."""
    found = asyncio.run(_commands(place(data, redis, config), limit))
    if as_json:
        output.print_json([command.as_dict() for command in found])
        return
    rows = (
        (
            c.id,
            f"{c.connector}.{c.verb}",
            Text(c.status, _STATUS_STYLES.get(c.status, "")),
            output.instant(c.at_ms),
            c.rule,
            _brief(c.args),
        )
        for c in found
    )
    output.table(("id", "command", "status", "made", "rule", "with"), rows, empty="no commands yet")


async def _rejected(settings: Settings, limit: int) -> list[RejectedEntry]:
    async with connected(settings) as store:
        return await store.read_rejected(limit=limit, newest_first=True)


def _said(entry: RejectedEntry) -> dict[str, str]:
    return {name.decode(errors="replace"): value.decode(errors="replace") for name, value in entry.rejection.fields}


def rejected(
    limit: Limit = 100, as_json: AsJson = False, data: Data = None, redis: RedisUrl = None, config: Config = None
) -> None:
    """List journal entries that were refused, newest first, and what their sender should do."""
    found = asyncio.run(_rejected(place(data, redis, config), limit))
    if as_json:
        output.print_json(
            [
                {
                    "entry": str(kept.rejection.entry),
                    "code": kept.rejection.code,
                    "message": kept.rejection.message,
                    "hint": kept.rejection.hint,
                    "fields": _said(kept),
                }
                for kept in found
            ]
        )
        return
    rows = []
    for kept in found:
        why, said = kept.rejection, _said(kept)
        code = Text(why.code, "red")
        rows.append((str(why.entry), said.get("source", ""), said.get("kind", ""), code, why.message, why.hint))
    output.table(("entry", "source", "kind", "code", "what is wrong", "hint"), rows, empty="nothing was refused")


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (facts, commands, rejected):
        app.command()(command)
