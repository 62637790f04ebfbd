"""The head of a chain as its node shows it: latest, safe and finalized, and what gas costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from connectors.evm.blocks import Block, header_call
from connectors.evm.node import Call, Json, Node, NodeAwayError, NodeRefusedError, quantity

#: Blocks over which the priority fee is looked at.
_FEE_BLOCKS: Final = 10
#: The reward of a block that is taken for its own: the median of its transactions'.
_PERCENTILE: Final = 50
_PPM: Final = 1_000_000
#: A head whose own time leads this machine's clock by more than this is `ahead`.
_AHEAD_MS: Final = 15_000


class WrongChainError(Exception):
    """The node is one of another chain; nothing it says may be believed.

    Attributes:
        answered: the chain id it gave.
    """

    def __init__(self, answered: int, expected: int) -> None:
        super().__init__(f"the node answers chain id {answered}, the configuration says {expected}")
        self.answered = answered


@dataclass(frozen=True, slots=True)
class Head:
    """One look at the head.

    Attributes:
        latest: the newest block.
        safe, final: heights; 0 where the node does not say.
        base_fee: wei of the newest block; where there are no base fees, the node's gas price.
        next_base_fee: wei of the block after it; None where the node does not say.
        priority_fee: wei, the median of recent blocks' medians; 0 where the node does not say.
    """

    latest: Block
    safe: int
    final: int
    base_fee: int
    next_base_fee: int | None
    priority_fee: int

    def fields(self, network: str, chain_id: int) -> dict[str, Any]:
        """The ``network`` fact without what depends on when it is told."""
        fields: dict[str, Any] = {
            "id": network,
            "height": str(self.latest.number),
            "block_hash": self.latest.hash,
            "chain_time": str(self.latest.time_ms),
            "chain_id": str(chain_id),
            "base_fee": str(self.base_fee),
            "priority_fee": str(self.priority_fee),
            "safe_height": str(self.safe),
            "final_height": str(self.final),
        }
        if self.next_base_fee is not None:
            fields["next_base_fee"] = str(self.next_base_fee)
        if self.latest.gas_limit:
            fields["gas_used_ratio"] = str(min(self.latest.gas_used * _PPM // self.latest.gas_limit, _PPM))
        return fields


async def ask_head(node: Node, chain_id: int) -> Head:
    """One look, in one request.

    Raises:
        WrongChainError: the node is of another chain.
        NodeError: it cannot be asked, or does not know its own head.
    """
    asked = [
        Call("eth_chainId"),
        header_call("latest"),
        header_call("safe"),
        header_call("finalized"),
        Call("eth_feeHistory", (hex(_FEE_BLOCKS), "latest", [_PERCENTILE])),
        Call("eth_gasPrice"),
    ]
    answered, latest_raw, safe, final, history, gas_price = await node.ask(asked)
    for each in (answered, latest_raw, safe, final, history):
        # What a node does not know at all is left out; what it only does not say now would be taken for unknown.
        if isinstance(each, NodeRefusedError) and (each.is_busy or each is answered or each is latest_raw):
            raise each
    if quantity(answered) != chain_id:
        raise WrongChainError(quantity(answered), chain_id)
    latest = Block.of(latest_raw)
    base_fee = latest.base_fee
    if base_fee is None:
        if isinstance(gas_price, NodeRefusedError):
            raise gas_price
        base_fee = quantity(gas_price)
    return Head(latest, _height(safe), _height(final), base_fee, _next_base_fee(history), _priority_fee(history))


def lag_ms(head: Head, now_ms: int) -> int:
    """How old the newest block is; 0 if it is not."""
    return max(now_ms - head.latest.time_ms, 0)


def state_of(head: Head, now_ms: int, behind_after_ms: int) -> str:
    """``ok``, ``behind`` or ``ahead``."""
    if head.latest.time_ms > now_ms + _AHEAD_MS:
        return "ahead"
    return "behind" if lag_ms(head, now_ms) > behind_after_ms else "ok"


def observed_at_ms(head: Head, now_ms: int, behind_after_ms: int) -> int:
    """Until when what the head says was so: now, or, with a node that is behind, when it began to be."""
    return min(now_ms, head.latest.time_ms + behind_after_ms)


def _height(raw: Json) -> int:
    # A node without that tag refuses it or answers null; then nothing is known to be so settled.
    return 0 if raw is None or isinstance(raw, NodeRefusedError) else Block.of(raw).number


def _next_base_fee(history: Json) -> int | None:
    fees = _list(history, "baseFeePerGas")
    return quantity(fees[-1]) if fees else None


def _priority_fee(history: Json) -> int:
    rewards = sorted(quantity(each[0]) for each in _list(history, "reward") if isinstance(each, list) and each)
    return rewards[len(rewards) // 2] if rewards else 0


def _list(history: Json, name: str) -> Sequence[Json]:
    if isinstance(history, NodeRefusedError) or history is None:
        return []
    if not isinstance(history, dict):
        raise NodeAwayError("the node answers no fee history")
    found = history.get(name)
    return found if isinstance(found, list) else []
