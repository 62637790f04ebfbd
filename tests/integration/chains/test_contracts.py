"""The contracts, held to Python's integers, and what they refuse."""

from __future__ import annotations

import random
from itertools import pairwise

from connectors.evm.abi import Event
from engine.insight.chains.contracts import call
from engine.insight.chains.ground import BRIDGE_HOLDS, FAR_POOL, OPERATOR_HOLDS
from tests.support.chains import INTENT, OPERATOR, Pair, one, refused

NOBODY = "0x" + "0" * 40
FOR_EVER = 2**256 - 1
SWAP = "swap(bytes32,address,uint256,uint256,address,uint256)"
RELEASE = "release(bytes32,bytes32,address,uint256)"
SWAPPED = Event.of(
    "Swapped(bytes32 indexed ref, address indexed sender, address indexed token_in, uint256 amount_in,"
    " address token_out, uint256 amount_out, address receiver)"
)
SYNC = Event.of("Sync(uint112 reserve0, uint112 reserve1)")
CAPACITY = Event.of("Capacity(uint256 available)")


def swapped(amount_in: int, held_in: int, held_out: int) -> int:
    """What a constant-product pair gives for so much, its fee of 30 bps taken first."""
    return amount_in * 9_970 * held_out // (held_in * 10_000 + amount_in * 9_970)


def test_many_swaps_give_what_integers_say_and_the_product_never_falls(pair: Pair) -> None:
    side, whale, chance = pair.ground.far, pair.ground.whale, random.Random(7)
    reserves, expected, refs, statuses = list(FAR_POOL), [], [], []
    for number in range(120):
        way = chance.randrange(2)
        amount = chance.randrange(10 ** chance.randrange(1, 15 if way == 0 else 22))
        out = swapped(amount, reserves[way], reserves[1 - way])
        quoted = call(SWAP, f"0x{number:064x}", (side.usd, side.eth)[way], amount, out, whale, FOR_EVER)
        refs.append(pair.far.transact_from(whale, side.pool, quoted, gas=250_000))
        statuses.append(out > 0)
        if out:
            reserves[way] += amount
            reserves[1 - way] -= out
            expected.append((number, (side.usd, side.eth)[way], amount, out))
    pair.far.mine(2)

    receipts = [pair.far.rpc("eth_getTransactionReceipt", tx) for tx in refs]
    assert [int(receipt["status"], 16) == 1 for receipt in receipts] == statuses
    assert {*statuses} == {True, False}
    told = pair.events(side, SWAPPED, side.pool)
    assert [(int(e["ref"], 16), e["token_in"], e["amount_in"], e["amount_out"]) for e in told] == expected
    assert {(e["sender"], e["receiver"]) for e in told} == {(whale, whale)}
    products = [e["reserve0"] * e["reserve1"] for e in pair.events(side, SYNC, side.pool)]
    assert all(before <= after for before, after in pairwise(products))
    held = pair.balances()
    assert [held["far", "pool", "USDX"], held["far", "pool", "ETHX"]] == reserves


def test_a_pool_quotes_what_it_swaps(pair: Pair) -> None:
    side = pair.ground.far
    out = swapped(3_000_000_000, *FAR_POOL)
    assert one(side.url, side.pool, "quote(address,uint256) returns (uint256)", side.usd, 3_000_000_000) == out
    asked = (INTENT, side.usd, 3_000_000_000, out, OPERATOR, FOR_EVER)
    assert refused(side, pair.ground.whale, side.pool, SWAP, *asked) == ""


def test_a_pool_says_why_it_does_not_swap(pair: Pair) -> None:
    side, whale = pair.ground.far, pair.ground.whale
    out = swapped(1_000_000, *FAR_POOL)
    now = int(pair.far.block()["timestamp"], 16)

    def why(token: str, amount: int, least: int, receiver: str, deadline: int, sender: str = whale) -> str:
        return refused(side, sender, side.pool, SWAP, INTENT, token, amount, least, receiver, deadline)

    assert why(side.usd, 1_000_000, out, whale, FOR_EVER) == ""
    assert why(side.usd, 1_000_000, out + 1, whale, FOR_EVER).endswith("too little out")
    assert why(side.usd, 0, 0, whale, FOR_EVER).endswith("too little out")
    assert why(side.usd, 1_000_000, out, whale, now - 1).endswith("too late")
    assert why(side.bridge, 1_000_000, 0, whale, FOR_EVER).endswith("no such token")
    assert why(side.usd, 1_000_000, out, NOBODY, FOR_EVER).endswith("no receiver")
    assert why(side.usd, 2**112, 0, whale, FOR_EVER).endswith("too much in")
    assert why(side.usd, 1_000_000, out, OPERATOR, FOR_EVER, OPERATOR).endswith("not enough")
    assert why(side.usd, 1_000_000, out, whale, FOR_EVER, pair.ground.relayer).endswith("not allowed")
    assert refused(side, whale, side.pool, "provide(uint256,uint256)", 1, 1).endswith("not the owner")


def test_a_token_moves_only_what_is_there_and_allowed(pair: Pair) -> None:
    side, whale = pair.ground.home, pair.ground.whale
    move, pull = "transfer(address,uint256)", "transferFrom(address,address,uint256)"
    assert refused(side, OPERATOR, side.usd, move, whale, OPERATOR_HOLDS) == ""
    assert refused(side, OPERATOR, side.usd, move, whale, OPERATOR_HOLDS + 1).endswith("not enough")
    assert refused(side, OPERATOR, side.usd, move, NOBODY, 1).endswith("no receiver")
    assert refused(side, whale, side.usd, pull, OPERATOR, whale, 1).endswith("not allowed")
    assert refused(side, OPERATOR, side.usd, "mint(address,uint256)", OPERATOR, 1).endswith("not the minter")
    for token, symbol, decimals in ((side.usd, "USDX", 6), (side.eth, "ETHX", 18)):
        assert one(side.url, token, "symbol() returns (string)") == symbol
        assert one(side.url, token, "decimals() returns (uint8)") == decimals

    pair.home.receipts(
        [
            pair.home.transact_from(OPERATOR, side.usd, call("approve(address,uint256)", whale, 10)),
            pair.home.transact_from(whale, side.usd, call(pull, OPERATOR, whale, 4)),
        ]
    )
    left = "allowance(address,address) returns (uint256)"
    assert one(side.url, side.usd, left, OPERATOR, whale) == 6
    assert one(side.url, side.usd, left, OPERATOR, side.bridge) == 2**256 - 1
    assert pair.balances()["home", "whale", "USDX"] == 4


def test_a_deposit_is_locked_whole_and_its_fee_rounded_up(pair: Pair) -> None:
    side = pair.ground.home
    amounts = [2, 1_999, 2_000, 2_001, 1_000_000_007]
    pair.home.receipts([pair.deposit(side, amount) for amount in amounts])
    told = pair.deposits(side)
    assert [e["amount"] for e in told] == amounts
    assert [e["amount"] - e["arrives"] for e in told] == [-(-amount * 5 // 10_000) for amount in amounts]
    assert {(e["intent"], e["sender"], e["receiver"]) for e in told} == {(INTENT, OPERATOR, OPERATOR)}
    assert pair.balances()["home", "bridge", "USDX"] == BRIDGE_HOLDS + sum(amounts)
    assert pair.balances()["home", "operator", "USDX"] == OPERATOR_HOLDS - sum(amounts)
    assert pair.events(side, CAPACITY, side.bridge)[-1]["available"] == BRIDGE_HOLDS + sum(amounts)


def test_no_two_deposits_have_one_id_and_one_that_is_moved_to_another_block_keeps_its_own(pair: Pair) -> None:
    home, far = pair.ground.home, pair.ground.far
    pair.far.receipts(
        [pair.far.transact_from(pair.ground.whale, far.usd, call("transfer(address,uint256)", OPERATOR, 9_000))]
    )
    pair.far.receipts([pair.deposit(far, 3_000)])
    pair.home.receipts([pair.deposit(home, 3_000), pair.deposit(home, 3_000)])
    before = pair.deposits(home)
    assert len({e["id"] for e in [*before, *pair.deposits(far)]}) == 3

    pair.home.reorg(1)
    assert pair.deposits(home) == []
    pair.home.receipts([pair.deposit(home, 3_000)])
    assert pair.deposits(home) == before[:1]
    pair.home.reorg(1)
    pair.home.receipts([pair.deposit(home, 3_001)])
    assert pair.deposits(home)[0]["id"] != before[0]["id"]


def test_a_release_is_the_relayers_alone_and_once(pair: Pair) -> None:
    side, relayer = pair.ground.far, pair.ground.relayer
    asked = (INTENT, INTENT, OPERATOR, 700)
    assert refused(side, OPERATOR, side.bridge, RELEASE, *asked).endswith("not the relayer")
    over = (INTENT, INTENT, OPERATOR, BRIDGE_HOLDS + 1)
    assert refused(side, relayer, side.bridge, RELEASE, *over).endswith("not enough held")
    pair.far.receipts([pair.far.transact_from(relayer, side.bridge, call(RELEASE, *asked))])
    assert refused(side, relayer, side.bridge, RELEASE, *asked).endswith("released before")
    assert [(e["id"], e["amount"]) for e in pair.releases(side)] == [(INTENT, 700)]
    assert pair.events(side, CAPACITY, side.bridge)[-1]["available"] == BRIDGE_HOLDS - 700
    assert pair.balances()["far", "operator", "USDX"] == 700


def test_a_paused_bridge_takes_nothing_and_still_pays_what_it_owes(pair: Pair) -> None:
    side, relayer = pair.ground.home, pair.ground.relayer
    owner = str(one(side.url, side.bridge, "owner() returns (address)"))
    assert refused(side, OPERATOR, side.bridge, "set_paused(bool)", True).endswith("not the owner")
    assert refused(side, OPERATOR, side.bridge, "provide(uint256)", 1).endswith("not the owner")
    pair.home.receipts([pair.home.transact_from(owner, side.bridge, call("set_paused(bool)", True))])
    deposit = "deposit(bytes32,uint256,address)"
    assert refused(side, OPERATOR, side.bridge, deposit, INTENT, 5_000, OPERATOR).endswith("paused")
    assert refused(side, relayer, side.bridge, RELEASE, INTENT, INTENT, OPERATOR, 5_000) == ""
    pair.home.receipts([pair.home.transact_from(owner, side.bridge, call("set_paused(bool)", False))])
    assert refused(side, OPERATOR, side.bridge, deposit, INTENT, 5_000, OPERATOR) == ""
    assert refused(side, OPERATOR, side.bridge, deposit, INTENT, 1, OPERATOR).endswith("too little")
    assert refused(side, OPERATOR, side.bridge, deposit, INTENT, 5_000, NOBODY).endswith("no receiver")
    assert refused(side, OPERATOR, side.bridge, deposit, INTENT, OPERATOR_HOLDS + 1, OPERATOR).endswith("not enough")
