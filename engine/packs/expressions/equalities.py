"""Which fields, parameters and constants a rule's own equalities prove to be the same."""

from __future__ import annotations

from typing import NamedTuple


class AssetTerm(NamedTuple):
    """Something that names an asset (or anything else a rule equates).

    Attributes:
        sort: ``field``, ``param``, ``const``, ``local``, or ``inner``: a field of an aggregate's alias that nothing
            outside the aggregate is equal to.
        owner: the alias of a field; the name of the local an inner term belongs to; else empty.
        name: field, parameter or local name, the constant itself, or the text of an inner term.
    """

    sort: str
    owner: str
    name: str

    def __str__(self) -> str:
        """As the pack spells it."""
        match self.sort:
            case "field":
                return f"{self.owner}.{self.name}"
            case "param":
                return f"params.{self.name}"
            case "const":
                return f'"{self.name}"'
            case _:
                return self.name


#: Of an amount whose kind leaves it to its readers which asset it is of: it goes with any.
ANY_ASSET = AssetTerm("any", "", "any asset")


class Equalities:
    """A union-find over terms; small (a rule has at most some dozens), so no ranks."""

    __slots__ = ("_parent",)

    def __init__(self, parent: dict[AssetTerm, AssetTerm] | None = None) -> None:
        self._parent: dict[AssetTerm, AssetTerm] = parent if parent is not None else {}

    def copy(self) -> Equalities:
        """An independent copy, for an inner scope."""
        return Equalities(dict(self._parent))

    def unite(self, one: AssetTerm, other: AssetTerm) -> None:
        """The two are equal wherever the rule holds."""
        self._parent.setdefault(one, one)
        self._parent.setdefault(other, other)
        self._parent[self._root(one)] = self._root(other)

    def absorb(self, other: Equalities) -> None:
        """Learn all that the other knows."""
        for term, parent in other._parent.items():
            self.unite(term, parent)

    def are_same(self, one: AssetTerm, other: AssetTerm) -> bool:
        """Whether the equalities learned so far prove it."""
        return one == other or self._root(one) == self._root(other)

    def equals_of(self, term: AssetTerm) -> list[AssetTerm]:
        """All terms proven equal to ``term``, itself first, the others in the order they were learned."""
        root = self._root(term)
        return [term, *(other for other in self._parent if other != term and self._root(other) == root)]

    def _root(self, term: AssetTerm) -> AssetTerm:
        while (parent := self._parent.get(term, term)) != term:
            term = parent
        return term
