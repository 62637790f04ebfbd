"""``test``: the scenario tests of packs, in virtual time and without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import AsJson
from engine.errors import Exit


def run_scenarios(
    paths: Annotated[list[Path], typer.Argument(help="Test files, or directories of them.", show_default=False)],
    as_json: AsJson = False,
    only: Annotated[str | None, typer.Option("-k", help="Only tests whose name has this text in it.")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Also write a JUnit report there.")] = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Say which rules never fired and which terms were never false.")
    ] = False,
) -> None:
    """Play the scenario tests of packs: the real engine in virtual time."""
    # The tests bring the whole engine with them; the other commands should not wait for that.
    from engine.cli.playing import run_tests

    if not run_tests(paths, as_json=as_json, only=only, junit=junit, coverage=coverage):
        raise typer.Exit(Exit.PROBLEMS)


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command("test")(run_scenarios)
