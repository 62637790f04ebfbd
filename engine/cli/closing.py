"""``close``: the end of a coordination that was stopped."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from engine.cli import output
from engine.cli.connection import connected
from engine.cli.operate import control
from engine.cli.options import AsJson, Config, Data, RedisUrl, place
from engine.cli.orders import Verdict
from engine.errors import Exit
from engine.insight.coordinations.reading import known_cases, meant
from engine.settings import Settings


async def _close(settings: Settings, wanted: str) -> tuple[str, Verdict]:
    async with connected(settings) as store:
        case = meant(await known_cases(store), wanted).case
    entry, verdict = await control(settings, "close", case.id)
    return f"{case.plan} {case.subject} ({entry})", verdict


def close(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="Of the coordination, or its beginning; or its subject.")],
    as_json: AsJson = False,
    data: Data = None,
    redis: RedisUrl = None,
    config: Config = None,
) -> None:
    """End a coordination that was stopped, once its value was seen to by hand; its record stays."""
    told, verdict = asyncio.run(_close(place(data, redis, config), wanted))
    if as_json:
        shown = {"what": told, "state": verdict.state, "code": verdict.code, "message": verdict.message}
        output.print_json(shown | {"hint": verdict.hint})
    elif verdict.state == "refused":
        output.note(f"refused: {verdict.code} {verdict.message}", "bold red")
    else:
        output.say(f"{told} is closed" if verdict.state == "done" else f"{told}: asked for; a daemon will close it")
    if verdict.state == "refused":
        raise typer.Exit(Exit.PROBLEMS)


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(close)
