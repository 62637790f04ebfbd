"""``status``, ``doctor``, ``pause`` and ``resume``: what an operator reaches for."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated

import typer
from rich.text import Text

from engine.cli import output
from engine.cli.connection import connected, page, secret_of, vitals
from engine.cli.entries import EntryError
from engine.cli.options import AsJson, Config, Data, RedisUrl, place
from engine.cli.orders import Verdict, outcome
from engine.errors import Exit
from engine.insight.doctor import Finding, examine
from engine.insight.status import Status
from engine.runtime.orders import give_order
from engine.settings import Settings
from engine.store.secret import read_secret

_WAIT_MS = 10_000
_WHAT = re.compile(r"(connector|rule|plan):[A-Za-z_][A-Za-z0-9_.-]*")
What = Annotated[str, typer.Argument(help="connector:NAME or rule:PACK.RULE", show_default=False)]
_MARKS = {"ok": ("ok", "green"), "warn": ("risk", "yellow"), "bad": ("BAD", "bold red")}


def _show_status(status: Status, time_ms: int) -> None:
    if status.running:
        state = f"running ({status.role}, epoch {status.epoch})"
    elif status.as_of_ms is None:
        state = "no daemon has run here yet"
    else:
        state = f"not running; last seen {output.span(time_ms - status.as_of_ms)} ago"

    def shown(number: int | None) -> str:
        return "-" if number is None else f"{number:,}"

    rows: list[tuple[str, str | int]] = [
        ("daemon", state),
        ("rule base", status.revision or "none"),
        ("time reached", output.instant(status.cursor.now_ms) if status.cursor.now_ms else "-"),
        ("last entry", str(status.cursor.entry)),
        ("behind", output.span(status.lag_ms) if status.lag_ms else "nothing is waiting"),
        ("facts", shown(status.facts)),
        ("groundings", shown(status.groundings)),
        ("active rules", shown(status.active)),
        ("deadlines", shown(status.pending_deadlines)),
        ("journal", f"{status.journal_length:,} entries"),
        ("redis", ", ".join(f"{name} {value}" for name, value in status.redis.items())),
    ]
    if status.paused:
        rows.append(("paused", ", ".join(status.paused)))
    if status.suspended:
        rows.append(("suspended", ", ".join(status.suspended)))
    rows.extend((name.replace("_", " "), value) for name, value in sorted(status.more.items()))
    output.pairs(rows)


async def _look(settings: Settings) -> tuple[Status, int]:
    async with connected(settings) as store:
        return await page(store), await store.time_ms()


def status(as_json: AsJson = False, data: Data = None, redis: RedisUrl = None, config: Config = None) -> None:
    """Show what is going on, on one page."""
    found, time_ms = asyncio.run(_look(place(data, redis, config)))
    output.print_json(found.as_dict()) if as_json else _show_status(found, time_ms)


async def _examine(settings: Settings) -> list[Finding]:
    async with connected(settings) as store:
        return examine(await vitals(store, settings))


def doctor(as_json: AsJson = False, data: Data = None, redis: RedisUrl = None, config: Config = None) -> None:
    """Look for what could go wrong in this deployment; exits 1 if something is bad."""
    findings = asyncio.run(_examine(place(data, redis, config)))
    is_bad = any(f.state == "bad" for f in findings)
    if as_json:
        shown = [{"name": f.name, "state": f.state, "message": f.message, "hint": f.hint} for f in findings]
        output.print_json({"ok": not is_bad, "findings": shown})
    else:
        rows = []
        for finding in findings:
            word, style = _MARKS[finding.state]
            rows.append((Text(word, style), finding.name, finding.message, finding.hint))
        output.table(("", "what", "found", "do"), rows, empty="nothing to look at")
    if is_bad:
        raise typer.Exit(Exit.PROBLEMS)


async def control(settings: Settings, action: str, what: str) -> tuple[str, Verdict]:
    """Give the daemon an order, and wait for what becomes of it if one runs; the order's place, and that."""
    async with connected(settings) as store:
        secret = read_secret(secret_of(settings))
        entry = await give_order(store, secret, "cli", "control", {"action": action, "what": what})
        is_running = (await page(store)).running
        return str(entry), await outcome(store, entry, _WAIT_MS if is_running else 0)


def _steer(settings: Settings, action: str, what: str, *, as_json: bool) -> None:
    if not _WHAT.fullmatch(what):
        raise EntryError("U120", f"'{what}' cannot be paused", "write connector:NAME or rule:PACK.RULE")
    entry, verdict = asyncio.run(control(settings, action, what))
    if as_json:
        shown = {"entry": entry, "what": what, "state": verdict.state, "code": verdict.code}
        output.print_json(shown | {"message": verdict.message, "hint": verdict.hint})
    elif verdict.state == "refused":
        output.note(f"refused: {verdict.code} {verdict.message}", "bold red")
    elif verdict.state == "waiting":
        output.say(f"{action} {what}: asked for; a daemon will take it when it runs")
    else:
        output.say(f"{what} is {'paused' if action == 'pause' else 'running again'}")
    if verdict.state == "refused":
        raise typer.Exit(Exit.PROBLEMS)


def pause(
    what: What, as_json: AsJson = False, data: Data = None, redis: RedisUrl = None, config: Config = None
) -> None:
    """Hold the dispatch of a connector's or a rule's commands; matching and deadlines go on."""
    _steer(place(data, redis, config), "pause", what, as_json=as_json)


def resume(
    what: What, as_json: AsJson = False, data: Data = None, redis: RedisUrl = None, config: Config = None
) -> None:
    """Let go what pause held."""
    _steer(place(data, redis, config), "resume", what, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (status, doctor, pause, resume):
        app.command()(command)
