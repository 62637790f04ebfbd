"""``replay`` and ``export``: deciding again what was decided, and the file to do it with elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer

from engine.cli import output
from engine.cli.connection import connected, secret_of
from engine.cli.entries import EntryError
from engine.cli.options import AsJson, Config, Data, RedisUrl, place
from engine.errors import Exit
from engine.model.journal import Cursor
from engine.runtime.logging import configure
from engine.runtime.replay.export import Exported, export
from engine.runtime.replay.file import FileRecording
from engine.runtime.replay.live import LiveRecording, live_recording
from engine.runtime.replay.replay import Verdict, replay
from engine.settings import Settings
from engine.store.secret import read_secret

From = Annotated[
    str | None, typer.Option("--from", help="Cursor of a kept snapshot. (default: the oldest)", show_default=False)
]


@asynccontextmanager
async def _live(settings: Settings, start: str | None) -> AsyncIterator[LiveRecording]:
    try:
        cursor = None if start is None else Cursor.parse(start)
    except ValueError as error:
        hint = "a cursor reads 1800000000000-0@1800000000000"
        raise EntryError("U150", f"'{start}' is not a cursor", hint) from error
    secret = read_secret(secret_of(settings))
    async with connected(settings) as store, live_recording(store, secret, cursor) as recording:
        yield recording


async def _replay(settings: Settings, start: str | None) -> Verdict:
    async with _live(settings, start) as recording:
        return await replay(recording)


async def _export(settings: Settings, start: str | None, file: Path) -> Exported:
    async with _live(settings, start) as recording:
        return await export(recording, file)


def _show(verdict: Verdict) -> None:
    head, found = verdict.head, verdict.first_difference
    counts = f"{verdict.entries} entries, {verdict.decisions} decisions, {verdict.commands} commands"
    if found is None:
        output.say(f"equal, {counts}, {head.start}..{head.end}", "green")
        return
    output.say(f"DIFFERENT, after {counts} from {head.start}", "bold red")
    output.say(output.clean(f"the first difference is {found.what} {found.at}"))
    output.pairs([("was decided", found.recorded or "nothing"), ("decided again", found.again or "nothing")])


def replay_command(
    file: Annotated[
        Path | None,
        typer.Argument(help="An exported file; needs no server. (default: what is in Redis)", show_default=False),
    ] = None,
    start: From = None,
    as_json: AsJson = False,
    data: Data = None,
    redis: RedisUrl = None,
    config: Config = None,
) -> None:
    """Decide everything again, from a snapshot and the journal after it; exits 1 if anything comes out otherwise."""
    configure("critical")
    if file is None:
        verdict = asyncio.run(_replay(place(data, redis, config), start))
    elif start is None:
        verdict = asyncio.run(replay(FileRecording(file)))
    else:
        raise EntryError("U151", "a file and --from exclude each other", "choose the snapshot when you export")
    output.print_json(verdict.as_dict()) if as_json else _show(verdict)
    if not verdict.is_equal:
        raise typer.Exit(Exit.PROBLEMS)


def export_command(
    file: Annotated[Path, typer.Argument(help="Where to; packed if it ends in .gz.", show_default=False)],
    start: From = None,
    as_json: AsJson = False,
    data: Data = None,
    redis: RedisUrl = None,
    config: Config = None,
) -> None:
    """Write a snapshot, the journal after it and what was decided to a file, for `lockstep replay FILE`."""
    configure("critical")
    done = asyncio.run(_export(place(data, redis, config), start, file))
    if as_json:
        output.print_json({"file": str(file), "lines": done.lines, "entries": done.entries, "digest": done.digest})
    else:
        output.say(f"{file}: {done.entries} entries, {done.lines} lines, digest {done.digest}")


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command("replay")(replay_command)
    app.command("export")(export_command)
