"""Balances and pools at one block: asked by its hash, so that all of them stand on exactly that block."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from connectors.evm.abi import AbiError, Function
from connectors.evm.blocks import Block
from connectors.evm.node import Call, Json, Node, NodeAwayError, NodeRefusedError, quantity
from connectors.evm.options import BalanceOptions, PoolOptions
from connectors.evm.rarely import Rarely

_LOG = logging.getLogger("lockstep.connector.evm")
_BALANCE_OF: Final = Function.of("balanceOf(address owner) returns (uint256 amount)")
_RESERVES: Final = Function.of("getReserves() returns (uint112 reserve0, uint112 reserve1, uint32 at)")


@dataclass(frozen=True, slots=True)
class HeldFact:
    """A fact that holds at a block.

    Attributes:
        kind: of the fact.
        fields: its data.
    """

    kind: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What is configured under ``balances`` and ``pools``.

    Attributes:
        network: its id in facts.
        rarely: what of the failures is said.
    """

    node: Node
    network: str
    balances: Sequence[BalanceOptions]
    pools: Sequence[PoolOptions]
    rarely: Rarely = field(default_factory=Rarely)

    async def at(self, block: Block) -> list[HeldFact]:
        """All of them at that block; one that its contract does not answer is left out, with a line in the log.

        Raises:
            NodeError: the node cannot be asked.
        """
        place = {"blockHash": block.hash}
        calls = [_balance_call(each, place) for each in self.balances]
        calls += [_call(pool.address, _RESERVES.call_data([]), place) for pool in self.pools]
        if not calls:
            return []
        answers = await self.node.ask(calls)
        facts: list[HeldFact] = []
        subjects: list[BalanceOptions | PoolOptions] = [*self.balances, *self.pools]
        for subject, answer in zip(subjects, answers, strict=True):
            try:
                if isinstance(answer, NodeRefusedError):
                    raise answer
                facts.extend(self._facts(subject, answer, block))
            except (NodeRefusedError, NodeAwayError, AbiError) as error:
                # The others are known; this one's fact ages.
                if self.rarely.is_due(_name(subject)):
                    _LOG.warning("%s is not told: %s", _name(subject), error, extra={"network": self.network})
            else:
                self.rarely.is_over(_name(subject))
        return facts

    def _facts(self, subject: BalanceOptions | PoolOptions, answer: Json, block: Block) -> list[HeldFact]:
        stands = {"network": self.network, "height": str(block.number), "block_hash": block.hash}
        if isinstance(subject, BalanceOptions):
            held = quantity(answer) if subject.token is None else int(_BALANCE_OF.decode_result(answer)[0])
            owner = subject.owner or subject.address
            return [HeldFact("balance", {**stands, "owner": owner, "asset": subject.asset, "amount": str(held)})]
        reserves = [str(reserve) for reserve in _RESERVES.decode_result(answer)[:2]]
        stands |= {"venue": subject.venue, "fee": str(subject.fee)}
        facts = []
        for this, other in ((0, 1), (1, 0)):
            sides = {"asset": subject.assets[this], "available": reserves[this]}
            sides |= {"against": subject.assets[other], "against_available": reserves[other]}
            facts.append(HeldFact("liquidity", {**stands, **sides}))
        return facts


def _balance_call(balance: BalanceOptions, place: dict[str, str]) -> Call:
    if balance.token is None:
        return Call("eth_getBalance", (balance.address, place))
    return _call(balance.token, _BALANCE_OF.call_data([balance.address]), place)


def _call(address: str, data: str, place: dict[str, str]) -> Call:
    return Call("eth_call", ({"to": address, "data": data}, place))


def _name(subject: BalanceOptions | PoolOptions) -> str:
    if isinstance(subject, PoolOptions):
        return f"pool '{subject.venue}'"
    return f"the balance of {subject.owner or subject.address} in '{subject.asset}'"
