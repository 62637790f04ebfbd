"""Reads the logs that are wanted: of single blocks by their hash, of many blocks by their range."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.evm.abi import AbiError
from connectors.evm.blocks import ChainMovedError, Log, Standing, headers
from connectors.evm.events import Found, Mapped, read_log
from connectors.evm.node import Call, Json, Node, NodeAwayError, NodeRefusedError, quantity
from connectors.evm.templates import TemplateError

_LOG = logging.getLogger("lockstep.connector.evm")


@dataclass(frozen=True, slots=True)
class Told:
    """A block and what is to be told of it.

    Attributes:
        time_ms: the block's own time.
        found: its logs in their order.
    """

    number: int
    hash: str
    time_ms: int
    found: tuple[Found, ...]


class Logs:
    """The logs of all configured events together, so that the node is asked once."""

    def __init__(self, node: Node, network: str, mapped: Sequence[Mapped]) -> None:
        self._node = node
        self._network = network
        self._by_place: dict[tuple[str, str], list[Mapped]] = {}
        for each in mapped:
            for address in each.addresses:
                self._by_place.setdefault((address, each.event.topic), []).append(each)
        self._filter: dict[str, Any] = {
            "address": sorted({address for address, _ in self._by_place}),
            "topics": [sorted({topic for _, topic in self._by_place})],
        }

    @property
    def is_idle(self) -> bool:
        """No event is configured, so there is never anything to read."""
        return not self._by_place

    async def of_blocks(self, blocks: Sequence[Standing]) -> list[Told]:
        """Of exactly these blocks: asked by hash, so that a node which lacks one says so instead of answering nothing.

        Raises:
            ChainMovedError: a block is gone (or not yet there, behind a load balancer).
            NodeError: the node cannot be asked.
        """
        if self.is_idle:
            return [Told(block.number, block.hash, block.time_ms, ()) for block in blocks]
        calls = [Call("eth_getLogs", ({**self._filter, "blockHash": block.hash},)) for block in blocks]
        answers = await self._node.ask(calls)
        told = []
        for block, raw in zip(blocks, answers, strict=True):
            if isinstance(raw, NodeRefusedError):
                raise ChainMovedError(f"no logs of block {block.number}: {raw.message}")
            told.append(self._told(block, self._checked(raw)))
        return told

    async def of_range(self, first: int, last: int) -> list[Told]:
        """Of the blocks first to last that have any, and of the last one in any case.

        Raises:
            NodeRefusedError: too many at once, in the node's opinion.
            ChainMovedError: logs and headers do not agree.
            NodeError: the node cannot be asked.
        """
        raws: list[Mapping[str, Any]] = []
        if not self.is_idle:
            asked = {**self._filter, "fromBlock": hex(first), "toBlock": hex(last)}
            raws = self._checked(await self._node.call("eth_getLogs", asked))
        by_number: dict[int, list[Mapping[str, Any]]] = {last: []}
        for raw in raws:
            by_number.setdefault(quantity(raw.get("blockNumber")), []).append(raw)
        if not all(first <= number <= last for number in by_number):
            raise NodeAwayError("the node answers logs of blocks that nobody asked for")
        blocks = await headers(self._node, sorted(by_number))
        return [self._told(block, by_number[block.number]) for block in blocks]

    def _checked(self, raws: Json) -> list[Mapping[str, Any]]:
        if not isinstance(raws, list) or not all(isinstance(raw, dict) for raw in raws):
            raise NodeAwayError("the node answers no list of logs")
        return raws

    def _told(self, block: Standing, raws: Sequence[Mapping[str, Any]]) -> Told:
        found: list[Found] = []
        logs = [Log.of(raw) for raw in raws]
        for log in sorted(logs, key=lambda each: each.index):
            if log.block_hash != block.hash or log.is_removed:
                raise ChainMovedError(f"a log of block {block.number} stands on another block of that height")
            found.extend(self._read(log, block))
        return Told(block.number, block.hash, block.time_ms, tuple(found))

    def _read(self, log: Log, block: Standing) -> list[Found]:
        found = []
        for mapped in self._by_place.get((log.address, log.topics[0] if log.topics else ""), []):
            try:
                read = read_log(mapped, self._network, log, block)
                if read is not None:
                    read.fact(1)
                    found.append(read)
            except (AbiError, TemplateError) as error:
                # It can never become a fact; to stop here would hold up everything after it.
                fields = {"network": self._network, "height": block.number, "log_index": log.index, "kind": mapped.kind}
                _LOG.error("an event cannot be told as a fact: %s", error, extra=fields)
        return found
