"""Where a coordination's value is, by double entry. The verdict is derived from this and from nothing else.

Per asset, at any moment: in + exchanged in + surplus = delivered + refunded + fees + exchanged out + at places.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

#: Buckets that value comes from, and buckets it goes to. ``at``, ``delivered`` and ``refunded`` are by place.
SOURCES: Final = ("in", "exchanged_in", "surplus")
TARGETS: Final = ("delivered", "refunded", "fees", "exchanged_out", "at")
#: Buckets in which value lies at a place.
PLACED: Final = ("at", "delivered", "refunded")


@dataclass(frozen=True, slots=True)
class Amount:
    """So much of an asset at a place."""

    asset: str
    amount: int
    place: str


class LedgerViolationError(Exception):
    """More came out than went in, and not as a known surplus."""


@dataclass
class Ledger:
    """Balances, and what follows from how they came about.

    Attributes:
        balances: (bucket, place, asset) → amount; never negative, never zero.
        received: (place, asset) → ever booked in there.
        origins: (place, asset) that value first left, or that a loan is to be paid back to.
        owed: (place, asset) → what is still to be paid back there.
        has_moved: something left or arrived.
    """

    balances: dict[tuple[str, str, str], int] = field(default_factory=dict)
    received: dict[tuple[str, str], int] = field(default_factory=dict)
    origins: set[tuple[str, str]] = field(default_factory=set)
    owed: dict[tuple[str, str], int] = field(default_factory=dict)
    has_moved: bool = False

    # -- reading -----------------------------------------------------------------
    def total(self, bucket: str, asset: str | None = None) -> int:
        """Sum of a bucket over all places, of one asset or of all."""
        return sum(n for (b, _, a), n in self.balances.items() if b == bucket and asset in (None, a))

    def at(self, bucket: str, place: str, asset: str) -> int:
        """One balance."""
        return self.balances.get((bucket, place, asset), 0)

    def lying(self, place: str, asset: str) -> int:
        """What may be taken from a place: what is there, delivered or not."""
        return self.at("at", place, asset) + self.at("delivered", place, asset)

    def by_place(self, *buckets: str) -> dict[str, dict[str, int]]:
        """Balances of these buckets together, by place and asset, without zeros."""
        found: dict[str, dict[str, int]] = {}
        for (bucket, place, asset), amount in sorted(self.balances.items()):
            if bucket in buckets:
                here = found.setdefault(place, {})
                here[asset] = here.get(asset, 0) + amount
        return found

    def by_asset(self, bucket: str) -> dict[str, int]:
        """A bucket without places, by asset, without zeros."""
        found: dict[str, int] = {}
        for (name, _, asset), amount in sorted(self.balances.items()):
            if name == bucket:
                found[asset] = found.get(asset, 0) + amount
        return found

    def astray(self) -> int:
        """Value that is neither delivered nor back nor where it lay from the first; surplus is owed, not astray."""
        out = sum(n for (b, p, a), n in self.balances.items() if b == "at" and (p, a) not in self.origins)
        return max(out - self.total("surplus"), 0)

    def read(self, name: str, *args: str) -> int:
        """``delivered(place, asset)``, ``received``, ``holding``, ``remaining(asset)`` of the pack language."""
        if name == "remaining":
            (asset,) = args
            come = self.total("in", asset) + self.total("exchanged_in", asset)
            gone = ("delivered", "refunded", "fees", "exchanged_out")
            return come - sum(self.total(bucket, asset) for bucket in gone)
        place, asset = args
        if name == "received":
            return self.received.get((place, asset), 0)
        if name == "delivered":
            return self.at("delivered", place, asset)
        return sum(self.at(bucket, place, asset) for bucket in PLACED)

    def show_under_way(self, portions: Iterable[Amount], via: str) -> None:
        """For reading alone: what an action has on its way is at ``via``, and everything else as before the action."""
        for p in portions:
            here = sum(self.at(bucket, p.place, p.asset) for bucket in ("at", "delivered"))
            self._add("in", "", p.asset, max(p.amount - here, 0))
            self._add("at", via, p.asset, p.amount)

    # -- booking -----------------------------------------------------------------
    def bring(self, portions: Iterable[Amount]) -> None:
        """Value that already lies somewhere when the coordination starts."""
        for p in portions:
            self._add("in", "", p.asset, p.amount)
            self._add("at", p.place, p.asset, p.amount)
            self.origins.add((p.place, p.asset))

    def give(self, portions: Iterable[Amount], via: str, *, missing: str = "in") -> None:
        """Value leaves its place and is on its way.

        Args:
            portions: what leaves.
            via: where it is in between.
            missing: source of what the coordination did not hold at that place: ``in`` or ``surplus``.
        """
        for p in portions:
            left = p.amount
            for bucket in ("at", "delivered"):
                taken = min(left, self.at(bucket, p.place, p.asset))
                self._add(bucket, p.place, p.asset, -taken)
                left -= taken
            if left:
                self._add(missing, "", p.asset, left)
                if missing == "in":
                    self.origins.add((p.place, p.asset))
            self._add("at", via, p.asset, p.amount)
            self.has_moved = self.has_moved or p.amount > 0

    def get(
        self, given: Iterable[Amount], portions: Iterable[Amount], via: str, *, into: str, is_return: bool = False
    ) -> None:
        """What was on its way has arrived.

        What did not arrive is a fee, unless an asset that had not left came: then it was exchanged for that.

        Args:
            given: what the same action booked as leaving.
            portions: what is there now.
            via: where it was in between.
            into: bucket it goes to, ``at`` or ``delivered``.
            is_return: what comes to where it first left is refunded.

        Raises:
            LedgerViolationError: more of an asset arrived than left.
        """
        gone: dict[str, int] = {}
        for g in given:
            gone[g.asset] = gone.get(g.asset, 0) + g.amount
        come: dict[str, int] = {}
        portions = list(portions)
        for p in portions:
            come[p.asset] = come.get(p.asset, 0) + p.amount
        short = "exchanged_out" if any(n and asset not in gone for asset, n in come.items()) else "fees"
        for asset, amount in gone.items():
            here = self.at("at", via, asset)
            if here < amount:
                raise LedgerViolationError(f"{amount} of {asset} should be at {via}, but {here} is")
            self._add("at", via, asset, -amount)
            back = come.get(asset, 0)
            if back > amount:
                raise LedgerViolationError(f"{back} of {asset} arrived, but only {amount} left")
            self._add(short, "", asset, amount - back)
        source = "exchanged_in" if gone else "in"
        for asset, amount in come.items():
            if asset not in gone:
                self._add(source, "", asset, amount)
        for p in portions:
            self._arrive(p, into, is_return=is_return)

    def _arrive(self, p: Amount, into: str, *, is_return: bool) -> None:
        """What is owed there, or left there and was not exchanged since, is back; so is what an undo brings there."""
        place = (p.place, p.asset)
        back = min(p.amount, self.owed.get(place, 0))
        if is_return and place in self.origins:
            back = p.amount
        elif into == "delivered" and place in self.origins:
            gone = ("exchanged_out", "fees", "refunded")
            kept = self.total("in", p.asset) - sum(self.total(bucket, p.asset) for bucket in gone)
            back = max(back, min(p.amount, max(kept, 0)))
        if self.owed.get(place):
            self.owed[place] -= min(back, self.owed[place])
        self._add("refunded", *place, back)
        self._add(into, *place, p.amount - back)
        self.received[place] = self.received.get(place, 0) + p.amount
        self.has_moved = self.has_moved or p.amount > 0

    def owe(self, portions: Iterable[Amount]) -> None:
        """A loan is to be paid back with that: what comes there is back where it belongs."""
        for p in portions:
            self.origins.add((p.place, p.asset))
            self.owed[(p.place, p.asset)] = self.owed.get((p.place, p.asset), 0) + p.amount

    def surplus(self, portions: Iterable[Amount]) -> None:
        """Value that arrives although it was already returned: it is there, and owed."""
        for p in portions:
            self._add("surplus", "", p.asset, p.amount)
            self._add("at", p.place, p.asset, p.amount)
            self.received[(p.place, p.asset)] = self.received.get((p.place, p.asset), 0) + p.amount

    def accept(self, portions: Iterable[Amount]) -> None:
        """The value stays where it is and counts as delivered."""
        for p in portions:
            taken = min(p.amount, self.at("at", p.place, p.asset))
            self._add("at", p.place, p.asset, -taken)
            self._add("delivered", p.place, p.asset, taken)

    def _add(self, bucket: str, place: str, asset: str, amount: int) -> None:
        slot = (bucket, place, asset)
        after = self.balances.get(slot, 0) + amount
        if after:
            self.balances[slot] = after
        else:
            self.balances.pop(slot, None)

    # -- checking ----------------------------------------------------------------
    def check(self) -> str | None:
        """What is wrong, if anything: value made or lost, or a negative balance."""
        for (bucket, place, asset), amount in sorted(self.balances.items()):
            if amount < 0:
                return f"{bucket} {place} {asset} is {amount}"
        for asset in sorted({asset for _, _, asset in self.balances}):
            come = sum(self.total(bucket, asset) for bucket in SOURCES)
            gone = sum(self.total(bucket, asset) for bucket in TARGETS)
            if come != gone:
                return f"of {asset}, {come} came in but {gone} is accounted for"
        return None

    # -- keeping -----------------------------------------------------------------
    def to_json(self) -> dict[str, object]:
        """Plain JSON values; amounts as decimal strings."""
        return {
            "balances": [[*slot, str(amount)] for slot, amount in sorted(self.balances.items())],
            "received": [[*slot, str(amount)] for slot, amount in sorted(self.received.items())],
            "origins": sorted(map(list, self.origins)),
            "owed": [[*slot, str(amount)] for slot, amount in sorted(self.owed.items())],
            "has_moved": self.has_moved,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Ledger:
        """The way back from ``to_json``."""
        return cls(
            {(b, p, a): int(n) for b, p, a, n in kept["balances"]},
            {(p, a): int(n) for p, a, n in kept["received"]},
            {(p, a) for p, a in kept["origins"]},
            {(p, a): int(n) for p, a, n in kept["owed"]},
            bool(kept["has_moved"]),
        )
