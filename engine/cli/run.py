"""``run`` and ``demo``: the daemon, and the guided demonstration of it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Config, Data, RedisUrl
from engine.errors import ConfigError
from engine.settings import load_settings


class Time(StrEnum):
    """What time is."""

    server = "server"
    journal = "journal"


def run(
    packs: Annotated[
        Path | None, typer.Option("--packs", help="Packs to push at start, if they differ from what is in force.")
    ] = None,
    data: Data = None,
    redis: RedisUrl = None,
    config: Config = None,
    time: Annotated[
        Time | None,
        typer.Option("--time", help="journal: entry ids are the clock as they stand (tests, recorded traces)."),
    ] = None,
) -> None:
    """Run the daemon until SIGTERM or Ctrl-C."""
    # The daemon brings the whole engine with it; the other commands should not wait for that.
    from engine.daemon import serve

    said = {"packs": packs, "data": data, "redis": redis, "time": time.value if time else None}
    settings = load_settings(config, {name: value for name, value in said.items() if value is not None})
    raise typer.Exit(serve(settings))


def demo(
    chains: Annotated[
        bool,
        typer.Option("--chains", help="On two live EVM chains of its own (needs the extra 'chains', and npm once)."),
    ] = False,
    act: Annotated[
        list[int] | None,
        typer.Option("--act", min=1, max=4, help="With --chains: play this act alone; may be given again."),
    ] = None,
) -> None:
    """Show it at work: a real daemon, two intents, a crash in the middle; ends by itself within a minute."""
    if chains:
        raise typer.Exit(_play_on_chains(act or ()))
    if act:
        raise typer.BadParameter("only the demonstration on chains has acts: add --chains", param_hint="--act")
    from engine.insight.demo.demo import run as perform

    raise typer.Exit(perform())


def _play_on_chains(numbers: Sequence[int]) -> int:
    try:
        from engine.insight.chains.acts import ACTS
        from engine.insight.chains.play import run as play
    except ModuleNotFoundError as error:
        hint = "pip install 'lockstep[chains]'"
        raise ConfigError("X150", f"chains need {error.name}, which is not installed", hint) from error
    return play([act for act in ACTS if not numbers or act.number in numbers])


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(run)
    app.command()(demo)
