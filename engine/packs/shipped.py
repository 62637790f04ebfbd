"""What the packs that come with the engine declare, for hints about packs that do not name them."""

from __future__ import annotations

from functools import lru_cache

from engine.errors import Problem
from engine.packs.nodes import MapNode
from engine.packs.reader import read
from engine.packs.sources import SHIPPED, shipped


@lru_cache(maxsize=1)
def _owners() -> dict[str, str]:
    owners: dict[str, str] = {}
    problems: list[Problem] = []
    for pack in SHIPPED:
        for source in shipped(pack, []):
            tree = read(source.name, source.raw, problems)
            kinds = tree.get("kinds") if isinstance(tree, MapNode) else None
            if isinstance(kinds, MapNode):
                owners |= {entry.key.text: pack for entry in kinds}
    return owners


def shipped_owner(kind: str) -> str | None:
    """The pack that comes with the engine and declares the kind, if one does."""
    return _owners().get(kind)
