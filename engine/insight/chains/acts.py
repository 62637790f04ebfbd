"""The four acts. Each asks for a swap, does something to the world, and says what must have come of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from engine.insight.chains.scene import Scene
from engine.insight.chains.telling import short

#: Wei. The start waits above the pack's cap.
CAP: Final = 30 * 10**9
_SPIKE: Final = 100 * 10**9
#: USDX that the whale swaps in: it takes a fifth of the ETHX, and what the pool pays falls to two thirds.
_DRAIN: Final = 12_000_000 * 10**6
#: Seconds that an act may take from a step to the next, on a slow machine.
_SOON, _LONG = 40, 90
_BRIDGE, _SWAP, _BACK = "home.bridge", "far.swap", "far.bridge_back"


@dataclass(frozen=True, slots=True)
class Act:
    """One act.

    Attributes:
        number: from 1.
        title: what it shows.
        about: what to look for, in two sentences.
        intent: that it is about.
        verdict: it must come to.
        reason: of the verdict.
        play: does it.
    """

    number: int
    title: str
    about: str
    intent: str
    verdict: str
    reason: str
    play: Callable[[Scene, str], Awaitable[None]]


async def _all_goes_well(scene: Scene, intent: str) -> None:
    await scene.ask(intent)
    await scene.ended(intent, _LONG)


async def _gas_spikes(scene: Scene, intent: str) -> None:
    await asyncio.to_thread(scene.stage.home.rpc, "anvil_setNextBlockBaseFeePerGas", hex(_SPIKE))
    await scene.until(_SOON, "a dear block at home", lambda: scene.known.base_fee.get("home", 0) > CAP)
    await scene.ask(intent)
    await scene.until(_SOON, "the intent is taken up", lambda: (intent, "bridge") in scene.known.steps)
    reason = await scene.why_not(intent, "bridge")
    scene.must(reason == "GAS_CAP", f"{intent} waits for {reason or 'nothing'}, and must wait for GAS_CAP")
    await scene.until(_LONG, "the start of the bridge", lambda: scene.known.commanded(intent, _BRIDGE))
    height = scene.height_at(scene.known.commanded(intent, _BRIDGE)[0])
    fees = [await asyncio.to_thread(_base_fee, scene, each) for each in (height - 1, height)]
    scene.must(max(fees) <= CAP, f"{intent} started at base fees of {fees} wei at the heights up to {height}")
    await scene.ended(intent, _LONG)


async def _the_pool_is_drained(scene: Scene, intent: str) -> None:
    far = scene.ground.far
    await scene.ask(intent)
    await scene.until(_SOON, "the arrival", lambda: scene.moved(intent, "bridge", "far"))
    got = await scene.whale_swaps(far.usd, _DRAIN)
    await scene.until(_SOON, "the gate", lambda: "confirmed" in scene.known.steps[intent, "bridge"])
    await scene.why_not(intent, "swap")
    await scene.ended(intent, _LONG)
    scene.must(not scene.moved(intent, "swap", "far"), f"{intent} was swapped all the same")
    scene.must(len(scene.known.commanded(intent, _BACK)) == 1, f"{intent} was not sent home by one command")
    await scene.whale_swaps(far.eth, got)


async def _the_source_is_reorganised(scene: Scene, intent: str) -> None:
    await scene.ask(intent)
    await scene.until(_SOON, "the arrival", lambda: scene.moved(intent, "bridge", "far"))
    deposit = scene.known.transfers[intent, "deposit", "home"]
    home = scene.stage.home
    # One block more than it takes, for one may come before the node has heard of it.
    depth = await asyncio.to_thread(lambda: home.height) - int(deposit["height"]) + 2
    await scene.say(f"the last {depth} blocks of home are replaced by empty ones; the deposit was in one of them")
    await asyncio.to_thread(home.reorg, depth)
    await scene.until(_SOON, "the step is unconfirmed", lambda: "unconfirmed" in scene.known.steps[intent, "bridge"])
    scene.must(not scene.known.commanded(intent, _SWAP), f"{intent} was swapped on a deposit that might go")
    await scene.until(_SOON, "the deposit comes again", lambda: scene.moved(intent, "deposit", "home"))
    scene.must(not scene.known.commanded(intent, _SWAP), f"{intent} was swapped on a deposit that was no more")
    again = scene.known.transfers[intent, "deposit", "home"]
    is_same = again["tx"] == deposit["tx"] and again["block_hash"] != deposit["block_hash"]
    scene.must(
        is_same, f"{deposit['tx']} in {deposit['block_hash']} came again as {again['tx']} in {again['block_hash']}"
    )
    await scene.say(f"it is the same transaction, {short(again['tx'])}, in another block")
    await scene.ended(intent, _LONG)


def _base_fee(scene: Scene, height: int) -> int:
    return int(scene.stage.home.block(height)["baseFeePerGas"], 16)


ACTS: Final = (
    Act(
        1,
        "all goes well",
        "75,000 USDX leave home over the bridge and are swapped for ETHX in the far pool. The swap waits until deposit"
        " and release both lie deep enough.",
        "swap-1",
        "COMPLETED",
        "",
        _all_goes_well,
    ),
    Act(
        2,
        "gas spikes, and the start waits",
        "A block at home costs 100 gwei, and nothing starts above 30. The start waits until two blocks in a row were"
        " below that.",
        "swap-2",
        "COMPLETED",
        "",
        _gas_spikes,
    ),
    Act(
        3,
        "the far pool is drained while the value crosses, and it comes home",
        "A whale takes a fifth of the far pool when the value has just arrived. It would now be paid less than it asks"
        " for, and when that has been so for 12 seconds it goes home.",
        "swap-3",
        "REFUNDED",
        "FAR_LIQUIDITY_LOST",
        _the_pool_is_drained,
    ),
    Act(
        4,
        "the block of the deposit is reorganised away before the gate",
        "The relayer is quick and pays what is 2 blocks deep. Then home takes back the block of the deposit, and"
        " nothing is swapped on what is no more.",
        "swap-4",
        "COMPLETED",
        "",
        _the_source_is_reorganised,
    ),
)
