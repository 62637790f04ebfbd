"""Blocks as a node gives them, as far as watching needs them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol

from connectors.evm.node import Call, Json, Node, NodeAwayError, quantity

_HEX: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*\Z")


class ChainMovedError(Exception):
    """The chain changed while it was being read, or several nodes behind one address disagree. Reading again helps."""


class Standing(Protocol):
    """A block on which something stands: as a header, or as what is remembered of one."""

    @property
    def number(self) -> int:
        """Its height."""
        ...

    @property
    def hash(self) -> str:
        """32 bytes as lower-case hex."""
        ...

    @property
    def time_ms(self) -> int:
        """The block's own time, unix ms."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header.

    Attributes:
        time_ms: the block's own time, unix ms (blocks have whole seconds).
        base_fee: wei; None before there were such fees.
    """

    number: int
    hash: str
    parent: str
    time_ms: int
    base_fee: int | None
    gas_used: int
    gas_limit: int

    @classmethod
    def of(cls, raw: Json) -> Block:
        """From JSON.

        Raises:
            NodeAwayError: it is no block.
        """
        if not isinstance(raw, dict):
            raise NodeAwayError("the node answers with no block where one must be")
        fee = raw.get("baseFeePerGas")
        return cls(
            number=quantity(raw.get("number")),
            hash=hash_of(raw.get("hash")),
            parent=hash_of(raw.get("parentHash")),
            time_ms=quantity(raw.get("timestamp")) * 1_000,
            base_fee=None if fee is None else quantity(fee),
            gas_used=quantity(raw.get("gasUsed")),
            gas_limit=quantity(raw.get("gasLimit")),
        )


@dataclass(frozen=True, slots=True)
class Log:
    """A log as a node gives it.

    Attributes:
        address: of the contract that wrote it, lower case.
        topics: 32-byte words as hex, the first usually the event's.
        data: ``0x…``.
        index: its place in the block, over all transactions.
        is_removed: the node itself says that it stands no more.
    """

    address: str
    topics: tuple[str, ...]
    data: str
    block_hash: str
    tx: str
    index: int
    is_removed: bool

    @classmethod
    def of(cls, raw: Json) -> Log:
        """From JSON.

        Raises:
            NodeAwayError: it is no log.
        """
        if not isinstance(raw, dict) or not isinstance(raw.get("topics"), list):
            raise NodeAwayError("the node answers with no log where one must be")
        for name in ("address", "data"):
            if not isinstance(raw.get(name), str) or not _HEX.match(raw[name]):
                raise NodeAwayError(f"the node answers a log whose {name} is no hex")
        return cls(
            address=raw["address"].lower(),
            topics=tuple(hash_of(topic) for topic in raw["topics"]),
            data=raw["data"],
            block_hash=hash_of(raw.get("blockHash")),
            tx=hash_of(raw.get("transactionHash")),
            index=quantity(raw.get("logIndex")),
            is_removed=raw.get("removed") is True,
        )


def hash_of(value: object) -> str:
    """A 32-byte hash in lower case.

    Raises:
        NodeAwayError: it is none.
    """
    if isinstance(value, str) and len(value) == 66 and _HEX.match(value):
        return value.lower()
    raise NodeAwayError(f"the node answers {str(value)[:80]!r} where a hash must stand")


def header_call(number: int | str) -> Call:
    """The question for one header, by number or tag."""
    return Call("eth_getBlockByNumber", (hex(number) if isinstance(number, int) else number, False))


async def headers(node: Node, numbers: Iterable[int]) -> list[Block]:
    """The headers of these numbers, in their order.

    Raises:
        ChainMovedError: the node has one of them no more (or not yet).
        NodeError: it cannot be asked.
    """
    asked = list(numbers)
    answers = await node.batch([header_call(number) for number in asked])
    found = []
    for number, raw in zip(asked, answers, strict=True):
        if raw is None:
            raise ChainMovedError(f"block {number} is not there")
        block = Block.of(raw)
        if block.number != number:
            raise NodeAwayError(f"the node answers block {block.number} for block {number}")
        found.append(block)
    return found


def check_linked(chain: Sequence[Block]) -> None:
    """Each block's parent is the one before it.

    Raises:
        ChainMovedError: not so.
    """
    for parent, child in pairwise(chain):
        if child.parent != parent.hash:
            raise ChainMovedError(f"block {child.number} does not stand on block {parent.number}")
