"""``replay`` and ``export``: deciding again what was decided, and the file to do it with elsewhere."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from engine.cli import output
from engine.cli.connection import connected, secret_of
from engine.cli.entries import EntryError
from engine.cli.options import AsJson, Config, Data, RedisUrl, place
from engine.errors import Exit
from engine.model.journal import Cursor
from engine.runtime.logging import configure
from engine.runtime.replay.live import live_recording
from engine.runtime.replay.replay import Verdict, replay
from engine.settings import Settings
from engine.store.secret import read_secret

From = Annotated[
    str | None, typer.Option("--from", help="Cursor of a kept snapshot. (default: the oldest)", show_default=False)
]


def _cursor(text: str | None) -> Cursor | None:
    if text is None:
        return None
    try:
        return Cursor.parse(text)
    except ValueError as error:
        raise EntryError("U150", f"'{text}' is not a cursor", "a cursor reads 1800000000000-0@1800000000000") from error


async def _live(settings: Settings, start: Cursor | None) -> Verdict:
    async with (
        connected(settings) as store,
        live_recording(store, read_secret(secret_of(settings)), start) as recording,
    ):
        return await replay(recording)


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
    start: From = None,
    as_json: AsJson = False,
    data: Data = None,
    redis: RedisUrl = None,
    config: Config = None,
) -> None:
    """Decide everything again from a snapshot and the journal after it; exits 1 if anything comes out otherwise."""
    configure("error")
    verdict = asyncio.run(_live(place(data, redis, config), _cursor(start)))
    output.print_json(verdict.as_dict()) if as_json else _show(verdict)
    if not verdict.is_equal:
        raise typer.Exit(Exit.PROBLEMS)


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command("replay")(replay_command)
