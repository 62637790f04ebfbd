"""What is offered for gas (EIP-1559): base fee and tip, capped. Pure, in whole wei."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connectors.evm.sending_options import MIN_BUMP_BPS, FeeOptions

_BPS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Offer:
    """What a transaction offers per unit of gas, in wei: at most ``max_fee`` in all, ``priority`` of it as tip."""

    max_fee: int
    priority: int


@dataclass(frozen=True, slots=True)
class Market:
    """What gas costs now, in wei: the latest block's base fee, and the tip the node suggests."""

    base_fee: int
    tip: int


def first_offer(market: Market, options: FeeOptions) -> Offer | None:
    """Twice the base fee and the tip, so that six full blocks in a row cannot outrun it; never above the cap.

    Room for one replacement is left below the cap, as long as what is asked now allows it: a pool that forgets to offer
    what it holds to its miner can be reminded by nothing else.

    Returns:
        None: the cap does not even pay for the next block.
    """
    tip = min(max(market.tip, options.min_priority), options.max_priority)
    if market.base_fee + tip > options.max_fee:
        tip = options.max_fee - market.base_fee
        if tip < max(options.min_priority, 1):
            return None
    room = max(options.max_fee * _BPS // (_BPS + options.bump), market.base_fee + tip)
    return Offer(min(2 * market.base_fee + tip, room), tip)


def raised_offer(last: Offer, market: Market, options: FeeOptions) -> Offer | None:
    """What replaces a transaction: both parts higher by the bump, rounded up, and not below what is asked now.

    Returns:
        None: that would be above a cap; there is nothing to do but wait.
    """
    now = first_offer(market, options) or last
    max_fee = max(_bumped(last.max_fee, options.bump), now.max_fee)
    priority = max(_bumped(last.priority, options.bump), now.priority)
    if max_fee > options.max_fee or priority > options.max_priority:
        # As far as the caps go, if that still is the least that nodes take.
        max_fee, priority = min(max_fee, options.max_fee), min(priority, options.max_priority)
        least = _bumped(last.max_fee, MIN_BUMP_BPS), _bumped(last.priority, MIN_BUMP_BPS)
        if max_fee < least[0] or priority < least[1]:
            return None
    return Offer(max_fee, min(priority, max_fee))


def _bumped(wei: int, bps: int) -> int:
    """Higher by so much, by one at least: a tip of nothing must rise too."""
    return max(-(-wei * (_BPS + bps) // _BPS), wei + 1)
