"""Counts how deep the blocks of facts lie, and says which facts are to be told again."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.evm.events import Found


class Counting:
    """Facts whose depth still rises; one per identity, the newest.

    A fact costs one look per new block until it is as deep as is wanted; then it is let go.
    """

    def __init__(self) -> None:
        self._rising: dict[str, tuple[Found, int | None]] = {}

    def __len__(self) -> int:
        return len(self._rising)

    def told(self, found: Found, depth: int) -> None:
        """A fact was told with its block so deep."""
        self._rising.pop(found.identity, None)
        told = found.mapped.told_depth(depth)
        if told < found.mapped.most:
            self._rising[found.identity] = (found, told)

    def resume(self, found: Found) -> None:
        """A fact was told, with what depth is not known any more; it is told once more."""
        self._rising.pop(found.identity, None)
        if found.mapped.most > 1:
            self._rising[found.identity] = (found, None)

    def replaced(self, found: Found) -> None:
        """A newer event has the same identity: the older one must not be told again."""
        self._rising.pop(found.identity, None)

    def due(self, head: int) -> Iterator[Found]:
        """Those whose depth, as it is told, is another one under a head of that height."""
        for found, told in list(self._rising.values()):
            if found.mapped.told_depth(head - found.height + 1) != told:
                yield found
