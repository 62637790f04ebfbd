"""The demonstration on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from engine.insight.audit import Decision, Fired, MadeCommand, ReadFact
from engine.insight.demo.amounts import gwei, shown
from engine.insight.demo.book import FEES
from engine.insight.demo.happening import Happening, Who
from engine.insight.demo.verdict import Judgement

_STYLES = {
    Who.SEEN: "cyan",
    Who.ASKED: "blue",
    Who.REFUSED: "yellow",
    Who.RULE: "green",
    Who.COMMAND: "bold green",
    Who.OUTCOME: "bold magenta",
    Who.EXECUTOR: "white",
    Who.CHAIN: "dim",
    Who.SENT: "white",
    Who.WAITS: "yellow",
    Who.STAGE: "bold red",
}
#: Whose lines are coloured from end to end.
_LOUD = (Who.STAGE, Who.OUTCOME, Who.COMMAND, Who.WAITS)
#: Fields worth showing, by kind; the first that are there.
_TELLING = {
    "intent": ("amount", "min_out"),
    "network": ("height", "base_fee"),
    "bridge": ("capacity", "fee"),
    "liquidity": ("venue", "available", "height"),
    "quote": ("out",),
    "transfer": ("state", "amount", "depth"),
}
#: (kind, field) → the field that names the asset.
_ASSETS = {
    ("intent", "amount"): "asset_in",
    ("intent", "min_out"): "asset_out",
    ("quote", "out"): "asset_out",
}


class Show:
    """Prints; decides nothing."""

    def __init__(self, console: Console, began_ms: int, decimals: Mapping[str, int]) -> None:
        self._console = console
        self._began_ms = began_ms
        self._decimals = decimals

    def headline(self, text: str) -> None:
        """A line that is no event."""
        self._console.print(Text(text, style="dim"), soft_wrap=True)

    def happened(self, what: Happening) -> None:
        """A line of the timeline."""
        when, who = Text(f"{self._when(what.at_ms)}  ", style="dim"), Text(f"{what.who.value:>10}  ", _STYLES[what.who])
        text = Text(what.text, style=_STYLES[what.who] if what.who in _LOUD else "")
        if not self._console.is_terminal:
            self._console.print(when + who + text, soft_wrap=True)
            return
        # On a screen what does not fit goes on below its own beginning.
        line = Table.grid()
        line.add_row(when, who, text)
        self._console.print(line)

    def judged(self, judgement: Judgement) -> None:
        """One intent: its outcome, where its value is, and why each command was made."""
        parts: list[Any] = [self._outcome(judgement), self._places(judgement)]
        parts += [self._why(command, *firing) for command, firing in judgement.commands]
        self._console.print(
            Panel(Group(*parts), title=f"[bold]{judgement.intent}", title_align="left", box=box.ROUNDED)
        )

    def concluded(self, judgements: Sequence[Judgement], remarks: Sequence[str], seconds: int) -> None:
        """The last lines."""
        for remark in remarks:
            self._console.print(Text(remark, style="dim"), soft_wrap=True)
        wrong = [j for j in judgements if j.problems]
        if wrong:
            text, style = f"{len(wrong)} of {len(judgements)} outcomes are not as they must be", "bold red"
        else:
            text, style = f"All {len(judgements)} outcomes are as they must be", "bold green"
        self._console.print(Text(f"{text}; judged by the value that is there, after {seconds} s.", style=style))

    def failed(self, text: str) -> None:
        """It could not go on."""
        self._console.print(Text(text, style="bold red"), soft_wrap=True)

    def _when(self, at_ms: int) -> str:
        since = at_ms - self._began_ms
        sign = "-" if since < 0 else "+"
        return f"{sign}{abs(since) // 1000:02d}.{abs(since) % 1000:03d}s"

    def _outcome(self, judgement: Judgement) -> Text:
        text = Text("outcome   ")
        text.append(judgement.outcome, style="bold red" if judgement.problems else "bold green")
        text.append(f"  {judgement.reason}", style="dim")
        for problem in judgement.problems:
            text.append(f"\nwrong     {problem}", style="bold red")
        return text

    def _places(self, judgement: Judgement) -> Text:
        text = Text("value     ")
        text.append_text(self._value_text(judgement.ledger))
        if judgement.ledger == judgement.places:
            return text.append("; ledger and executor's book agree to the unit", style="dim")
        text.append("\nbook      ", style="bold red")
        return text.append_text(self._value_text(judgement.places))

    def _value_text(self, places: Mapping[tuple[str, str], int]) -> Text:
        held = {where: n for where, n in places.items() if where[0] != FEES}
        fees = {where: n for where, n in places.items() if where[0] == FEES}
        text = Text(", ".join(f"{shown(n, a, self._decimals)} on {p}" for (p, a), n in held.items()) or "nowhere")
        text.append("".join(f"; {shown(n, a, self._decimals)} went in fees" for (_, a), n in fees.items()), style="dim")
        return text

    def _why(self, command: MadeCommand, decision: Decision, fired: Fired) -> Group:
        head = Text("\n")
        head.append(f"{command.connector}.{command.verb}", style="bold green")
        head.append(f" {command.id}\n", style="dim")
        head.append(f"because {fired.rule.partition('.')[2]} was due at {self._when(decision.at_ms)}, of these facts:")
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        for _ in range(4):
            table.add_column(overflow="fold")
        for fact in fired.facts:
            who = f"{fact.source.rpartition('.')[2]}, {self._when(fact.observed_at)}"
            table.add_row(Text(fact.alias, style="green"), fact.kind, self._values(fact), Text(who, style="dim"))
        for name, value in fired.bindings.items():
            table.add_row(Text(name, style="green"), "=", str(value), "")
        return Group(head, table)

    def _values(self, fact: ReadFact) -> str:
        names = _TELLING.get(fact.kind, tuple(fact.values)[:3])
        return ", ".join(f"{name} {self._value(fact, name)}" for name in names if name in fact.values)

    def _value(self, fact: ReadFact, name: str) -> str:
        value = fact.values[name]
        if name == "base_fee":
            return gwei(int(value))
        asset = fact.values.get(_ASSETS.get((fact.kind, name), "asset"))
        if name in ("amount", "min_out", "out", "available", "capacity") and asset:
            return shown(int(value), str(asset), self._decimals)
        return str(value)
