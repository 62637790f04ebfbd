"""The program: every command, and the one place where errors become exit codes."""

from __future__ import annotations

import sys
import tempfile
import traceback
from typing import Annotated

import typer

from engine.cli.commands import Commands
from engine.cli.output import failure, note
from engine.errors import Exit, LockstepError

app = typer.Typer(
    name="lockstep",
    cls=Commands,
    help="A reactive rules engine for execution coordination across networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"lockstep {version('lockstep')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A reactive rules engine for execution coordination across networks."""


def _fault(error: Exception) -> None:
    """Nobody foresaw this: keep the traceback for whoever mends it, and tell the user where it is."""
    with tempfile.NamedTemporaryFile("w", prefix="lockstep-fault-", suffix=".log", delete=False) as log:
        traceback.print_exception(error, file=log)
    note(f"F001 a fault in Lockstep itself: {type(error).__name__}: {error}", "bold red")
    note(f"hint: please report it with the log in {log.name}", "")


def main() -> None:
    """Run the program and leave with its exit code."""
    try:
        app()
    except LockstepError as error:
        failure(error)
        sys.exit(error.exit_code)
    except Exception as error:  # the outermost supervisor: no traceback reaches a user
        _fault(error)
        sys.exit(Exit.FAULT)


if __name__ == "__main__":  # python -m engine.cli.main
    main()
