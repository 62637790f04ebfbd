# pragma version ~=0.4.0
# A purse that counts: what was paid to whom, once per id.

event Paid:
    id: indexed(bytes32)
    to: indexed(address)
    amount: uint256

balances: public(HashMap[address, uint256])
times: public(HashMap[bytes32, uint256])
count: public(uint256)
limit: public(uint256)


@deploy
def __init__():
    self.limit = 1000


@external
@payable
def pay(id: bytes32, to: address, amount: uint256):
    assert amount <= self.limit, "above the limit"
    self.balances[to] += amount
    self.times[id] += 1
    self.count += 1
    log Paid(id=id, to=to, amount=amount)


@external
def lower(limit: uint256):
    self.limit = limit
