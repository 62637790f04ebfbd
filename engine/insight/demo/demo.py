"""The demonstration from its start to its exit code."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from engine.clock import monotonic_ms
from engine.errors import Exit, LockstepError
from engine.insight.demo.book import Book
from engine.insight.demo.follow import Follower
from engine.insight.demo.happening import Happening, Who
from engine.insight.demo.outcomes import latest
from engine.insight.demo.show import Show
from engine.insight.demo.stage import Stage, StageError
from engine.insight.demo.telling import Telling
from engine.insight.demo.trace import Trace, load
from engine.insight.demo.verdict import Firing, Judgement, judge
from engine.insight.facts import facts_of
from engine.store.redis_store import RedisStore
from engine.store.url import Endpoint

#: It ends within a minute, whatever happens.
PATIENCE_MS = 54_000
#: The rule after which the daemon is killed: the way back is then being waited for.
_KILL_AFTER = "far-liquidity-is-gone"
_LOOK_MS = 100


def run(console: Console | None = None) -> Exit:
    """Run it; what is seen goes to the terminal.

    Returns:
        OK if every outcome is as it must be, else PROBLEMS.
    """
    out = console or Console(highlight=False)
    began = monotonic_ms()
    try:
        with tempfile.TemporaryDirectory(prefix="lockstep-demo-") as directory, Stage(Path(directory)) as stage:
            return asyncio.run(_Demo(stage, load(), out, began).run())
    except LockstepError as error:
        out.print(f"{error.code} {error.message}", style="bold red", markup=False)
        return Exit.PROBLEMS


class _Demo:
    """One run."""

    def __init__(self, stage: Stage, trace: Trace, console: Console, began: int) -> None:
        self._stage = stage
        self._trace = trace
        self._console = console
        self._began = began
        self._killed_at_ms: int | None = None

    async def run(self) -> Exit:
        """Start everything, watch until both intents have come to something, judge."""
        async with RedisStore(Endpoint(path=self._stage.socket)) as store:
            telling = Telling()
            follower = Follower(store, telling)
            pid = self._stage.start_daemon()
            self._stage.start_executor()
            await self._until_ready(store)
            show = Show(self._console, await store.time_ms(), telling.news.decimals)
            show.headline(
                f"A daemon (pid {pid}) with rules/cross_network_swap.yaml, an executor that carries commands out, and a"
                " producer that replays rules/demo/trace.jsonl. They share nothing but Redis streams.\n"
            )
            self._stage.start_producer()
            has_ended = await self._watch(store, follower, show)
            return await self._judge(store, follower, show, has_ended)

    async def _until_ready(self, store: RedisStore) -> None:
        while not await store.revision_in_force():
            self._check_time("the daemon did not take its rules")
            await asyncio.sleep(_LOOK_MS / 1000)

    async def _watch(self, store: RedisStore, follower: Follower, show: Show) -> bool:
        """Shows what happens; False: it took too long."""
        while monotonic_ms() - self._began < PATIENCE_MS:
            for happening in await follower.since(_LOOK_MS):
                show.happened(happening)
            self._stage.check()
            if self._killed_at_ms is None and any(f.rule.endswith(_KILL_AFTER) for _, f in follower.fired()):
                await self._crash(store, show)
            if self._all_over(follower):
                for happening in await follower.since(0):
                    show.happened(happening)
                return True
        return False

    async def _crash(self, store: RedisStore, show: Show) -> None:
        """In the middle of a wait that decides where the money goes."""
        self._stage.kill_daemon()
        self._killed_at_ms = await store.time_ms()
        show.happened(Happening(self._killed_at_ms, Who.STAGE, "kill -9: the daemon is gone, with a deadline running"))
        pid = self._stage.start_daemon()
        text = f"another is started (pid {pid}); it leads once the lease of the dead one has run out"
        show.happened(Happening(await store.time_ms(), Who.STAGE, text))

    def _all_over(self, follower: Follower) -> bool:
        """Every intent has a final outcome, and the executor has nothing under way."""
        said = latest(follower.decisions)
        if any(intent not in said or said[intent].is_provisional for intent in self._trace.expect):
            return False
        return all(place != "in flight" for intent in self._trace.expect for place, _ in self._book().places(intent))

    async def _judge(self, store: RedisStore, follower: Follower, show: Show, has_ended: bool) -> Exit:
        intents = {fact.key[0]: fact.values async for fact in facts_of(store, "intent")}
        said = latest(follower.decisions)
        firings = follower.fired()
        book = self._book()
        judgements = [
            judge(o, self._trace.expect[o.intent], intents.get(o.intent), said.get(o.intent), book, firings)
            for o in self._trace.opening
        ]
        self._console.print()
        for judgement in judgements:
            show.judged(judgement)
        seconds = (monotonic_ms() - self._began) // 1000
        again = await asyncio.to_thread(self._stage.decide_again)
        remarks = [*self._remarks(judgements, book, firings), _said_again(again)]
        show.concluded(judgements, remarks, seconds)
        if not has_ended:
            show.failed(f"It did not end within {PATIENCE_MS // 1000} s.")
        if self._killed_at_ms is None:
            show.failed("The daemon was never killed: the moment for it did not come.")
        if not again["equal"]:
            show.failed(f"Decided again, it comes out otherwise: {again['first_difference']}")
        is_right = has_ended and self._killed_at_ms is not None and not any(j.problems for j in judgements)
        return Exit.OK if is_right and again["equal"] else Exit.PROBLEMS

    def _remarks(self, judgements: list[Judgement], book: Book, firings: list[Firing]) -> list[str]:
        """What the crash did not do, in figures."""
        if self._killed_at_ms is None:
            return []
        killed_at_ms = self._killed_at_ms
        made = [(command, decision) for j in judgements for command, (decision, _) in j.commands]
        effects = sum(book.carried_out.values())
        remarks = [f"Over the kill -9: {len(made)} commands were made in all, and {effects} took effect."]
        for began, rule in firings:
            if rule.rule.endswith(_KILL_AFTER):
                waits = [(c, d) for c, d in made if c.verb == "bridge_back" and d.at_ms > killed_at_ms]
                remarks += [
                    f"The wait began {killed_at_ms - began.at_ms} ms before it, and {c.verb} was decided for"
                    f" {d.at_ms - began.at_ms} ms after it began."
                    for c, d in waits
                ]
        return remarks

    def _book(self) -> Book:
        return Book.load(self._stage.book)

    def _check_time(self, otherwise: str) -> None:
        self._stage.check()
        if monotonic_ms() - self._began > PATIENCE_MS:
            raise StageError("X142", otherwise)


def _said_again(again: dict[str, Any]) -> str:
    counts = f"{again['entries']} entries, {again['decisions']} decisions, {again['commands']} commands"
    word = "equal to the byte" if again["equal"] else "DIFFERENT"
    return f"Decided again from the journal alone (lockstep replay): {word}; {counts}."
