"""The demonstration on live chains on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from engine.insight.chains.accounts import Row
from engine.insight.chains.ground import Ground
from engine.insight.chains.telling import DECIMALS, short
from engine.insight.demo.amounts import shown
from engine.insight.demo.show import Show


class ChainShow(Show):
    """Prints; decides nothing."""

    def __init__(self, console: Console, began_ms: int) -> None:
        super().__init__(console, began_ms, DECIMALS)

    def opening(self, ground: Ground, daemon: int, relayer: int, depth: int, relayer_depth: int) -> None:
        """What there is."""
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        for style in ("bold", "", "dim"):
            table.add_column(style=style, overflow="fold")
        for side in (ground.home, ground.far):
            where = f"pool {short(side.pool)}  bridge {short(side.bridge)}"
            table.add_row(side.network, f"anvil, chain {side.chain_id}", where)
        table.add_row("relayer", f"pid {relayer}", f"releases on one side what is {relayer_depth} deep on the other")
        pack = f"rules/chains/bridge_then_swap.yaml; believes what is {depth} blocks deep"
        table.add_row("lockstep", f"pid {daemon}", pack)
        self._console.print(table)

    def begins(self, at_ms: int) -> None:
        """Moments are told from here on, unix ms."""
        self._began_ms = at_ms

    def act(self, number: int, title: str, about: str) -> None:
        """An act begins."""
        self._console.print()
        self._console.print(Rule(Text(f"Act {number}: {title}", style="bold"), align="left", style="dim"))
        self._console.print(Text(about, style="dim"))

    def settled(
        self,
        told: Sequence[Mapping[str, Any]],
        rows: Sequence[Row],
        kept: int,
        again: Mapping[str, Any],
        problems: Sequence[str],
        seconds: int,
    ) -> None:
        """What all came to.

        Args:
            told: the coordinations, as ``lockstep coordinations --json`` prints them.
            rows: the operator's balances.
            kept: USDX that the bridges hold more than before, base units.
            again: what ``lockstep replay`` says.
            problems: what is not as it must be.
            seconds: it took.
        """
        self._console.print()
        self._console.print(Rule(Text("The accounts", style="bold"), align="left", style="dim"))
        self._console.print(self._outcomes(told))
        self._console.print()
        self._console.print(self._balances(rows))
        self._console.print()
        fees = sum(int(one["fees"].get("USDX", 0)) for one in told)
        sums = (
            f"The bridges hold {self._amount(kept, 'USDX')} more; the ledgers' fees are {self._amount(fees, 'USDX')}."
        )
        self._console.print(Text(sums, "dim"))
        counts = f"{again['entries']} entries, {again['decisions']} decisions, {again['commands']} commands"
        word = "equal to the byte" if again["equal"] else "DIFFERENT"
        self._console.print(Text(f"Decided again from the journal alone (lockstep replay): {word}; {counts}.", "dim"))
        if problems:
            self.failed(f"{len(problems)} things are not as they must be, after {seconds} s:")
            for problem in problems:
                self.failed(f"  {problem}")
            return
        text = "Every act came to what it must; chains and ledgers agree to the unit; each step took effect once"
        self._console.print(Text(f"{text}. {seconds} s.", style="bold green"), soft_wrap=not self._console.is_terminal)

    def _outcomes(self, told: Sequence[Mapping[str, Any]]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in ("intent", "verdict", "where it is", "fees", "commands"):
            table.add_column(name, overflow="fold")
        for one in told:
            verdict = Text(str(one["verdict"]), "bold green")
            if one["reason"]:
                verdict.append(f"\n{one['reason']}", "not bold dim")
            lies = [f"{self._amount(n, a)} on {p}" for p, here in one["ledger"].items() for a, n in here.items()]
            fees = [self._amount(n, a) for a, n in one["fees"].items()]
            sent = [str(each["command"]) for each in one["commands"]]
            table.add_row(one["coordination"], verdict, "\n".join(lies), "\n".join(fees), "\n".join(sent))
        return table

    def _balances(self, rows: Sequence[Row]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("operator's")
        for name in ("before", "now, on chain", "change", "by the ledgers"):
            table.add_column(name, justify="right", overflow="fold")
        for row in rows:
            style = "green" if row.change == row.ledgers else "bold red"
            numbers = (row.before, row.after, row.change, row.ledgers)
            cells = [Text(self._amount(n, row.asset).partition(" ")[0]) for n in numbers]
            cells[-1].stylize(style)
            table.add_row(f"{row.asset} on {row.network}", *cells)
        return table

    def _amount(self, amount: int | str, asset: str) -> str:
        return shown(int(amount), asset, DECIMALS)
