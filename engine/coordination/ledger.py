"""Where a coordination's value is, by double entry. The verdict is derived from this and from nothing else.

Per asset, at any moment: in + exchanged in + surplus = delivered + refunded + fees + exchanged out + at places.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

#: Buckets that value comes from, and buckets it goes to. ``at``, ``delivered`` and ``refunded`` are by place.
SOURCES: Final = ("in", "exchanged_in", "surplus")
TARGETS: Final = ("delivered", "refunded", "fees", "exchanged_out", "at")


@dataclass(frozen=True, slots=True)
class Amount:
    """So much of an asset at a place."""

    asset: str
    amount: int
    place: str


#: (bucket, place or "", asset, amount): one change of one bucket.
Delta = tuple[str, str, str, int]


class LedgerViolationError(Exception):
    """More came out than went in, and not as a known surplus."""


@dataclass
class Ledger:
    """Balances, and what each action booked, so that it can be taken back.

    Attributes:
        balances: (bucket, place, asset) → amount; never negative.
        booked: name of a booking → its changes.
        received: (place, asset) → ever booked in there.
        origins: (place, asset) that value first left.
    """

    balances: dict[tuple[str, str, str], int] = field(default_factory=dict)
    booked: dict[str, list[Delta]] = field(default_factory=dict)
    received: dict[tuple[str, str], int] = field(default_factory=dict)
    origins: set[tuple[str, str]] = field(default_factory=set)
    has_moved: bool = False

    # -- reading -----------------------------------------------------------------
    def total(self, bucket: str, asset: str | None = None) -> int:
        """Sum of a bucket over all places, of one asset or of all."""
        return sum(n for (b, _, a), n in self.balances.items() if b == bucket and asset in (None, a))

    def at(self, bucket: str, place: str, asset: str) -> int:
        """One balance."""
        return self.balances.get((bucket, place, asset), 0)

    def by_place(self, *buckets: str) -> dict[str, dict[str, int]]:
        """Balances of these buckets together, by place and asset, without zeros."""
        found: dict[str, dict[str, int]] = {}
        for (bucket, place, asset), amount in sorted(self.balances.items()):
            if bucket in buckets and amount:
                here = found.setdefault(place, {})
                here[asset] = here.get(asset, 0) + amount
        return found

    def by_asset(self, bucket: str) -> dict[str, int]:
        """A bucket without places, by asset, without zeros."""
        found: dict[str, int] = {}
        for (name, _, asset), amount in sorted(self.balances.items()):
            if name == bucket and amount:
                found[asset] = found.get(asset, 0) + amount
        return found

    def read(self, name: str, *args: str) -> int:
        """``delivered(place, asset)``, ``received``, ``holding``, ``remaining(asset)`` of the pack language."""
        if name == "remaining":
            (asset,) = args
            gone = sum(self.total(bucket, asset) for bucket in ("delivered", "refunded", "fees"))
            return self.total("in", asset) - gone
        place, asset = args
        if name == "received":
            return self.received.get((place, asset), 0)
        if name == "delivered":
            return self.at("delivered", place, asset)
        return sum(self.at(bucket, place, asset) for bucket in ("at", "delivered", "refunded"))

    # -- booking -----------------------------------------------------------------
    def bring(self, portions: Iterable[Amount]) -> None:
        """Value that already lies somewhere when the coordination starts."""
        for p in portions:
            self._book("brings", [("in", "", p.asset, p.amount), ("at", p.place, p.asset, p.amount)])
            self.origins.add((p.place, p.asset))

    def give(self, name: str, portions: Iterable[Amount], via: str) -> None:
        """Value leaves its place and is on its way; what the coordination did not hold there comes in with it."""
        deltas: list[Delta] = []
        for p in portions:
            left = p.amount
            for bucket in ("at", "delivered"):
                taken = min(left, self.at(bucket, p.place, p.asset) + _pending(deltas, bucket, p.place, p.asset))
                if taken > 0:
                    deltas.append((bucket, p.place, p.asset, -taken))
                    left -= taken
            if left:
                deltas.append(("in", "", p.asset, left))
                self.origins.add((p.place, p.asset))
            deltas.append(("at", via, p.asset, p.amount))
        self.has_moved = self.has_moved or bool(deltas)
        self._book(name, deltas)

    def get(self, name: str, given: Iterable[Amount], portions: Iterable[Amount], via: str, *, into: str) -> None:
        """What was on its way has arrived.

        Args:
            name: of the booking.
            given: what the same action booked as leaving.
            portions: what is there now.
            via: where it was in between.
            into: bucket it goes to: ``at``, ``delivered``, or ``back`` (``refunded`` where it first left, else ``at``).

        Raises:
            LedgerViolationError: more of an asset arrived than left.
        """
        gone: dict[str, int] = {}
        for g in given:
            gone[g.asset] = gone.get(g.asset, 0) + g.amount
        come: dict[str, int] = {}
        deltas: list[Delta] = []
        for p in portions:
            come[p.asset] = come.get(p.asset, 0) + p.amount
            bucket = into
            if into == "back":
                bucket = "refunded" if (p.place, p.asset) in self.origins else "at"
            deltas.append((bucket, p.place, p.asset, p.amount))
        for asset, amount in gone.items():
            here = self.at("at", via, asset)
            if here < amount:
                raise LedgerViolationError(f"{amount} of {asset} should be at {via}, but {here} is")
            deltas.append(("at", via, asset, -amount))
            if asset in come:
                if come[asset] > amount:
                    raise LedgerViolationError(f"{come[asset]} of {asset} arrived, but only {amount} left")
                deltas.append(("fees", "", asset, amount - come[asset]))
            else:
                deltas.append(("exchanged_out", "", asset, amount))
        source = "exchanged_in" if gone else "in"
        deltas += [(source, "", asset, amount) for asset, amount in come.items() if asset not in gone]
        self.has_moved = self.has_moved or bool(deltas)
        self._book(name, deltas)
        for p in portions:
            self.received[(p.place, p.asset)] = self.received.get((p.place, p.asset), 0) + p.amount

    def surplus(self, name: str, portions: Iterable[Amount]) -> None:
        """Value that arrives although it was already returned: it is there, and owed."""
        deltas: list[Delta] = []
        for p in portions:
            deltas += [("surplus", "", p.asset, p.amount), ("at", p.place, p.asset, p.amount)]
        self._book(name, deltas)

    def accept(self, name: str, portions: Iterable[Amount]) -> None:
        """The value stays where it is and counts as delivered."""
        deltas: list[Delta] = []
        for p in portions:
            taken = min(p.amount, self.at("at", p.place, p.asset))
            deltas += [("at", p.place, p.asset, -taken), ("delivered", p.place, p.asset, taken)]
        self._book(name, deltas)

    def take_back(self, name: str) -> None:
        """Undo a booking: what it rested on is gone."""
        for bucket, place, asset, amount in self.booked.pop(name, []):
            self._add(bucket, place, asset, -amount)

    def _book(self, name: str, deltas: list[Delta]) -> None:
        kept = [d for d in deltas if d[3]]
        for bucket, place, asset, amount in kept:
            self._add(bucket, place, asset, amount)
        self.booked[name] = [*self.booked.get(name, []), *kept]

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
        for (bucket, place, asset), amount in self.balances.items():
            if amount < 0:
                return f"{bucket} {place} {asset} is {amount}"
        for asset in {asset for _, _, asset in self.balances}:
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
            "booked": {name: [[b, p, a, str(n)] for b, p, a, n in deltas] for name, deltas in self.booked.items()},
            "received": [[*slot, str(amount)] for slot, amount in sorted(self.received.items())],
            "origins": sorted(map(list, self.origins)),
            "has_moved": self.has_moved,
        }

    @classmethod
    def from_json(cls, kept: dict[str, object]) -> Ledger:
        """The way back from ``to_json``."""
        ledger = cls()
        ledger.balances = {(b, p, a): int(n) for b, p, a, n in kept["balances"]}  # type: ignore[attr-defined]
        booked: dict[str, list[list[str]]] = kept["booked"]  # type: ignore[assignment]
        ledger.booked = {name: [(b, p, a, int(n)) for b, p, a, n in deltas] for name, deltas in booked.items()}
        ledger.received = {(p, a): int(n) for p, a, n in kept["received"]}  # type: ignore[attr-defined]
        ledger.origins = {(p, a) for p, a in kept["origins"]}  # type: ignore[attr-defined]
        ledger.has_moved = bool(kept["has_moved"])
        return ledger


def _pending(deltas: list[Delta], bucket: str, place: str, asset: str) -> int:
    return sum(n for b, p, a, n in deltas if (b, p, a) == (bucket, place, asset))
