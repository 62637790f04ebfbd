# pragma version ^0.4.0
# One side of a bridge as its watchers see it: deposits go in here, payouts come out there.

event Deposited:
    intent: indexed(bytes32)
    sender: indexed(address)
    amount: uint256
    target: uint256

event Paid:
    intent: indexed(bytes32)
    receiver: indexed(address)
    amount: uint256


@external
def deposit(intent: bytes32, amount: uint256, target: uint256):
    log Deposited(intent=intent, sender=msg.sender, amount=amount, target=target)


# So many deposits in one transaction, numbered from 1.
@external
def depositMany(count: uint256):
    for i: uint256 in range(count, bound=1000):
        log Deposited(intent=convert(i + 1, bytes32), sender=msg.sender, amount=i + 1, target=5)


@external
def pay(intent: bytes32, receiver: address, amount: uint256):
    log Paid(intent=intent, receiver=receiver, amount=amount)
