"""What sending asks of a chain, and the exact form in which it gets it. Whatever a node answers is checked here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from connectors.evm.node import Call, NodeAwayError, NodeRefusedError, quantity

#: What JSON holds.
Json: TypeAlias = Any


#: The error number with which nodes say that a call reverted.
_REVERTED: Final = 3
_DATA: Final = re.compile(r"0x([0-9a-fA-F]{2})*")


def is_revert(refused: NodeRefusedError) -> bool:
    """A contract said no, not the node."""
    return refused.code == _REVERTED or "revert" in refused.message.lower()


def revert_data(refused: NodeRefusedError) -> str:
    """What a revert carries, as hex; empty if there is none. Nodes put it into ``data``, or one level deeper."""
    data = refused.data
    if isinstance(data, Mapping):
        data = data.get("data", data.get("result"))
    if isinstance(data, str):
        found = _DATA.search(data)
        return "" if found is None else found[0]
    return ""


class Rpc(Protocol):
    """A node's JSON-RPC."""

    async def call(self, method: str, *params: Json) -> Json:
        """The result.

        Raises:
            NodeAwayError: it cannot be asked.
            NodeRefusedError: it said no.
        """
        ...

    async def batch(self, calls: Sequence[Call]) -> list[Json]:
        """The results in the order of the calls; raises as ``call``."""
        ...


@dataclass(frozen=True, slots=True)
class Head:
    """A block, as far as sending needs it. ``base_fee`` in wei."""

    number: int
    hash: str
    base_fee: int


@dataclass(frozen=True, slots=True)
class Log:
    """What a contract said while a transaction ran."""

    address: str
    topics: tuple[str, ...]
    data: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction that is in a block.

    Attributes:
        hash: of the transaction.
        block: the block's number.
        block_hash: which block of that number.
        succeeded: False: it reverted, and paid.
        gas_used: units.
        price: wei per unit that was paid.
        logs: none if it reverted.
    """

    hash: str
    block: int
    block_hash: str
    succeeded: bool
    gas_used: int
    price: int
    logs: tuple[Log, ...] = ()


class Chain:
    """The questions, one method each. Every one raises NodeAwayError; a method says if it may be refused."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self._finalized: int | None = None

    async def chain_id(self) -> int:
        """Of the node's chain."""
        return quantity(await self._rpc.call("eth_chainId"))

    async def head(self) -> Head:
        """The latest block."""
        found = await self._rpc.call("eth_getBlockByNumber", "latest", False)
        block = _mapping(found)
        if "baseFeePerGas" not in block:
            raise NodeAwayError("the chain's blocks have no base fee; transactions here are those of EIP-1559")
        return Head(quantity(block.get("number")), _text(block, "hash"), quantity(block["baseFeePerGas"]))

    async def has_code(self, address: str) -> bool:
        """There is a contract at that address, as of the latest block."""
        return bool(str(await self._rpc.call("eth_getCode", address, "latest")).removeprefix("0x"))

    async def block_hash(self, number: int) -> str | None:
        """Of the block of that number on the node's chain; None: it has none yet."""
        found = await self._rpc.call("eth_getBlockByNumber", hex(number), False)
        return None if found is None else _text(_mapping(found), "hash")

    async def block_hashes(self, numbers: Sequence[int]) -> dict[int, str | None]:
        """Of several blocks at once, as ``block_hash``."""
        found = await self._rpc.batch([Call("eth_getBlockByNumber", (hex(number), False)) for number in numbers])
        hashes = (None if each is None else _text(_mapping(each), "hash") for each in found)
        return dict(zip(numbers, hashes, strict=True))

    async def finalized(self) -> int | None:
        """Number of the latest finalized block; None: the node does not know of such.

        A node that knew of one and does not say now (it is asked too often, or another one answers in its place) has
        the last one it said: what merely lies deep is not final to it.

        Raises:
            NodeRefusedError: it is asked too often.
        """
        try:
            found = await self._rpc.call("eth_getBlockByNumber", "finalized", False)
        except NodeRefusedError as refused:
            if refused.is_busy and self._finalized is None:
                raise
            return self._finalized
        if found is not None:
            self._finalized = quantity(_mapping(found).get("number"))
        return self._finalized

    async def tip(self) -> int:
        """The tip that the node suggests, in wei per gas; nothing if it suggests none."""
        try:
            return quantity(await self._rpc.call("eth_maxPriorityFeePerGas"))
        except NodeRefusedError as refused:
            if refused.is_busy:
                raise
            return 0

    async def nonces_used(self, address: str, block: int | None = None, *, with_pool: bool = False) -> int:
        """How many transactions the account has had: the next nonce.

        Args:
            address: the account.
            block: as of that block; None: the latest.
            with_pool: those that wait in the node's pool too.

        Raises:
            NodeRefusedError: the node has not kept the state of that block.
        """
        at = "pending" if with_pool else "latest" if block is None else hex(block)
        return quantity(await self._rpc.call("eth_getTransactionCount", address, at))

    async def estimate(self, call: Mapping[str, str]) -> int:
        """Gas that the call takes on the latest block.

        Raises:
            NodeRefusedError: it would revert, or cannot be paid.
        """
        return quantity(await self._rpc.call("eth_estimateGas", dict(call)))

    async def result(self, call: Mapping[str, str]) -> str:
        """What the call returns on the latest block, as hex.

        Raises:
            NodeRefusedError: it reverts.
        """
        found = await self._rpc.call("eth_call", dict(call), "latest")
        if not isinstance(found, str) or not _DATA.fullmatch(found):
            raise NodeAwayError(f"the node answered {found!r:.80} where what a call returns belongs")
        return found

    async def call(self, call: Mapping[str, str], block: int) -> None:
        """Runs a call on the state after that block.

        Raises:
            NodeRefusedError: it reverts; carries the reason.
        """
        await self._rpc.call("eth_call", dict(call), hex(block))

    async def broadcast(self, raw: str) -> None:
        """Hands a signed transaction to the node's pool.

        Raises:
            NodeRefusedError: it does not take it (also: it already has it).
        """
        await self._rpc.call("eth_sendRawTransaction", raw)

    async def knows(self, tx: str) -> bool:
        """The node has this transaction, in a block or in its pool."""
        return await self._rpc.call("eth_getTransactionByHash", tx) is not None

    async def receipt(self, tx: str) -> Receipt | None:
        """Of a transaction that is in a block."""
        found = await self._rpc.call("eth_getTransactionReceipt", tx)
        if found is None:
            return None
        entry = _mapping(found)
        if entry.get("blockHash") is None:
            return None
        logs = tuple(
            Log(_text(log, "address"), tuple(str(t).lower() for t in log["topics"]), _text(log, "data"))
            for log in map(_mapping, entry.get("logs") or ())
        )
        price = entry.get("effectiveGasPrice", "0x0")
        return Receipt(
            _text(entry, "transactionHash"),
            quantity(entry.get("blockNumber")),
            _text(entry, "blockHash"),
            quantity(entry.get("status")) == 1,
            quantity(entry.get("gasUsed")),
            quantity(price),
            logs,
        )

    async def sent_in(self, block: int, address: str) -> dict[int, str]:
        """The account's transactions in that block: nonce → hash."""
        found = await self._rpc.call("eth_getBlockByNumber", hex(block), True)
        if found is None:
            raise NodeAwayError(f"the node has no block {block}")
        return {
            quantity(tx.get("nonce")): _text(tx, "hash")
            for tx in map(_mapping, _mapping(found).get("transactions") or ())
            if _text(tx, "from") == address.lower()
        }


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise NodeAwayError(f"the node answered {value!r:.80} where an object belongs")
    return value


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str):
        raise NodeAwayError(f"the node answered {value!r:.80} for {name}")
    return value.lower()
