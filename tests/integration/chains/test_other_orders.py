"""The pack on live chains where things go wrong in other orders than the demonstration's: every account agrees."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable

import pytest
from rich.console import Console

from engine.errors import Exit
from engine.insight.chains.acts import Act
from engine.insight.chains.anvil import Anvil
from engine.insight.chains.contracts import call
from engine.insight.chains.ground import read
from engine.insight.chains.play import run
from engine.insight.chains.scene import Scene

WAIT_S = 120
DRAIN = 12_000_000 * 10**6
SWAP = "swap(bytes32,address,uint256,uint256,address,uint256)"


async def until_arrived(scene: Scene, intent: str, depth: int = 1) -> None:
    await scene.until(WAIT_S, "the arrival", lambda: scene.moved(intent, "bridge", "far", depth))


async def until_sent(scene: Scene, intent: str, verb: str) -> None:
    """A node has the transaction of the newest such command."""

    def is_sent() -> bool:
        made = scene.known.commanded(intent, verb)
        return bool(made) and made[-1] in scene.known.transactions

    await scene.until(WAIT_S, f"the transaction of {verb}", is_sent)


def take_back(scene: Scene, chain: Anvil, intent: str, purpose: str, network: str) -> None:
    """Reorganises the block of a transfer away, and one more, for a block may come between look and deed."""
    chain.reorg(chain.height - int(scene.known.transfers[intent, purpose, network]["height"]) + 2)


async def drained_in_the_block_of_the_swap(scene: Scene, intent: str) -> None:
    far, ground = scene.stage.far, scene.ground
    await scene.ask(intent)
    await until_arrived(scene, intent, 3)
    await scene.until(WAIT_S, "the swap", lambda: scene.known.commanded(intent, "far.swap"))
    far.rpc("evm_setIntervalMining", 0)
    await until_sent(scene, intent, "far.swap")
    data = call(SWAP, "0x" + bytes(32).hex(), ground.far.usd, DRAIN, 0, ground.whale, 2**64)
    whale = {"from": ground.whale, "to": ground.far.pool, "data": data, "gas": hex(500_000)}
    dear = {"maxFeePerGas": hex(50 * 10**9), "maxPriorityFeePerGas": hex(20 * 10**9)}
    before = scene.held_by_whale("ETHX")
    far.rpc("eth_sendTransaction", whale | dear)
    far.mine()
    far.rpc("evm_setIntervalMining", 1)
    await scene.ended(intent, WAIT_S)
    scene.must("failed" in scene.known.steps[intent, "swap"], "the swap did not revert")
    await scene.whale_swaps(ground.far.eth, scene.held_by_whale("ETHX") - before)


async def arrival_taken_back(scene: Scene, intent: str) -> None:
    await scene.ask(intent)
    await until_arrived(scene, intent)
    take_back(scene, scene.stage.far, intent, "bridge", "far")
    await scene.ended(intent, WAIT_S)


async def bridge_paused(scene: Scene, intent: str) -> None:
    home, bridge = scene.stage.home, scene.ground.home.bridge
    owner = str(read(home.url, bridge, "owner() returns (address)")[0])
    home.receipts([home.transact_from(owner, bridge, call("set_paused(bool)", True))])
    await scene.ask(intent)
    await scene.until(WAIT_S, "a second try", lambda: len(scene.known.commanded(intent, "home.bridge")) > 1)
    home.receipts([home.transact_from(owner, bridge, call("set_paused(bool)", False))])
    await scene.ended(intent, WAIT_S)
    scene.must("refused" in scene.known.steps[intent, "bridge"], "the paused bridge took a deposit")


async def swap_taken_back(scene: Scene, intent: str) -> None:
    await scene.ask(intent)
    await scene.until(WAIT_S, "the swap", lambda: scene.moved(intent, "swap", "far"))
    take_back(scene, scene.stage.far, intent, "swap", "far")
    await scene.until(WAIT_S, "no verdict", lambda: "unconfirmed" in scene.known.steps[intent, "swap"])
    await scene.ended(intent, WAIT_S)


async def return_taken_back_on_both_sides(scene: Scene, intent: str) -> None:
    await scene.ask(intent)
    await until_arrived(scene, intent)
    got = await scene.whale_swaps(scene.ground.far.usd, DRAIN)
    await scene.until(WAIT_S, "the return", lambda: scene.moved(intent, "refund", "home"))
    take_back(scene, scene.stage.far, intent, "deposit", "far")
    take_back(scene, scene.stage.home, intent, "refund", "home")
    await scene.ended(intent, WAIT_S)
    await scene.whale_swaps(scene.ground.far.eth, got)


async def daemon_and_relayer_killed(scene: Scene, intent: str) -> None:
    stage = scene.stage

    def kill_daemon() -> None:
        stage.kill_daemon()
        stage.start_daemon()

    await scene.ask(intent)
    await until_sent(scene, intent, "home.bridge")
    stage.kill_relayer()
    kill_daemon()
    stage.start_relayer()
    await until_arrived(scene, intent)
    kill_daemon()
    await scene.until(WAIT_S, "the swap", lambda: scene.known.commanded(intent, "far.swap"))
    kill_daemon()
    await scene.ended(intent, WAIT_S)


async def two_at_once_and_one_told_twice(scene: Scene, intent: str) -> None:
    other = f"{intent}-too"
    for each in (intent, intent, other):
        await scene.ask(each)
    await scene.ended(intent, WAIT_S)
    await scene.ended(other, WAIT_S)


COMPLETED, REFUNDED = ("COMPLETED", ""), ("REFUNDED", "FAR_LIQUIDITY_LOST")
ORDERS: dict[Callable[[Scene, str], Awaitable[None]], tuple[str, str]] = {
    drained_in_the_block_of_the_swap: REFUNDED,
    arrival_taken_back: COMPLETED,
    bridge_paused: COMPLETED,
    swap_taken_back: COMPLETED,
    return_taken_back_on_both_sides: REFUNDED,
    daemon_and_relayer_killed: COMPLETED,
    two_at_once_and_one_told_twice: COMPLETED,
}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_whatever_goes_wrong_when_every_account_agrees_to_the_unit() -> None:
    acts = [
        Act(number, play.__name__, "", f"order-{number}", verdict, reason, play)
        for number, (play, (verdict, reason)) in enumerate(ORDERS.items(), 1)
    ]
    out = io.StringIO()
    assert run(acts, Console(file=out, width=140)) is Exit.OK, out.getvalue()
    assert f"order-{len(acts)}-too: COMPLETED" in out.getvalue()
