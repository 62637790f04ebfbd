"""Where value must be: added up from what each action is known to have moved, without the ledger's own code.

Nothing is booked here. For every place and asset it is counted what came there and what went from there; the difference
to what is said to lie there can only be what the coordination brought in from outside.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from engine.coordination.case import Case, Run, StepCase
from engine.coordination.ledger import Amount
from tests.support.laws.plans import Pack
from tests.support.laws.world import LawWorld

#: (place, asset).
Spot = tuple[str, str]


@dataclass
class Movements:
    """What all actions of a coordination moved.

    Attributes:
        come: what came to a place, on its way through or to stay.
        gone: what went from it.
        outside: came in without anything leaving, by asset.
        surplus: arrived although it had been returned, by asset.
        fees: did not arrive, and nothing else did in its place.
        exchanged_out: did not arrive, but another asset did.
        exchanged_in: arrived, and another asset had left.
    """

    come: Counter[Spot] = field(default_factory=Counter)
    gone: Counter[Spot] = field(default_factory=Counter)
    outside: Counter[str] = field(default_factory=Counter)
    surplus: Counter[str] = field(default_factory=Counter)
    fees: Counter[str] = field(default_factory=Counter)
    exchanged_out: Counter[str] = field(default_factory=Counter)
    exchanged_in: Counter[str] = field(default_factory=Counter)

    def left(self, given: list[Amount], via: str) -> None:
        """It is on its way."""
        for each in given:
            self.gone[each.place, each.asset] += each.amount
            self.come[via, each.asset] += each.amount

    def arrived(self, given: list[Amount], got: list[Amount], via: str) -> None:
        """It is there."""
        out = _by_asset(given)
        into = _by_asset(got)
        for each in given:
            self.gone[via, each.asset] += each.amount
        for each in got:
            self.come[each.place, each.asset] += each.amount
        # What did not come back was exchanged, if anything else came for it; else it was paid.
        is_exchange = any(amount for asset, amount in into.items() if asset not in out)
        for asset, amount in out.items():
            (self.exchanged_out if is_exchange else self.fees)[asset] += amount - into[asset]
        for asset, amount in into.items():
            if asset not in out:
                (self.exchanged_in if out else self.outside)[asset] += amount


def _by_asset(amounts: list[Amount]) -> Counter[str]:
    found: Counter[str] = Counter()
    for each in amounts:
        found[each.asset] += each.amount
    return found


def movements_of(case: Case, pack: Pack) -> Movements:
    """Everything that the actions of a coordination are known to have moved."""
    moved = Movements()
    for step in case.steps.values():
        run = step.run
        if run.has_left:
            moved.left(run.gives or [], run.via)
        if run.has_arrived and run.is_surplus:
            for each in run.gets or []:
                moved.surplus[each.asset] += each.amount
                moved.come[each.place, each.asset] += each.amount
        elif run.has_arrived:
            moved.arrived(run.gives or [], run.gets or [], run.via)
        for undo in step.undos.values():
            _take_back(moved, step, undo, pack)
        for small in step.runs():
            if small is not run and not any(small is undo for undo in step.undos.values()):
                _moved(moved, small)
    for small in case.runs():
        if small.place.startswith("@"):
            _moved(moved, small)
    return moved


def _moved(moved: Movements, run: Run) -> None:
    if run.has_left:
        moved.left(run.gives or [], run.via)
    if run.has_arrived:
        moved.arrived(run.gives or [], run.gets or [], run.via)


def _take_back(moved: Movements, step: StepCase, undo: Run, pack: Pack) -> None:
    """Unless it says so itself, an undo takes what the step has, and brings as much to where it came from."""
    if not undo.has_left:
        return
    moves = pack.places[undo.place].get("moves", {})
    run = step.run
    taken: list[Amount] = []
    if "gives" in moves:
        taken = undo.gives or []
    elif run.has_left and run.has_arrived and not run.is_surplus:
        taken = run.gets or []
    elif run.has_left:
        taken = [Amount(each.asset, each.amount, run.via) for each in run.gives or []]
    moved.left(taken, undo.via)
    if not undo.has_arrived:
        return
    if "gets" in moves:
        brought = undo.gets or []
    elif run.gives:
        there = _by_asset(taken)
        brought = [Amount(e.asset, min(e.amount, there.get(e.asset, e.amount)), e.place) for e in run.gives]
    else:
        brought = [Amount(each.asset, each.amount, "outside") for each in taken]
    moved.arrived(taken, brought, undo.via)


def look_at_value(world: LawWorld, case: Case) -> None:
    """Value is conserved, place by place and as a whole."""
    if case.is_stopped:
        return
    moved, ledger = movements_of(case, world.pack), case.ledger
    for bucket in ("fees", "exchanged_out", "exchanged_in"):
        assert ledger.by_asset(bucket) == _without_zeros(getattr(moved, bucket)), bucket
    lying = {
        (row["place"], row["asset"]): row["amount"] for row in world.facts("holding") if row["coordination"] == case.id
    }
    brought: Counter[str] = Counter(moved.outside)
    for spot in {*lying, *moved.come, *moved.gone}:
        more = lying.get(spot, 0) - moved.come[spot] + moved.gone[spot]
        assert 0 <= more <= moved.gone[spot], f"{more} of {spot} came from nowhere"
        brought[spot[1]] += more
    for asset in {asset for _, asset in lying} | set(brought):
        come = ledger.total("in", asset) + ledger.total("surplus", asset)
        assert come == brought[asset] + moved.surplus[asset], f"{asset} was made"
        lies = sum(amount for (_, of), amount in lying.items() if of == asset)
        out = moved.fees[asset] + moved.exchanged_out[asset]
        assert come + moved.exchanged_in[asset] == lies + out, f"{asset} is not conserved"


def _without_zeros(counted: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in sorted(counted.items()) if count}


def look_at_amounts(world: LawWorld, case: Case, told: dict[tuple[str, str, str], set[int]]) -> None:
    """What is booked by evidence was said by that evidence.

    Args:
        world: of the story.
        case: the coordination.
        told: (deal, place, what) → every amount that was told.
    """
    for run in case.runs():
        moves = world.pack.places[run.place].get("moves", {})
        for side, what, booked in (("gives", "left", run.gives), ("gets", "arrived", run.gets)):
            written = moves.get(side, {}).get("amount", "")
            if booked and written.endswith(".amount"):
                assert booked[0].amount in told.get((case.subject, run.place, what), set()), f"{run.place} {side}"
