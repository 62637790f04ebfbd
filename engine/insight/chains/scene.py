"""What an act has in its hands: the chains, a way to ask for things, and patience until something is to be seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from engine.clock import monotonic_ms
from engine.insight.chains.anvil import Anvil
from engine.insight.chains.contracts import call
from engine.insight.chains.ground import Ground, read
from engine.insight.chains.show import ChainShow
from engine.insight.chains.stage import ChainStage
from engine.insight.chains.telling import DECIMALS, ChainTelling, Known
from engine.insight.demo.amounts import shown
from engine.insight.demo.client import Client
from engine.insight.demo.follow import Follower
from engine.insight.demo.happening import Happening, Who
from engine.insight.demo.outcomes import Outcome, latest
from engine.insight.demo.stage import StageError
from engine.store.redis_store import RedisStore

#: What each intent brings, in base units of USDX.
AMOUNT: Final = 75_000 * 10**6
#: An intent takes so many hundredths of a percent less than the pool would pay when it is asked for.
_SLIPPAGE_BPS: Final = 50
_LOOK_MS: Final = 100
_START_WITHIN_MS: Final = 60_000
_DEADLINE_MS: Final = 600_000
_ANSWER_S: Final = 30
_QUOTE: Final = "quote(address,uint256) returns (uint256)"
_SWAP: Final = "swap(bytes32,address,uint256,uint256,address,uint256)"
_FOREVER: Final = 2**64
_T = TypeVar("_T")


@dataclass
class Scene:
    """The stage as the acts see it."""

    stage: ChainStage
    store: RedisStore
    client: Client
    telling: ChainTelling
    follower: Follower
    show: ChainShow
    #: What was not as it must be, in sentences.
    problems: list[str] = field(default_factory=list)

    @property
    def known(self) -> Known:
        """What has been read so far."""
        return self.telling.known

    @property
    def ground(self) -> Ground:
        """What is on the chains."""
        return self.stage.ground

    # -- asking --------------------------------------------------------------------
    async def ask(self, intent: str) -> None:
        """An intent arrives through Redis, as from any service: swap so much, for nearly its worth."""
        ground, now = self.ground, await self.store.time_ms()
        arrives = AMOUNT * (10_000 - ground.bridge_fee_bps) // 10_000
        (pays,) = read(ground.far.url, ground.far.pool, _QUOTE, ground.far.usd, arrives)
        if not isinstance(pays, int):
            raise StageError("X145", f"the pool quotes {pays!r}", "report this")
        said = {
            "id": intent,
            "kind": "chain-swap",
            "source": ground.home.network,
            "target": ground.far.network,
            "asset_in": "USDX",
            "asset_out": "ETHX",
            "amount": str(AMOUNT),
            "min_out": str(pays * (10_000 - _SLIPPAGE_BPS) // 10_000),
            "start_by": now + _START_WITHIN_MS,
            "deadline": now + _DEADLINE_MS,
        }
        self.client.assert_fact("desk", "intent", said, now)

    async def say(self, text: str, who: Who = Who.STAGE) -> None:
        """A line of the stage's own."""
        self.show.happened(Happening(await self.store.time_ms(), who, text))

    def must(self, holds: bool, otherwise: str) -> None:
        """Notes a problem if it does not hold."""
        if not holds:
            self.problems.append(otherwise)
            self.show.failed(otherwise)

    # -- waiting -------------------------------------------------------------------
    async def until(self, seconds: int, what: str, is_so: Callable[[], object]) -> None:
        """Shows what happens until something is so.

        Args:
            seconds: so long it may take.
            what: is waited for, in words.
            is_so: asked again after everything that happens.

        Raises:
            StageError: X144, it did not come; X141, something ended that must not have.
        """
        ends = monotonic_ms() + seconds * 1000
        while not is_so():
            await self.look()
            if monotonic_ms() > ends:
                raise StageError(
                    "X144", f"waited {seconds} s in vain for this: {what}", "the lines above say how far it came"
                )

    async def meanwhile(self, what: str, does: Callable[[], _T]) -> _T:
        """Has something done that takes its time, and goes on showing what happens; its result.

        Raises:
            StageError: X144, it takes longer than 30 s.
        """
        doing = asyncio.create_task(asyncio.to_thread(does))
        await self.until(_ANSWER_S, what, doing.done)
        return doing.result()

    async def look(self) -> None:
        """Shows what has happened since."""
        for happening in await self.follower.since(_LOOK_MS):
            self.show.happened(happening)
        self.stage.check()

    def outcome(self, intent: str) -> Outcome | None:
        """The verdict that stands."""
        return latest(self.follower.decisions).get(intent)

    def moved(self, intent: str, purpose: str, network: str, depth: int = 1) -> bool:
        """Whether a transfer is there, so many blocks deep."""
        found = self.known.transfers.get((intent, purpose, network))
        return found is not None and int(found["depth"]) >= depth

    def height_at(self, command: str) -> int:
        """Of the source network, as the decision read it that made the command.

        Raises:
            StageError: X145, the audit does not say.
        """
        for _, fired in self.follower.fired():
            if any(each.id == command for each in fired.commands):
                heights = [int(fact.values["height"]) for fact in fired.facts if fact.alias == "src"]
                if heights:
                    return heights[0]
        raise StageError("X145", f"the audit does not say at which height {command} was decided", "report this")

    async def ended(self, intent: str, seconds: int) -> None:
        """Until a verdict stands for good."""

        def is_final() -> bool:
            outcome = self.outcome(intent)
            return outcome is not None and not outcome.is_provisional

        await self.until(seconds, f"a final verdict on {intent}", is_final)
        # The journal is read before the audit: what the verdict rests on may still be to be told.
        await self.look()

    async def why_not(self, intent: str, step: str) -> str:
        """Asks why a step waits, as anybody would, and shows it; the reason of the first term that is not met."""
        name = f"swap-across.{step}"
        words = ("why-not", name, f"i={intent}")
        answer: dict[str, Any] = await self.meanwhile("an answer of why-not", lambda: self.stage.asked(*words))
        for candidate in answer["candidates"]:
            if candidate["first"] is not None:
                reason, unmet = _first_unmet(candidate["terms"][candidate["first"]])
                await self.say(f"lockstep why-not {name} i={intent}: {reason}: {unmet}", Who.WAITS)
                return reason
        await self.say(f"lockstep why-not {name} i={intent}: nothing is missing", Who.WAITS)
        return ""

    # -- what acts do to the world -------------------------------------------------
    async def whale_swaps(self, token: str, amount: int) -> int:
        """The whale trades on the far side, in a transaction of its own; what it got, in base units."""
        far, whale = self.ground.far, self.ground.whale
        gives, gets = ("USDX", "ETHX") if token == far.usd else ("ETHX", "USDX")
        before = self.held_by_whale(gets)
        data = call(_SWAP, "0x" + bytes(32).hex(), token, amount, 0, whale, _FOREVER)
        await self.meanwhile("the whale's block", lambda: self._mined(self.stage.far, far.pool, data))
        got = self.held_by_whale(gets) - before
        paid, drawn = shown(amount, gives, DECIMALS), shown(got, gets, DECIMALS)
        await self.say(f"a whale swaps {paid} for {drawn} in the pool on {far.network}")
        return got

    def held_by_whale(self, asset: str) -> int:
        """What the whale holds of a token on the far side, in base units."""
        far = self.ground.far
        token = far.usd if asset == "USDX" else far.eth
        (amount,) = read(far.url, token, "balanceOf(address) returns (uint256)", self.ground.whale)
        return int(str(amount))

    def _mined(self, chain: Anvil, to: str, data: str) -> None:
        chain.receipts([chain.transact_from(self.ground.whale, to, data, gas=500_000)])


def _first_unmet(term: dict[str, Any]) -> tuple[str, str]:
    """The reason of a term, and what of it is false, with what it read."""
    conditions = [*term["conditions"], *(c for near in term["near"] for c in near["conditions"])]
    false = [c for c in conditions if c["holds"] is False]
    reads = ", ".join(f"{r['name']} = {r['text']}" for c in false[:1] for r in c["reads"])
    text = f"{false[0]['text']}" if false else term["title"]
    return str(term["reason"] or ""), f"{text} ({reads})" if reads else text
