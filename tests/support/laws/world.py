"""The virtual world of scenario tests, with three things more.

Somebody watches each step, a commit may take several decisions, and dispatch may be held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from engine.cli.playing import daemon_machinery
from engine.coordination.case import Case
from engine.coordination.driver import Driver
from engine.insight.scenario.history import Made
from engine.insight.scenario.world import World
from engine.matching.fact import Fact
from engine.model.kinds import FINAL_STATUSES
from tests.support.laws.plans import Pack

START_MS: Final = 1_800_000_000_000
Watch = Callable[["LawWorld"], None]


@cache
def _machinery() -> Any:  # noqa: ANN401 - as the program makes it
    return daemon_machinery()


class LawWorld(World):
    """One story's world.

    Attributes:
        pack: what is in force.
        is_held: dispatch takes nothing: commands stay queued.
        watch: looks after each commit.
    """

    def __init__(self, pack: Pack, watch: Watch | None = None) -> None:
        self.pack = pack
        self.is_held = False
        self.watch = watch
        self._skips = 0
        super().__init__(pack.base, _machinery(), START_MS)

    # -- what differs from a scenario --------------------------------------------------
    def enter_uncommitted(self, fields: Mapping[str, str]) -> None:
        """One entry whose decision is committed together with the next."""
        self._skips = 1
        self.enter(fields)
        self._skips = 0

    def _commit(self) -> None:
        if self._skips:
            self._skips -= 1
            return
        super()._commit()
        if self.watch is not None and hasattr(self, "engine"):
            self.watch(self)

    def _dispatch(self) -> bool:
        return not self.is_held and super()._dispatch()

    # -- time ------------------------------------------------------------------------------
    def come_to(self, at_ms: int) -> None:
        """The end of the present instant, and everything due before ``at_ms``."""
        if at_ms <= self.at_ms:
            return
        self.finish()
        while (due := self.next_due()) is not None and due < at_ms:
            self.reach(max(due, self.at_ms))
            self.finish()
        self.reach(at_ms)

    # -- looking ---------------------------------------------------------------------------
    @property
    def driver(self) -> Driver:
        """Of the coordinations."""
        driver = self.engine.driver
        assert isinstance(driver, Driver)
        return driver

    @property
    def cases(self) -> list[Case]:
        """All coordinations."""
        return list(self.driver.cases.values())

    def facts(self, kind: str) -> list[dict[str, Any]]:
        """The living facts of a kind, by field."""
        memory = self.engine.base.memories[kind]
        return [self.row(fact) for fact in memory.facts.values()]

    def row(self, fact: Fact) -> dict[str, Any]:
        """A fact by field."""
        return {name: fact.values[position] for name, position in fact.memory.kind.positions.items()}

    def is_open(self, made: Made) -> bool:
        """Whether a command may still have an effect, as far as its reports tell."""
        return self.status(made.id) not in {*FINAL_STATUSES, "gone"}

    @property
    def kept(self) -> tuple[Mapping[bytes, bytes], Mapping[bytes, bytes], Mapping[str, str]]:
        """Everything that is committed: facts, what is active, meta."""
        return self._stored.facts, self._stored.active, self._stored.meta
