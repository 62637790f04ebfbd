"""``inject`` and ``retract``: facts into the journal, one or a file of them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.progress import Progress

from engine.cli import output
from engine.cli.connection import connected, kinds_in_force, page
from engine.cli.entries import DEFAULT_SOURCE, EntryError, data_of, fields_of, fields_of_line
from engine.cli.options import AsJson, Config, Data, RedisUrl, place
from engine.cli.orders import Verdict, outcome
from engine.errors import ConfigError, Exit
from engine.model.journal import StreamId
from engine.settings import Settings

#: Entries sent in one go: enough to hide the round trip, little enough to see progress.
_CHUNK = 200
#: A running engine has said what it makes of an entry long before.
_WAIT_MS = 2_000

Kind = Annotated[str | None, typer.Argument(help="Kind of the fact.", show_default=False)]
Words = Annotated[
    list[str] | None,
    typer.Argument(help="field=value…, field:=JSON…, or one JSON object.", show_default=False),
]
Source = Annotated[str, typer.Option("--source", help="Who says so.")]
ObservedAt = Annotated[int | None, typer.Option("--observed-at", help="When it was so, unix ms. (default: now)")]
Seq = Annotated[int | None, typer.Option("--seq", help="The sender's sequence number.")]
Reference = Annotated[str | None, typer.Option("--id", help="Your reference; echoed in audit and rejections.")]
FactsFile = Annotated[
    Path | None, typer.Option("--file", help='Lines {"kind":…,"data":{…}}; - for stdin.', show_default=False)
]


@dataclass(frozen=True, slots=True)
class Sent:
    """An entry, and what the engine made of it, if one runs."""

    entry: StreamId
    verdict: Verdict


async def _append_one(
    settings: Settings, op: str, kind: str, words: list[str], source: str, optional: dict[str, int | str | None]
) -> Sent:
    async with connected(settings) as store:
        declared = (await kinds_in_force(store)).get(kind)
        entry = await store.append(fields_of(op, data_of(words, declared), kind, source, **optional))
        is_running = (await page(store)).running
        return Sent(entry, await outcome(store, entry, _WAIT_MS if is_running else 0))


def _report(sent: Sent, *, as_json: bool) -> None:
    verdict = sent.verdict
    if as_json:
        said = {"state": verdict.state, "code": verdict.code, "message": verdict.message, "hint": verdict.hint}
        output.print_json({"entry": str(sent.entry), **said})
    else:
        output.say(str(sent.entry))
    if verdict.state == "refused":
        if not as_json:
            output.failure(EntryError(verdict.code, verdict.message, verdict.hint))
        raise typer.Exit(Exit.PROBLEMS)


def _lines(stream: BinaryIO, path: str) -> Iterator[tuple[dict[str, str | bytes], int]]:
    for number, line in enumerate(stream, 1):
        if line.strip():
            yield fields_of_line(line, number, path), len(line)


async def _append_lines(settings: Settings, stream: BinaryIO, path: str, total: int | None) -> int:
    """Appends every line, in order; a bad line ends it, with everything before it already in the journal."""
    sent = 0
    chunk: list[Mapping[str, str | bytes]] = []
    with Progress(console=output.progress_console(), transient=True) as progress:
        bar = progress.add_task("injecting", total=total)
        async with connected(settings) as store:
            try:
                for entry, size in _lines(stream, path):
                    chunk.append(entry)
                    progress.advance(bar, size)
                    if len(chunk) == _CHUNK:
                        sent += len(await store.append_many(chunk))
                        chunk = []
            except EntryError as error:
                sent += len(await store.append_many(chunk))
                hint = f"{error.hint}; the {sent} entries before it are in the journal"
                raise EntryError(error.code, error.message, hint) from error
            sent += len(await store.append_many(chunk))
    return sent


def _inject_file(settings: Settings, path: Path) -> int:
    if str(path) == "-":
        return asyncio.run(_append_lines(settings, sys.stdin.buffer, "stdin", None))
    try:
        with path.open("rb") as stream:
            return asyncio.run(_append_lines(settings, stream, str(path), path.stat().st_size))
    except OSError as error:
        raise ConfigError("U110", f"{path}: {error.strerror}", "name a readable file of JSON lines") from error


def inject(
    kind: Kind = None,
    words: Words = None,
    source: Source = DEFAULT_SOURCE,
    observed_at: ObservedAt = None,
    seq: Seq = None,
    reference: Reference = None,
    file: FactsFile = None,
    as_json: AsJson = False,
    data: Data = None,
    redis: RedisUrl = None,
    config: Config = None,
) -> None:
    """Assert a fact, or a file of facts; exits 1 if a running engine refuses it."""
    settings = place(data, redis, config)
    if file is not None:
        if kind is not None:
            raise EntryError("U109", "a kind and --file exclude each other", "each line of the file names its kind")
        count = _inject_file(settings, file)
        output.print_json({"entries": count}) if as_json else output.say(f"{count} entries are in the journal")
        return
    if kind is None:
        raise EntryError("U109", "nothing to inject", "lockstep inject KIND field=value…, or --file facts.jsonl")
    optional = {"observed_at": observed_at, "seq": seq, "id": reference}
    sent = asyncio.run(_append_one(settings, "assert", kind, words or [], source, optional))
    _report(sent, as_json=as_json)


def retract(
    kind: Annotated[str, typer.Argument(help="Kind of the fact.", show_default=False)],
    words: Annotated[list[str], typer.Argument(help="The key: field=value…, or a JSON object.", show_default=False)],
    source: Source = DEFAULT_SOURCE,
    observed_at: ObservedAt = None,
    seq: Seq = None,
    reference: Reference = None,
    as_json: AsJson = False,
    data: Data = None,
    redis: RedisUrl = None,
    config: Config = None,
) -> None:
    """Take a fact back."""
    settings = place(data, redis, config)
    optional = {"observed_at": observed_at, "seq": seq, "id": reference}
    sent = asyncio.run(_append_one(settings, "retract", kind, words, source, optional))
    _report(sent, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(inject)
    app.command()(retract)
