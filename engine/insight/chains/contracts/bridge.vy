# pragma version ~=0.4.1
# One side of a bridge: deposits are locked here, and what was deposited on the other side is released here, by the
# relayer and once. What it holds is what it has counted in: tokens that are merely sent to it are not released.

from ethereum.ercs import IERC20

event Deposited:
    id: indexed(bytes32)
    intent: indexed(bytes32)
    sender: indexed(address)
    amount: uint256
    arrives: uint256
    receiver: address

event Released:
    id: indexed(bytes32)
    intent: indexed(bytes32)
    receiver: indexed(address)
    amount: uint256

event Capacity:
    available: uint256

event Paused:
    paused: bool

ONE: constant(uint256) = 10_000

token: public(immutable(address))
relayer: public(immutable(address))
fee_bps: public(immutable(uint256))
owner: public(immutable(address))
available: public(uint256)
paused: public(bool)
released: public(HashMap[bytes32, bool])
# How many deposits of each sender there were.
deposits: public(HashMap[address, uint256])


@deploy
def __init__(held: address, by: address, fee: uint256):
    assert fee < ONE, "the fee is all"
    token = held
    relayer = by
    fee_bps = fee
    owner = msg.sender


@external
@nonreentrant
def provide(amount: uint256):
    assert msg.sender == owner, "not the owner"
    self._lock(amount)


# Of deposits alone: what was deposited on the other side is released all the same.
@external
def set_paused(paused: bool):
    assert msg.sender == owner, "not the owner"
    self.paused = paused
    log Paused(paused=paused)


@external
@nonreentrant
def deposit(intent: bytes32, amount: uint256, receiver: address):
    assert not self.paused, "paused"
    assert receiver != empty(address), "no receiver"
    arrives: uint256 = self._arrives(amount)
    assert arrives > 0, "too little"
    self.deposits[msg.sender] += 1
    # The id holds all that counts, and no count of other people's deposits: a deposit that a reorganisation has moved
    # keeps its id, and what takes its place never gets it.
    id: bytes32 = keccak256(
        abi_encode(
            chain.id, self, msg.sender, self.deposits[msg.sender], intent, amount, arrives, receiver
        )
    )
    self._lock(amount)
    log Deposited(id=id, intent=intent, sender=msg.sender, amount=amount, arrives=arrives, receiver=receiver)


@external
@nonreentrant
def release(id: bytes32, intent: bytes32, receiver: address, amount: uint256):
    assert msg.sender == relayer, "not the relayer"
    assert not self.released[id], "released before"
    assert self.available >= amount, "not enough held"
    self.released[id] = True
    self.available -= amount
    assert extcall IERC20(token).transfer(receiver, amount), "not paid"
    log Released(id=id, intent=intent, receiver=receiver, amount=amount)
    log Capacity(available=self.available)


# What a deposit of so much would release on the other side: the fee is rounded up.
@external
@view
def arriving(amount: uint256) -> uint256:
    return self._arrives(amount)


@internal
@view
def _arrives(amount: uint256) -> uint256:
    return amount * (ONE - fee_bps) // ONE


@internal
def _lock(amount: uint256):
    assert extcall IERC20(token).transferFrom(msg.sender, self, amount), "not paid"
    self.available += amount
    log Capacity(available=self.available)
