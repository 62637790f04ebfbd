"""``check``: what is wrong with packs, all of it, before anybody pushes them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli import output
from engine.cli.options import AsJson
from engine.errors import Exit
from engine.packs.bundle import load_paths
from engine.runtime.candidate import misfit

Paths = Annotated[list[Path], typer.Argument(help="Pack files, or directories of them.", show_default=False)]


def check(paths: Paths, as_json: AsJson = False) -> None:
    """Check packs and report every problem with its place and what to write instead."""
    loaded = load_paths(paths)
    problems = list(loaded.problems)
    if loaded.rulebase is not None:
        problem = misfit(loaded.rulebase, ", ".join(map(str, paths)))
        problems += [problem] if problem else []
    errors = sum(p.is_error for p in problems)
    if as_json:
        output.print_json({"ok": not errors, "problems": [p.as_dict() for p in problems]})
    else:
        output.problems(problems)
        warnings = len(problems) - errors
        counts = [] if loaded.rulebase is None else [_count(len(loaded.rulebase.rules), "rule")]
        if loaded.rulebase is not None and loaded.rulebase.plans:
            counts.append(_count(len(loaded.rulebase.plans), "plan"))
        counted = ", ".join((*counts, _count(errors, "error"), _count(warnings, "warning")))
        output.say(f"not usable: {counted}" if errors else f"ok: {counted}", "bold red" if errors else "bold green")
    if errors:
        raise typer.Exit(Exit.PROBLEMS)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(check)
