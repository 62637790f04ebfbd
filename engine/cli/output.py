"""What commands print: JSON for programs, tables and sentences for people, one form for every error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from engine.errors import LockstepError, PackError, Problem

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Columns assumed when nobody says: wide enough that piped tables are not cut.
_PIPED_WIDTH = 200


class _Console(Console):
    """A console whose reader may leave: ``lockstep facts | head`` ends quietly, with the command's own exit code."""

    def on_broken_pipe(self) -> None:
        discard_stdout()
        self.quiet = True


def discard_stdout() -> None:
    """Nobody reads any more: what is still to be printed goes nowhere, also what the interpreter flushes at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPED_WIDTH
    return _Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


def progress_console() -> Console:
    """Where progress is drawn: stderr, so that it never mixes with the result."""
    return _console(stderr=True)


def clean(text: str) -> str:
    """Text as it may go to a terminal: control characters that others put into facts are shown, not obeyed."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def instant(ms: int) -> str:
    """Unix ms as ``2027-01-15 08:00:00.000Z``; as the bare number when no calendar has it."""
    try:
        at = _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return str(ms)
    return at.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "Z")


def span(ms: int) -> str:
    """A length of time in its two largest units: ``3d 4h``, ``12m 5s``, ``250ms``."""
    units = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))
    parts = []
    rest = abs(ms)
    for name, size in units:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{name}")
        if len(parts) == 2 or (parts and name == "s"):
            break
    return ("-" if ms < 0 else "") + (" ".join(parts) or "0ms")


def print_json(value: Any) -> None:  # noqa: ANN401  any JSON document
    """One JSON document on stdout; indented when a person looks at it, one line when a program does."""
    option = orjson.OPT_INDENT_2 if sys.stdout.isatty() else 0
    _write(orjson.dumps(value, option=option) + b"\n")


def print_json_lines(values: Iterable[Any]) -> None:
    """One JSON document a line, as they come."""
    for value in values:
        _write(orjson.dumps(value) + b"\n")


def _write(line: bytes) -> None:
    try:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        discard_stdout()


def say(text: str | Text, style: str = "") -> None:
    """A sentence for people, on stdout."""
    _console().print(Text(text, style=style) if isinstance(text, str) else text, soft_wrap=True)


def note(text: str, style: str = "dim") -> None:
    """A remark beside the result, on stderr, so that it is not taken for the result."""
    _console(stderr=True).print(Text(text, style=style), soft_wrap=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[str | int | Text]], *, empty: str) -> None:
    """A table for people; ``empty`` is what to say when there are no rows."""
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(cell if isinstance(cell, Text) else clean(str(cell)) for cell in row))
    if shown.row_count:
        _console().print(shown)
    else:
        say(empty, "dim")


def tree(shown: Tree) -> None:
    """A tree for people."""
    _console().print(shown)


def pairs(rows: Iterable[tuple[str, str | int]]) -> None:
    """Names and values, one a line."""
    shown = Table.grid(padding=(0, 3, 0, 0))
    shown.add_column(style="bold", no_wrap=True)
    shown.add_column(overflow="fold")
    for name, value in rows:
        shown.add_row(name, clean(str(value)))
    _console().print(shown)


def problems(found: Sequence[Problem], *, stderr: bool = False) -> None:
    """Problems as compilers print them, one a line: ``file:line:column: CODE what is wrong; what to write instead``."""
    console = _console(stderr=stderr)
    for problem in found:
        where = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part)
        line = Text(clean(where) + ": ", style="bold")
        line.append(problem.code, "red" if problem.is_error else "yellow")
        line.append(" " + clean(problem.message), "not bold")
        if problem.hint:
            line.append("; " + clean(problem.hint), "not bold dim")
        console.print(line, soft_wrap=True)


def failure(error: LockstepError) -> None:
    """An error on stderr: ``CODE message`` and, on its own line, what to do about it."""
    console = _console(stderr=True)
    message = error.message
    if isinstance(error, PackError):
        problems(error.problems, stderr=True)
        message = f"the packs have errors: {sum(p.is_error for p in error.problems)}"
    line = Text(error.code, style="bold red")
    line.append(" " + clean(message), "not bold default")
    console.print(line, soft_wrap=True)
    if error.hint:
        console.print(Text("hint: " + clean(error.hint)), soft_wrap=True)
