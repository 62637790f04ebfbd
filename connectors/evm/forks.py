"""Finds out whether what was told still stands: by the hashes of the blocks, back to where both chains agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connectors.evm.blocks import Block, check_linked, headers
from connectors.evm.node import Node
from connectors.evm.window import Window

#: New blocks that a reorganisation names; the others are told when they are come to.
_MAX_ADDED: Final = 128


@dataclass(frozen=True, slots=True)
class Fork:
    """Blocks that were told are not on the node's chain.

    Attributes:
        keep: so many entries of the window still stand.
        added: hashes that took the place of those that do not, oldest first.
        is_short: the node's chain is a part of what was told: those blocks are gone, or the node is behind.
    """

    keep: int
    added: tuple[str, ...] = ()
    is_short: bool = False


async def find_fork(node: Node, window: Window, head: Block) -> Fork | None:
    """Compares the window with the chain under ``head``; None if all of it stands.

    Raises:
        ChainMovedError: the chain changed meanwhile.
        NodeError: the node cannot be asked.
    """
    last = window.last
    if last is None or (head.number == last.number and head.hash == last.hash):
        return None
    if head.number == last.number + 1 and head.parent == last.hash:
        return None
    if head.number > last.number and (await headers(node, [last.number]))[0].hash == last.hash:
        return None
    known = [entry for entry in window.entries if entry.number <= head.number]
    chain = await headers(node, [entry.number for entry in known])
    keep = len(known)
    while keep and chain[keep - 1].hash != known[keep - 1].hash:
        keep -= 1
    if keep == len(known) and keep:
        # Above the head there may be entries; below it all agree.
        return Fork(keep, is_short=True) if len(window.entries) > keep else None
    if not known:
        return Fork(0, is_short=True)
    first = known[keep - 1].number + 1 if keep else known[0].number
    added = await headers(node, range(first, min(head.number, first + _MAX_ADDED - 1) + 1))
    check_linked([chain[keep - 1], *added] if keep else added)
    return Fork(keep, tuple(block.hash for block in added))
