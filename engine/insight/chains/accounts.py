"""The reckoning: what the chains hold now against what the ledgers say, to the unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.insight.chains.effects import Effects
from engine.insight.chains.ground import Place
from engine.insight.chains.telling import DECIMALS
from engine.insight.demo.amounts import shown

#: What must be on the chains of an intent that came to this: (network, event) → how often.
_ONCE: Final[Mapping[str, Mapping[tuple[str, str], int]]] = {
    "COMPLETED": {("home", "Deposited"): 1, ("far", "Released"): 1, ("far", "Swapped"): 1},
    "REFUNDED": {("home", "Deposited"): 1, ("far", "Released"): 1, ("far", "Deposited"): 1, ("home", "Released"): 1},
}
Balances = Mapping[Place, int]


@dataclass(frozen=True, slots=True)
class Row:
    """One balance of the operator, against the ledgers.

    Attributes:
        network: where.
        asset: of what.
        before: when the acts began, base units.
        after: at the end.
        ledgers: the change by the ledgers of all coordinations.
    """

    network: str
    asset: str
    before: int
    after: int
    ledgers: int

    @property
    def change(self) -> int:
        """By the chain."""
        return self.after - self.before


def rows(before: Balances, after: Balances, coordinations: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Every balance of the operator."""
    said = by_ledgers(coordinations)
    places = [(network, asset) for network, owner, asset in before if owner == "operator"]
    return [Row(n, a, before[n, "operator", a], after[n, "operator", a], said.get((n, a), 0)) for n, a in places]


def by_ledgers(coordinations: Iterable[Mapping[str, Any]]) -> Counter[tuple[str, str]]:
    """(place, asset) → how much more lies there by the ledgers than when the coordinations began, in base units.

    Args:
        coordinations: as ``lockstep coordinations --json`` prints them.
    """
    found: Counter[tuple[str, str]] = Counter()
    for told in coordinations:
        for place, here in told["ledger"].items():
            for asset, amount in here.items():
                found[place, asset] += int(amount)
        # What a ledger begins with is what its first step took from where it lay.
        for gave in told["steps"][0]["gives"] or ():
            found[gave["place"], gave["asset"]] -= int(gave["amount"])
    return found


def kept_by_bridges(before: Balances, after: Balances) -> int:
    """USDX that both bridges hold more than before, in base units."""
    return sum(after[place] - before[place] for place in before if place[1:] == ("bridge", "USDX"))


def wrong(before: Balances, after: Balances, coordinations: Sequence[Mapping[str, Any]], caused: Effects) -> list[str]:
    """What does not add up, in sentences that say by how much; empty: everything does.

    Args:
        before: balances when the acts began.
        after: at the end.
        coordinations: as ``lockstep coordinations --json`` prints them.
        caused: as the chains have it.
    """
    return [
        *_not_alike(before, after, coordinations),
        *_not_kept(before, after, coordinations),
        *_not_of_its_own(coordinations, caused),
        *_not_once(coordinations, caused),
    ]


def _not_alike(before: Balances, after: Balances, coordinations: Sequence[Mapping[str, Any]]) -> list[str]:
    compared = rows(before, after, coordinations)
    problems = [
        f"{row.asset} on {row.network}: the balance changed by {_said(row.change, row.asset)}, by the ledgers"
        f" by {_said(row.ledgers, row.asset)}; they differ by {row.change - row.ledgers} units"
        for row in compared
        if row.change != row.ledgers
    ]
    known = {(row.network, row.asset) for row in compared}
    left = {where: amount for where, amount in by_ledgers(coordinations).items() if amount and where not in known}
    return problems + [f"the ledgers still have {_said(n, asset)} at {place}" for (place, asset), n in left.items()]


def _not_kept(before: Balances, after: Balances, coordinations: Sequence[Mapping[str, Any]]) -> list[str]:
    """Nothing appeared or vanished, and what the bridges kept is what the ledgers call fees."""
    problems = []
    for network, asset in sorted({(network, asset) for network, _, asset in before}):
        change = sum(after[n, o, a] - before[n, o, a] for n, o, a in before if (n, a) == (network, asset))
        if change:
            problems.append(f"{change} units of {asset} have appeared on {network}, held by nobody before")
    kept = kept_by_bridges(before, after)
    fees = sum(int(told["fees"].get("USDX", 0)) for told in coordinations)
    if kept != fees:
        problems.append(f"the bridges kept {kept} units of USDX, and the ledgers' fees are {fees}")
    return problems


def _not_of_its_own(coordinations: Sequence[Mapping[str, Any]], caused: Effects) -> list[str]:
    """Each coordination's own ledger is what the chains' events say that its intent has moved."""
    said: Counter[tuple[str, str, str]] = Counter()
    for told in coordinations:
        for (place, asset), amount in by_ledgers([told]).items():
            said[str(told["coordination"]), place, asset] += amount
    return [
        f"{intent} moved {_said(caused.moved[where], asset)} on {place}, and by its ledger {_said(said[where], asset)}"
        for where in sorted(caused.moved.keys() | said.keys())
        for intent, place, asset in [where]
        if caused.moved[where] != said[where]
    ]


def _not_once(coordinations: Sequence[Mapping[str, Any]], caused: Effects) -> list[str]:
    """Every effect is on its chain as often as the verdict says, and none that nobody asked for."""
    wanted: Counter[tuple[str, str, str]] = Counter()
    for told in coordinations:
        for (network, event), times in _ONCE.get(str(told["verdict"]), {}).items():
            wanted[str(told["coordination"]), network, event] += times
    return [
        f"{event} of {intent} is {caused.times[what]} times on {network}, and must be {wanted[what]} times"
        for what in sorted(caused.times.keys() | wanted.keys())
        for intent, network, event in [what]
        if caused.times[what] != wanted[what]
    ]


def _said(amount: int, asset: str) -> str:
    return shown(amount, asset, DECIMALS)
