"""Balances and pools, as they were at exactly one block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.anvil import Anvil
from tests.support.contracts import call, compiled
from tests.support.evm_watch import Watched

Watching = Callable[..., Watched]
OWNER = "0x" + "ab" * 20


async def test_balances_are_told_to_the_last_unit(anvil: Anvil, watching: Watching) -> None:
    token = anvil.deploy(compiled("token").bytecode)
    anvil.transact(token, call("mint(address,uint256)", OWNER, 2**200 + 1))
    anvil.transact(OWNER, value=10**18 + 7)
    anvil.mine()
    balances = [
        {"address": OWNER, "owner": "desk", "asset": "eth"},
        {"address": OWNER, "owner": "desk", "asset": "usdc", "token": token},
    ]
    watched = watching(balances=balances)
    await watched.look()
    head = anvil.block()
    stands = {"network": "alpha", "owner": "desk", "height": "2", "block_hash": head["hash"]}
    assert watched.notebook.facts("balance") == [
        {**stands, "asset": "eth", "amount": str(10**18 + 7)},
        {**stands, "asset": "usdc", "amount": str(2**200 + 1)},
    ]


async def test_a_pool_is_told_as_what_it_holds_of_each_asset(anvil: Anvil, watching: Watching) -> None:
    pool = anvil.deploy(compiled("pool").bytecode)
    anvil.transact(pool, call("set_reserves(uint112,uint112)", 2**100, 16_000))
    anvil.mine()
    watched = watching(pools=[{"venue": "dex", "address": pool, "assets": ["usdc", "weth"], "fee": "25"}])
    await watched.look()
    usdc, weth = watched.notebook.facts("liquidity")
    assert (usdc["asset"], usdc["available"], usdc["fee"]) == ("usdc", str(2**100), "25")
    assert (weth["asset"], weth["available"]) == ("weth", "16000")
    assert (weth["against"], weth["against_available"]) == ("usdc", str(2**100))


async def test_a_balance_of_a_removed_block_is_replaced_by_that_of_the_new_one(
    anvil: Anvil, watching: Watching
) -> None:
    watched = watching(balances=[{"address": OWNER, "asset": "eth"}])
    anvil.mine()
    anvil.transact(OWNER, value=5)
    anvil.mine(3)
    await watched.look()
    assert watched.notebook.fact("balance")["amount"] == "5"
    anvil.reorg(3)
    await watched.look()
    assert watched.notebook.fact("balance")["amount"] == "0"
    assert watched.notebook.fact("balance")["block_hash"] == anvil.block()["hash"]


async def test_a_contract_that_does_not_answer_keeps_nothing_else_back(
    anvil: Anvil, watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = "0x" + "77" * 20
    configured: dict[str, Any] = {
        "balances": [{"address": OWNER, "asset": "usdc", "token": nobody}, {"address": OWNER, "asset": "eth"}],
        "pools": [{"venue": "dex", "address": nobody, "assets": ["usdc", "weth"]}],
    }
    watched = watching(**configured)
    for _ in range(3):
        anvil.mine()
        await watched.look()
    assert [fact["asset"] for fact in watched.notebook.facts("balance")] == ["eth"]
    assert watched.notebook.facts("liquidity") == []
    assert sum("is not told" in line for line in caplog.messages) == 2
    assert watched.notebook.fact("network")["state"] == "ok"
