"""``why-not``: why a rule does not fire, or a step of a plan is not commanded."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.text import Text

from engine.cli import output
from engine.cli.connection import connected, page
from engine.cli.options import AsJson, Config, Data, RedisUrl, place
from engine.insight.why.answer import Seen, why_not
from engine.insight.why.views import Candidate, ConditionView, Hold, Reading, TermView, WhyNot
from engine.runtime.looking import bring_up, look
from engine.settings import Settings

_SIGNS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("?", "yellow")}


async def _asked(settings: Settings, wanted: str, words: list[str]) -> tuple[WhyNot, bool]:
    """The answer, and whether a daemon keeps it true."""
    async with connected(settings) as store:
        found = await look(store)
        waiting = await store.journal_lag(found.cursor.entry)
        status = await page(store)
        if status.running and not waiting:
            bring_up(found, await store.time_ms())
        try:
            return why_not(Seen(found.engine, found.cursor.entry, waiting, found.paused), wanted, words), status.running
        finally:
            found.engine.close()


def why_not_command(
    wanted: Annotated[
        str,
        typer.Argument(metavar="RULE", help="A rule, a plan, or a step of a plan: pack.plan.step.", show_default=False),
    ],
    facts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ALIAS=KEY]…", help="The facts you have in mind; else the nearest.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
    redis: RedisUrl = None,
    config: Config = None,
) -> None:
    """Say why a rule does not fire: the first term that does not hold, or what holds it back."""
    answer, is_running = asyncio.run(_asked(place(data, redis, config), wanted, facts or []))
    if as_json:
        output.print_json(answer.as_dict())
        return
    _show(answer)
    if not is_running:
        output.note("no daemon is running: this is how it was left")
    elif answer.waiting:
        output.note(f"{answer.waiting} journal entries are not applied yet")


def _show(answer: WhyNot) -> None:
    head = Text(answer.name, "bold")
    head.append(f"  {answer.what} at {answer.place}, as of {output.instant(answer.as_of)}", "not bold dim")
    output.say(head)
    for hold in answer.notes:
        _hold(hold, answer.as_of, "")
    if not answer.candidates:
        output.say("nothing comes near it: there are no facts of its kinds")
    for candidate in answer.candidates:
        _candidate(candidate, answer.as_of)
    if answer.more:
        output.say(f"\nand {answer.more} more; name facts (alias=key) to ask about others", "dim")


def _candidate(candidate: Candidate, now: int) -> None:
    whose = candidate.coordination
    names = [f"{alias} = {name}" for alias, name in candidate.facts.items()]
    title = f"{whose['subject']} ({whose['state']}, {whose['id']})" if whose else ", ".join(names)
    output.say(f"\n{output.clean(title or 'no facts')}", "bold")
    if whose and names:
        output.say(f"  {output.clean(', '.join(names))}", "dim")
    for hold in candidate.held_back:
        _hold(hold, now, "  ")
    for number, term in enumerate(candidate.terms):
        _term(term, now, is_first=number == candidate.first)
    if candidate.first is None and not candidate.held_back:
        output.say("  nothing holds it back", "green")


def _hold(hold: Hold, now: int, indent: str) -> None:
    line = Text(f"{indent}→ ", "bold yellow")
    line.append(output.clean(hold.text), "not bold")
    if hold.at is not None:
        line.append(f", since {_moment(hold.at, now)}", "not bold dim")
    if hold.until is not None:
        line.append(f", until {_moment(hold.until, now)}", "not bold dim")
    output.say(line)


def _moment(at: int, now: int) -> str:
    """An instant, and how far it is from the one it is about."""
    apart = output.span(abs(now - at))
    when = "now" if at == now else f"{apart} ago" if at < now else f"in {apart}"
    return f"{output.instant(at)} ({when})"


def _term(term: TermView, now: int, *, is_first: bool) -> None:
    sign, style = _SIGNS[term.holds]
    line = Text(f"  {sign} ", style)
    line.append(output.clean(term.title), "bold" if is_first else "not bold")
    line.append(f"  {term.file}:{term.line}", "not bold dim")
    if term.reason:
        line.append(f"  {term.reason}", "not bold yellow" if is_first else "not bold dim")
    if term.fact and term.holds:
        line.append(f"  {output.clean(term.fact)}", "not bold dim")
    if term.value is not None:
        line.append(f"  = {output.clean(str(term.value))}", "not bold dim")
    output.say(line)
    if term.holds is True:
        return
    for text in term.notes:
        output.say(f"      {output.clean(text)}")
    if term.since is not None:
        output.say(f"      it does not hold since {_moment(term.since, now)}, or longer", "dim")
    for condition in term.conditions:
        if condition.holds is not True:
            _condition(condition, now, "      ")
    for near in term.near:
        word = "in the way" if term.title.startswith("without") else "nearest"
        output.say(f"      {word}: {output.clean(near.fact)}")
        for condition in near.conditions:
            _condition(condition, now, "        ")


def _condition(condition: ConditionView, now: int, indent: str) -> None:
    word = {True: "holds", False: "is false", None: "cannot be told"}[condition.holds]
    line = Text(f"{indent}{output.clean(condition.text)}  ", "")
    line.append(word, "red" if condition.holds is False else "yellow" if condition.holds is None else "dim")
    if condition.missed_by is not None:
        line.append(f" by {condition.missed_by}", "dim")
    if condition.error:
        line.append(f": {output.clean(condition.error)}", "dim")
    if condition.until is not None:
        line.append(f", time changes it at {_moment(condition.until, now)}", "dim")
    output.say(line)
    for reading in condition.reads:
        output.say(f"{indent}  {output.clean(_read(reading, now))}", "dim")


def _read(reading: Reading, now: int) -> str:
    told = f"{reading.name} = {reading.text}"
    if reading.since is not None:
        told += f", since {_moment(reading.since, now)}"
    if reading.source:
        told += f", says {reading.source}"
    return told + (f" in {reading.position}" if reading.position not in ("", "0-0") else "")


def register(app: typer.Typer) -> None:
    """Add it to the program."""
    app.command("why-not")(why_not_command)
