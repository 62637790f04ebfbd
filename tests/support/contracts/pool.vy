# pragma version ^0.4.0
# A constant-product pair as far as watching needs it: its reserves.

event Sync:
    reserve0: uint112
    reserve1: uint112

reserve0: uint112
reserve1: uint112
stamp: uint32


@external
def set_reserves(reserve0: uint112, reserve1: uint112):
    self.reserve0 = reserve0
    self.reserve1 = reserve1
    self.stamp = convert(block.timestamp % 4294967296, uint32)
    log Sync(reserve0=reserve0, reserve1=reserve1)


@external
@view
def getReserves() -> (uint112, uint112, uint32):
    return (self.reserve0, self.reserve1, self.stamp)
