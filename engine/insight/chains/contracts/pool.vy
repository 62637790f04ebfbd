# pragma version ~=0.4.1
# A constant-product pair of two tokens. What it holds is what it has counted in: tokens that are merely sent to it are
# not traded. All rounding is in its favour, so that the product of its reserves never falls.

from ethereum.ercs import IERC20

event Sync:
    reserve0: uint112
    reserve1: uint112

event Swapped:
    ref: indexed(bytes32)
    sender: indexed(address)
    token_in: indexed(address)
    amount_in: uint256
    token_out: address
    amount_out: uint256
    receiver: address

ONE: constant(uint256) = 10_000

token0: public(immutable(address))
token1: public(immutable(address))
fee_bps: public(immutable(uint256))
owner: public(immutable(address))
reserve0: uint112
reserve1: uint112
stamp: uint32


@deploy
def __init__(first: address, second: address, fee: uint256):
    assert first != second, "one token twice"
    assert fee < ONE, "the fee is all"
    token0 = first
    token1 = second
    fee_bps = fee
    owner = msg.sender


@external
@nonreentrant
def provide(amount0: uint256, amount1: uint256):
    assert msg.sender == owner, "not the owner"
    self._pull(token0, amount0)
    self._pull(token1, amount1)
    self._hold(convert(self.reserve0, uint256) + amount0, convert(self.reserve1, uint256) + amount1)


# `ref` is the caller's name for the swap, told with it; `deadline` is in unix seconds, and still in time.
@external
@nonreentrant
def swap(
    ref: bytes32, token_in: address, amount_in: uint256, min_out: uint256, receiver: address, deadline: uint256
) -> uint256:
    assert block.timestamp <= deadline, "too late"
    assert receiver != empty(address) and receiver != self, "no receiver"
    amount_out: uint256 = self._quote(token_in, amount_in)
    assert amount_out > 0 and amount_out >= min_out, "too little out"
    held0: uint256 = convert(self.reserve0, uint256)
    held1: uint256 = convert(self.reserve1, uint256)
    token_out: address = empty(address)
    if token_in == token0:
        token_out = token1
        self._hold(held0 + amount_in, held1 - amount_out)
    else:
        token_out = token0
        self._hold(held0 - amount_out, held1 + amount_in)
    self._pull(token_in, amount_in)
    assert extcall IERC20(token_out).transfer(receiver, amount_out), "not paid"
    log Swapped(
        ref=ref,
        sender=msg.sender,
        token_in=token_in,
        amount_in=amount_in,
        token_out=token_out,
        amount_out=amount_out,
        receiver=receiver,
    )
    return amount_out


@external
@view
def getReserves() -> (uint112, uint112, uint32):
    return (self.reserve0, self.reserve1, self.stamp)


# What a swap of so much would give now.
@external
@view
def quote(token_in: address, amount_in: uint256) -> uint256:
    return self._quote(token_in, amount_in)


@internal
@view
def _quote(token_in: address, amount_in: uint256) -> uint256:
    assert token_in == token0 or token_in == token1, "no such token"
    held_in: uint256 = convert(self.reserve0, uint256)
    held_out: uint256 = convert(self.reserve1, uint256)
    if token_in == token1:
        held_in = convert(self.reserve1, uint256)
        held_out = convert(self.reserve0, uint256)
    assert held_in > 0 and held_out > 0, "nothing here"
    assert amount_in <= convert(max_value(uint112), uint256), "too much in"
    paid: uint256 = amount_in * (ONE - fee_bps)
    return paid * held_out // (held_in * ONE + paid)


@internal
def _pull(token: address, amount: uint256):
    assert extcall IERC20(token).transferFrom(msg.sender, self, amount), "not paid"


@internal
def _hold(held0: uint256, held1: uint256):
    assert max(held0, held1) <= convert(max_value(uint112), uint256), "too much in"
    self.reserve0 = convert(held0, uint112)
    self.reserve1 = convert(held1, uint112)
    self.stamp = convert(block.timestamp % 2**32, uint32)
    log Sync(reserve0=self.reserve0, reserve1=self.reserve1)
