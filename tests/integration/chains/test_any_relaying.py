"""Random histories of two chains and of the relayer between them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.insight.chains.contracts import call
from engine.insight.chains.ground import BRIDGE_HOLDS, OPERATOR_HOLDS
from engine.insight.chains.relayer.relayer import Relayer
from engine.insight.chains.relayer.settings import RelayerSettings, settings_for
from tests.support.chains import OPERATOR, Pair

DEPTH = 3


class History:
    """What happens, by chance; blocks that counted stay."""

    def __init__(self, pair: Pair, settings: RelayerSettings, seed: int) -> None:
        self.pair = pair
        self.settings = settings
        self.chance = random.Random(seed)
        self.relayer = Relayer(settings)
        self.sides = (pair.ground.home, pair.ground.far)

    async def step(self) -> None:
        side = self.chance.choice(self.sides)
        chain = self.pair.chain(side)
        match self.chance.randrange(20):
            case 0 | 1 | 2:
                self.pair.deposit(side, self.chance.randrange(2, 1_000_000))
            case n if n < 10:
                chain.mine()
            case 10:
                chain.reorg(self.chance.randrange(1, DEPTH))
            case 11:
                await self.dies()
            case _:
                await self.relayer.walk()

    async def dies(self) -> None:
        """And lives again; now and then without its book."""
        await self.relayer.close()
        if self.chance.randrange(3) == 0:
            lose(self.settings)
        self.relayer = Relayer(self.settings)

    async def settle(self) -> None:
        """Nothing happens any more but blocks, until every release is deep."""
        for _ in range(4):
            for side in self.sides:
                self.pair.chain(side).mine(DEPTH)
            await self.relayer.walk()
        assert [self.pair.waiting(side) for side in self.sides] == [0, 0]
        await self.relayer.close()


def lose(settings: RelayerSettings) -> None:
    Path(settings.book).unlink(missing_ok=True)


@pytest.mark.parametrize("seed", [0, 4, 5])
async def test_whatever_happens_each_deposit_that_stays_is_released_once_and_nothing_else(
    pair: Pair, tmp_path: Path, seed: int
) -> None:
    settings = settings_for(pair.ground, DEPTH).model_copy(update={"book": str(tmp_path / "book.json")})
    far = pair.ground.far
    begins = call("transfer(address,uint256)", OPERATOR, OPERATOR_HOLDS)
    pair.far.receipts([pair.far.transact_from(pair.ground.whale, far.usd, begins)])
    for chain in (pair.home, pair.far):
        chain.mine(DEPTH)
    history = History(pair, settings, seed)
    for _ in range(120):
        await history.step()
    await history.settle()

    held = {"home": [OPERATOR_HOLDS, BRIDGE_HOLDS], "far": [OPERATOR_HOLDS, BRIDGE_HOLDS]}
    brought = 0
    for source, target in (history.sides, history.sides[::-1]):
        deposits, releases = pair.deposits(source), pair.releases(target)
        brought += len(releases)
        # Nothing was sent that the contract had to refuse.
        sent = pair.chain(target).rpc("eth_getTransactionCount", pair.ground.relayer, "latest")
        assert int(sent, 16) == len(releases)
        owed = sorted((e["id"], e["intent"], e["receiver"], e["arrives"]) for e in deposits)
        assert sorted((e["id"], e["intent"], e["receiver"], e["amount"]) for e in releases) == owed
        locked, released = sum(e["amount"] for e in deposits), sum(e["amount"] for e in releases)
        held[source.network][0] -= locked
        held[source.network][1] += locked
        held[target.network][0] += released
        held[target.network][1] -= released
    assert brought > 0
    now = pair.balances()
    assert {n: [now[n, "operator", "USDX"], now[n, "bridge", "USDX"]] for n in held} == held
