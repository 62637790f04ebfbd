"""What is laid out on two chains, and how."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest

from engine.insight.chains.anvil import Anvil
from engine.insight.chains.contracts import compiled
from engine.insight.chains.ground import Ground, contract_address
from engine.insight.chains.problems import ChainError
from tests.support.chains import OPERATOR, Pair, one

USD, ETH = 10**6, 10**18


def test_laying_out_gives_the_promised_balances(pair: Pair) -> None:
    held = {where: amount for where, amount in pair.balances().items() if amount}
    assert held == {
        ("home", "operator", "USDX"): 1_000_000 * USD,
        ("home", "pool", "USDX"): 4_800_000 * USD,
        ("home", "pool", "ETHX"): 1_600 * ETH,
        ("home", "bridge", "USDX"): 5_000_000 * USD,
        ("far", "pool", "USDX"): 48_000_000 * USD,
        ("far", "pool", "ETHX"): 16_000 * ETH,
        ("far", "bridge", "USDX"): 5_000_000 * USD,
        ("far", "whale", "USDX"): 4_800_000_000 * USD,
        ("far", "whale", "ETHX"): 16_000 * ETH,
    }
    for chain in (pair.home, pair.far):
        assert int(chain.rpc("eth_getBalance", OPERATOR, "latest"), 16) > 999 * ETH
        assert chain.height == 2


def test_contracts_say_what_the_ground_says(pair: Pair) -> None:
    for side in (pair.ground.home, pair.ground.far):
        assert one(side.url, side.pool, "token0() returns (address)") == side.usd
        assert one(side.url, side.pool, "token1() returns (address)") == side.eth
        assert one(side.url, side.pool, "fee_bps() returns (uint256)") == pair.ground.pool_fee_bps
        assert one(side.url, side.bridge, "token() returns (address)") == side.usd
        assert one(side.url, side.bridge, "fee_bps() returns (uint256)") == pair.ground.bridge_fee_bps
        assert one(side.url, side.bridge, "relayer() returns (address)") == pair.ground.relayer
        assert one(side.url, side.bridge, "available() returns (uint256)") == 5_000_000 * USD
        for spender in (side.pool, side.bridge):
            left = one(side.url, side.usd, "allowance(address,address) returns (uint256)", OPERATOR, spender)
            assert left == 2**256 - 1


def test_it_is_the_same_each_time_whatever_the_chains_pace(pair: Pair) -> None:
    other = Pair.laid_out(Anvil(31_001, ()).start(), Anvil(31_002, ()).start())
    try:
        assert _placeless(other.ground) == _placeless(pair.ground)
        assert other.balances() == pair.balances()
    finally:
        other.stop()
    addresses = [a for s in (pair.ground.home, pair.ground.far) for a in (s.usd, s.eth, s.pool, s.bridge)]
    assert len({*addresses}) == 8


def _placeless(ground: Ground) -> Ground:
    return replace(ground, home=replace(ground.home, url=""), far=replace(ground.far, url=""))


def test_a_chain_that_mines_by_itself_is_waited_for() -> None:
    chain = Anvil(options=("--block-time", "1")).start()
    try:
        code = compiled("token").creation("constructor(string,string,uint8)", "T", "T", 3)
        address = chain.deploy(code)
        assert address == contract_address(chain.accounts[0], 0)
        assert one(chain.url, address, "decimals() returns (uint8)") == 3
    finally:
        chain.stop()


def test_a_transaction_that_reverts_is_an_error_that_names_it(anvil: Anvil) -> None:
    with pytest.raises(ChainError, match=r"X155 transaction 0x[0-9a-f]{64} reverted"):
        anvil.deploy("0xfe")


def test_a_node_that_refuses_or_is_not_there_is_told_with_its_words(anvil: Anvil) -> None:
    with pytest.raises(ChainError, match=r"X154 eth_nothing: .*not found"):
        anvil.rpc("eth_nothing")
    anvil.stop()
    with pytest.raises(ChainError, match=r"X154 eth_chainId: the node at http://127\.0\.0\.1:[0-9]+ does not answer"):
        anvil.rpc("eth_chainId")


def test_a_node_that_does_not_start_says_why() -> None:
    with pytest.raises(ChainError, match=r"X153 anvil ended with 2: .*--no-such-word"):
        Anvil(options=("--no-such-word",)).start()


def test_a_node_that_ended_by_itself_is_noticed(anvil: Anvil) -> None:
    anvil.check()
    os.kill(anvil.pid, signal.SIGKILL)
    os.waitid(os.P_PID, anvil.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(ChainError, match="X153 anvil of chain 31337 ended with -9"):
        anvil.check()
