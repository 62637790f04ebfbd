"""The demonstration on live chains, from its start to its exit code."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

from rich.console import Console

from engine.clock import monotonic_ms
from engine.errors import Exit, LockstepError
from engine.insight.chains.accounts import Balances, kept_by_bridges, rows, wrong
from engine.insight.chains.acts import ACTS, Act
from engine.insight.chains.effects import effects
from engine.insight.chains.ground import balances
from engine.insight.chains.scene import Scene
from engine.insight.chains.show import ChainShow
from engine.insight.chains.stage import RELAYER_DEPTH, ChainStage
from engine.insight.chains.telling import ChainTelling
from engine.insight.coordinations.reading import known_cases
from engine.insight.coordinations.telling import as_dict
from engine.insight.demo.client import Client
from engine.insight.demo.follow import Follower
from engine.store.redis_store import RedisStore
from engine.store.url import Endpoint

#: Blocks after which the pack believes an event: its default.
DEPTH: Final = 4
_READY_S: Final = 60


def run(acts: Sequence[Act] = ACTS, console: Console | None = None) -> Exit:
    """Plays these acts, one after another; what is seen goes to the terminal.

    Returns:
        OK if every act came to what it must, and all accounts agree to the unit; else PROBLEMS.
    """
    out = console or Console(highlight=False)
    began = monotonic_ms()
    # What started processes must end them, however it is asked to stop.
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="lockstep-chains-") as directory:
            out.print("Two chains of a block a second are started, and contracts laid out on them.", style="dim")
            with ChainStage(Path(directory), DEPTH) as stage:
                stage.lay_out()
                return asyncio.run(_Play(stage, acts, out, began).run())
    except LockstepError as error:
        out.print(f"{error.code} {error.message}", style="bold red", markup=False)
        if error.hint:
            out.print(f"hint: {error.hint}", markup=False)
        return Exit.PROBLEMS
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class _Play:
    """One run."""

    def __init__(self, stage: ChainStage, acts: Sequence[Act], console: Console, began: int) -> None:
        self._stage = stage
        self._acts = acts
        self._console = console
        self._began = began

    async def run(self) -> Exit:
        """Starts everything, plays the acts one after another, and settles the accounts."""
        stage = self._stage
        async with RedisStore(Endpoint(path=stage.socket)) as store:
            before = balances(stage.ground)
            telling = ChainTelling(DEPTH)
            show = ChainShow(self._console, await store.time_ms())
            daemon, relayer = stage.start_daemon(), stage.start_relayer()
            show.opening(stage.ground, daemon, relayer, DEPTH, RELAYER_DEPTH)
            with Client(stage.socket) as client:
                scene = Scene(stage, store, client, telling, Follower(store, telling), show)
                heads = telling.known.base_fee
                await scene.until(_READY_S, "news of both chains", lambda: len(heads) == 2)
                show.begins(await store.time_ms())
                for act in self._acts:
                    show.act(act.number, act.title, act.about)
                    await act.play(scene, act.intent)
                    self._judge(scene, act)
            return await self._settle(scene, before)

    def _judge(self, scene: Scene, act: Act) -> None:
        outcome = scene.outcome(act.intent)
        came_to = "nothing" if outcome is None else f"{outcome.verdict} {outcome.reason}".strip()
        wanted = f"{act.verdict} {act.reason}".strip()
        scene.must(came_to == wanted, f"{act.intent} came to {came_to}, and must come to {wanted}")

    async def _settle(self, scene: Scene, before: Balances) -> Exit:
        ground = self._stage.ground
        after = await asyncio.to_thread(balances, ground)
        known = await known_cases(scene.store)
        told: list[dict[str, Any]] = sorted((as_dict(each) for each in known), key=lambda one: one["started_at"])
        caused = await asyncio.to_thread(effects, ground)
        for problem in wrong(before, after, told, caused):
            scene.must(False, problem)
        again = await asyncio.to_thread(self._stage.decide_again)
        scene.must(again["equal"], f"decided again, it comes out otherwise: {again['first_difference']}")
        seconds = (monotonic_ms() - self._began) // 1000
        kept = kept_by_bridges(before, after)
        scene.show.settled(told, rows(before, after, told), kept, again, scene.problems, seconds)
        return Exit.PROBLEMS if scene.problems else Exit.OK
