# pragma version ~=0.4.0
# A token that says no by its answer alone, and keeps a hundredth of what it moves.

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    amount: uint256

balanceOf: public(HashMap[address, uint256])
is_shut: public(bool)


@deploy
def __init__(owner: address, amount: uint256):
    self.balanceOf[owner] = amount


@external
def shut(it: bool):
    self.is_shut = it


@external
def transfer(to: address, amount: uint256) -> bool:
    if self.is_shut or self.balanceOf[msg.sender] < amount:
        return False
    kept: uint256 = amount // 100
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[self] += kept
    log Transfer(sender=msg.sender, receiver=self, amount=kept)
    self.balanceOf[to] += amount - kept
    log Transfer(sender=msg.sender, receiver=to, amount=amount - kept)
    return True
