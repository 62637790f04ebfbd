"""Reads the deposits of one bridge, and tells those that count from those that may still go away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connectors.evm.blocks import Block, ChainMovedError
from engine.insight.chains.relayer.book import Mark
from engine.insight.chains.relayer.deposit import DEPOSITED, Deposit
from engine.insight.chains.relayer.peer import Peer

#: Blocks read at once.
_RANGE: Final = 1_000


class BranchLostError(Exception):
    """Blocks that were deep enough are no more: what was read of the chain does not hold."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a bridge.

    Attributes:
        mark: how far deposits count now; None while no block is deep enough.
        settled: deposits that count since the mark before.
        coming: deposits that are seen and not deep enough.
        is_whole: there was not more to read.
    """

    mark: Mark | None
    settled: tuple[Deposit, ...]
    coming: tuple[Deposit, ...]
    is_whole: bool


async def look(peer: Peer, head: Block, depth: int, after: Mark | None) -> Look:
    """What is new since a mark.

    Args:
        peer: the chain.
        head: its newest block.
        depth: blocks, a deposit's own included, after which it counts.
        after: what was read before; it must still be of the chain.

    Raises:
        BranchLostError: it is not.
        ChainMovedError: the chain changed while it was being read, or is for now shorter than what was read.
        NodeError: the node cannot be asked.
    """
    if after is not None:
        now = await peer.hash_at(after.height)
        if now is None:
            raise ChainMovedError(f"the chain is shorter than {after.height + 1} blocks")
        if now != after.hash:
            raise BranchLostError(f"block {after.height} was {after.hash} and is {now}")
    first = 0 if after is None else after.height + 1
    last = min(head.number, first + _RANGE - 1)
    deep = min(head.number - depth + 1, last)
    deposits = []
    if first <= last:
        deposits = [Deposit.of(peer.network, raw) for raw in await peer.logs([DEPOSITED.topic], first, last)]
    mark = after
    if deep >= first:
        hash_ = await peer.hash_at(deep)
        mark = Mark(deep, hash_) if hash_ is not None else after
    # Read under one head, all of it is of one branch.
    if await peer.hash_at(head.number) != head.hash:
        raise ChainMovedError(f"block {head.number} was replaced while the chain was being read")
    return Look(
        mark,
        tuple(d for d in deposits if d.height <= deep),
        tuple(d for d in deposits if d.height > deep),
        last == head.number,
    )


async def counts(peer: Peer, deposit: Deposit, depth: int) -> bool:
    """Whether its block is of the chain now, and deep enough."""
    head = await peer.head()
    is_there = await peer.hash_at(deposit.height) == deposit.block_hash
    return is_there and head.number - deposit.height + 1 >= depth
