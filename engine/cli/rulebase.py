"""``push``, ``activate`` and ``rulebase``: which rules are in force, since when, and what changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from engine import limits
from engine.cli import output
from engine.cli.connection import connected, page, secret_of
from engine.cli.options import AsJson, Config, Data, RedisUrl, place
from engine.cli.orders import Verdict, outcome, until_prepared
from engine.errors import Exit
from engine.insight.revisions import RevisionError, files_of, resolve
from engine.runtime.candidate import Candidate, ask_for, candidate_from, note_activation, store_candidate, try_out
from engine.settings import Settings
from engine.store.redis_store import RedisStore
from engine.store.rule_bases import HistoryNote
from engine.store.secret import read_secret

_WAIT_MS = 30_000
#: A daemon reads and compiles thousands of rules in so long; without that the order holds it up for as long.
_PREPARE_MS = 10_000
group = typer.Typer(help="The rule bases pushed so far.", no_args_is_help=True)
Revision = Annotated[str, typer.Argument(help="A revision, or its first characters.", show_default=False)]


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push or an activation came to. ``verdict.state`` may also be ``same``: it was in force already."""

    revision: str
    replaces: str
    entry: str
    verdict: Verdict


async def _order(store: RedisStore, settings: Settings, revision: str, accept: int) -> Pushed:
    before = await page(store)
    if before.revision == revision:
        return Pushed(revision, revision, "", Verdict("same"))
    secret = read_secret(secret_of(settings))
    if before.running:
        await until_prepared(store, revision, _PREPARE_MS)
    entry = await ask_for(store, secret, "cli", revision, before.revision, accept)
    verdict = await outcome(store, entry, _WAIT_MS if before.running else 0)
    return Pushed(revision, before.revision, str(entry), verdict)


async def _push(settings: Settings, candidate: Candidate, accept: int) -> Pushed:
    async with connected(settings) as store:
        if await store.revision_in_force() != candidate.revision:
            await store_candidate(store, candidate, "cli")
        return await _order(store, settings, candidate.revision, accept)


async def _activate(settings: Settings, wanted: str, accept: int) -> Pushed:
    async with connected(settings) as store:
        revision = await resolve(store, wanted)
        if await store.revision_in_force() != revision:
            await note_activation(store, revision, "cli")
        return await _order(store, settings, revision, accept)


def _report(pushed: Pushed, *, as_json: bool) -> None:
    verdict = pushed.verdict
    if as_json:
        shown = {"revision": pushed.revision, "replaces": pushed.replaces, "entry": pushed.entry}
        said = {"state": verdict.state, "code": verdict.code, "message": verdict.message, "hint": verdict.hint}
        output.print_json(shown | said)
    elif verdict.state == "refused":
        output.note(f"{verdict.code} {verdict.message}", "bold red")
        if verdict.hint:
            output.note(f"hint: {verdict.hint}", "")
        output.note(f"{pushed.replaces or 'no rule base'} stays in force", "")
    else:
        words = {
            "same": "was in force already",
            "done": "is in force",
            "waiting": "is stored and asked for; a daemon will take it when it runs (see `lockstep status`)",
        }
        output.say(f"{pushed.revision} {words[verdict.state]}")
    if verdict.state == "refused":
        raise typer.Exit(Exit.PROBLEMS)


Accept = Annotated[int, typer.Option("--accept", min=0, help="Most commands that may fire at once because of it.")]


def push(
    directory: Annotated[Path, typer.Argument(help="Directory of packs, or one file.", show_default=False)],
    accept: Accept = limits.PUSH_ACCEPT,
    as_json: AsJson = False,
    data: Data = None,
    redis: RedisUrl = None,
    config: Config = None,
) -> None:
    """Check packs and put them in force; the old ones stay if these are wrong."""
    settings = place(data, redis, config)
    candidate = candidate_from([directory])
    if not as_json:
        output.problems(candidate.warnings, stderr=True)
    try_out(candidate)
    _report(asyncio.run(_push(settings, candidate, accept)), as_json=as_json)


def activate(
    revision: Revision,
    accept: Accept = limits.PUSH_ACCEPT,
    as_json: AsJson = False,
    data: Data = None,
    redis: RedisUrl = None,
    config: Config = None,
) -> None:
    """Put an earlier revision in force again."""
    _report(asyncio.run(_activate(place(data, redis, config), revision, accept)), as_json=as_json)


async def _log(settings: Settings) -> tuple[list[HistoryNote], int]:
    """The history, newest first, and the number of the note in force (0: none)."""
    async with connected(settings) as store:
        notes = await store.revision_history()
        revision = await store.revision_in_force()
        return notes, next((note.n for note in notes if note.revision == revision), 0)


@group.command()
def log(as_json: AsJson = False, data: Data = None, redis: RedisUrl = None, config: Config = None) -> None:
    """List what was pushed so far, newest first."""
    notes, in_force = asyncio.run(_log(place(data, redis, config)))
    if as_json:
        output.print_json(
            [{"revision": n.revision, "at": n.at_ms, "in_force": n.n == in_force, **n.note} for n in notes]
        )
        return
    rows = []
    for note in notes:
        mark = Text("in force", "green") if note.n == in_force else Text("")
        said = (note.note.get("by", ""), note.note.get("from", ""))
        rows.append((note.revision, output.instant(note.at_ms), *said, mark))
    output.table(("revision", "pushed", "by", "from", ""), rows, empty="nothing was pushed yet: lockstep push DIR")


async def _files(settings: Settings, wanted: list[str | None]) -> list[tuple[str, dict[str, str]]]:
    """Revision and files of each; None stands for the one in force."""
    async with connected(settings) as store:
        found = []
        for word in wanted:
            revision = await resolve(store, word) if word else (await page(store)).revision
            if not revision:
                raise RevisionError("U132", "no rule base is in force", "push one: lockstep push DIR")
            found.append((revision, await files_of(store, revision)))
        return found


@group.command()
def show(
    revision: Annotated[str | None, typer.Argument(help="(default: the one in force)", show_default=False)] = None,
    as_json: AsJson = False,
    data: Data = None,
    redis: RedisUrl = None,
    config: Config = None,
) -> None:
    """Show the packs of a revision."""
    ((found, files),) = asyncio.run(_files(place(data, redis, config), [revision]))
    if as_json:
        output.print_json({"revision": found, "files": files})
        return
    for name, text in files.items():
        output.say(f"# {name}, revision {found}", "bold")
        output.say(text.rstrip() + "\n")


@group.command()
def diff(
    old: Revision,
    new: Annotated[str | None, typer.Argument(help="(default: the one in force)", show_default=False)] = None,
    as_json: AsJson = False,
    data: Data = None,
    redis: RedisUrl = None,
    config: Config = None,
) -> None:
    """Show what changed from one revision to another."""
    (before, old_files), (after, new_files) = asyncio.run(_files(place(data, redis, config), [old, new]))
    lines: list[str] = []
    for name in sorted(old_files.keys() | new_files.keys()):
        left, right = old_files.get(name, "").splitlines(), new_files.get(name, "").splitlines()
        lines += unified_diff(left, right, f"{before}/{name}", f"{after}/{name}", lineterm="")
    if as_json:
        output.print_json({"old": before, "new": after, "diff": lines})
        return
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in lines or ["no difference"]:
        output.say(line, styles.get(line[:1], ""))


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(push)
    app.command()(activate)
    app.add_typer(group, name="rulebase")
