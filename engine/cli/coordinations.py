"""``coordinations``: which there are, and how one of them went."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from engine.cli import output
from engine.cli.connection import connected
from engine.cli.options import AsJson, Config, Data, RedisUrl, place
from engine.insight.coordinations.reading import Known, is_of_plan, known_cases, meant
from engine.insight.coordinations.telling import as_dict, with_timeline
from engine.insight.coordinations.timeline import moments
from engine.settings import Settings

_STYLES = {"good": "green", "bad": "red", "people": "bold yellow"}
_VERDICT_STYLES = {"COMPLETED": "green", "COMPLETED_PARTIAL": "green", "STRANDED": "bold red"}
_Told = Mapping[str, Any]
#: Characters of an id in a list: enough to mean it, and to stay on one line.
_ID_SHOWN: Final = 12


async def _known(settings: Settings) -> list[Known]:
    async with connected(settings) as store:
        return await known_cases(store)


def coordinations(
    wanted: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]",
            help="Show this one: its id or the beginning of it, or the key of its first `for` fact.",
            show_default=False,
        ),
    ] = None,
    is_open: Annotated[bool, typer.Option("--open", help="Only those without a verdict.")] = False,
    is_ended: Annotated[bool, typer.Option("--ended", help="Only those with a verdict.")] = False,
    plan: Annotated[str, typer.Option("--plan", help="Only of this plan.", show_default=False)] = "",
    verdict: Annotated[str, typer.Option("--verdict", help="Only with this verdict.", show_default=False)] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most so many.")] = 100,
    as_json: AsJson = False,
    data: Data = None,
    redis: RedisUrl = None,
    config: Config = None,
) -> None:
    """List coordinations, those that began last first; or show how one of them went."""
    known = asyncio.run(_known(place(data, redis, config)))
    if wanted is not None:
        told = with_timeline(meant(known, wanted, plan))
        if as_json:
            output.print_json([told])
        else:
            _show(told)
        return
    found = [each for each in known if not plan or is_of_plan(each.case, plan)]
    found = [each for each in found if not verdict or each.case.verdict == verdict.upper()]
    if is_open != is_ended:
        found = [each for each in found if each.case.is_open == is_open]
    if as_json:
        output.print_json([as_dict(each) for each in found[:limit]])
        return
    output.table(
        ("coordination", "plan", "verdict", "reason", "began", "steps", "id"),
        (_row(as_dict(each)) for each in found[:limit]),
        empty="no coordinations",
    )
    if len(found) > limit:
        output.note(f"the first {limit} of {len(found)}; --limit shows more")


def _verdict(told: _Told) -> Text:
    word = told["verdict"] or ("stopped" if told["stopped"] else "unwinding" if told["unwinding"] else "open")
    shown = Text(word, _VERDICT_STYLES.get(word, "red" if told["stopped"] else ""))
    if told["provisional"]:
        shown.append(" (provisional)", "dim")
    return shown


def _row(told: _Told) -> tuple[str | Text, ...]:
    steps = " ".join(f"{step['name']}:{_state(step)}" for step in told["steps"])
    began = output.instant(told["started_at"])
    return (
        told["coordination"],
        told["plan"],
        _verdict(told),
        told["reason"] or "",
        began,
        steps,
        told["id"][:_ID_SHOWN],
    )


def _state(step: _Told) -> str:
    if step["accepted"]:
        return "accepted"
    return "dropped" if step["dropped"] else str(step["state"])


def _show(told: _Told) -> None:
    began = told["started_at"]
    head = [
        ("coordination", f"{told['coordination']}  {told['id']}"),
        ("plan", f"{told['plan']}, revision {told['revision']}"),
        ("stands", _standing(told)),
        ("began", output.instant(began)),
    ]
    if told["deadline"] is not None:
        head.append(("deadline", f"{output.instant(told['deadline'])}, after {output.span(told['deadline'] - began)}"))
    if told["kept_until"] is not None:
        head.append(("kept until", output.instant(told["kept_until"])))
    if told["report"]:
        head.append(("report", "  ".join(f"{name}={value}" for name, value in told["report"].items())))
    output.pairs(head)
    _steps(told)
    _ledger(told)
    output.say("\nwhat happened", "bold")
    rows = (
        (
            f"+{output.span(each.at_ms - began)}",
            each.step,
            Text(output.clean(each.text), _STYLES.get(each.tone, "")),
            each.cause,
        )
        for each in moments(told)
    )
    output.table(("after", "step", "what", "because of"), rows, empty="nothing yet")
    if told["timeline_cut"]:
        output.note(f"{told['timeline_cut']} events in between were left out; the audit has them")


def _standing(told: _Told) -> str:
    if told["verdict"] is None:
        return f"{_verdict(told).plain}, no verdict"
    reason = f", {told['reason']}" if told["reason"] else ""
    return f"{_verdict(told).plain}{reason}, at {output.instant(told['at'])}"


def _steps(told: _Told) -> None:
    output.say("\nsteps", "bold")
    rows = []
    for step in told["steps"]:
        undo = ", ".join(f"{each['place']} {each['status']}" for each in step["undo"])
        cause = step["cause"] or ""
        since = f"+{output.span(step['since'] - told['started_at'])}"
        rows.append((step["name"], _state(step), since, step["attempt"], cause, undo))
    output.table(("step", "state", "since", "attempts", "off the path", "undo"), rows, empty="none")


def _ledger(told: _Told) -> None:
    rows = [
        (place, asset, amount, what)
        for what, bucket in (("delivered", told["delivered"]), ("refunded", told["refunded"]))
        for place, here in bucket.items()
        for asset, amount in here.items()
    ]
    for where, here in told["ledger"].items():
        for asset, amount in here.items():
            settled = sum(int(told[bucket].get(where, {}).get(asset, 0)) for bucket in ("delivered", "refunded"))
            if int(amount) > settled:
                rows.append((where, asset, str(int(amount) - settled), "lies there"))
    for what in ("fees", "surplus"):
        rows += [("", asset, amount, what) for asset, amount in told[what].items()]
    rows += [(at, asset, amount, "owed") for at, here in told["owed"].items() for asset, amount in here.items()]
    output.say("\nledger", "bold")
    output.table(("place", "asset", "amount", "what"), rows, empty="no value has moved")


def register(app: typer.Typer) -> None:
    """Add it to the program."""
    app.command()(coordinations)
