"""A rule base that somebody has stored is read and compiled beside the loop, before it is asked for.

The order to put it in force then finds it ready: what is left to do in its place in the journal is to go over to it.
Nothing is decided by this, and an order that comes before it is done, or for another revision, is followed as ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from engine.errors import LockstepError, StoreError
from engine.matching.compiled import CompiledRule
from engine.matching.guards import compile_rule
from engine.model.rules import RuleBase
from engine.packs.bundle import load_blob
from engine.packs.changes import compare
from engine.runtime.logging import logger
from engine.runtime.rounds import Rounds

_LOG: Final = logger("preparing")


@dataclass(frozen=True, slots=True)
class Ready:
    """A rule base as the engine takes it.

    Attributes:
        rulebase: as stored.
        compiled: its rules as functions.
        against: the revision it was compared with.
        changes: what it brings against that, as the audit says it.
    """

    rulebase: RuleBase
    compiled: dict[str, CompiledRule]
    against: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InForce:
    """What decides now: nothing of it changes while it is read in another thread."""

    rulebase: RuleBase
    compiled: Mapping[str, CompiledRule]


def make_ready(blob: bytes, now: InForce) -> Ready:
    """Read a stored rule base, and compile what is not the same as now: a third of a millisecond a rule.

    Raises:
        PackError: it does not load in this version of the engine.
    """
    rulebase = load_blob(blob)
    compiled: dict[str, CompiledRule] = {}
    for rule in rulebase.rules:
        made = now.compiled.get(rule.name)
        compiled[rule.name] = made if made is not None and made.rule == rule else compile_rule(rule)
    return Ready(rulebase, compiled, now.rulebase.revision, tuple(compare(now.rulebase, rulebase).lines()))


class StoredRevisions(Protocol):
    """Where rule bases are stored."""

    async def newest_revision(self) -> str | None:
        """The one that was stored, or asked for again, last."""
        ...

    async def get_revision(self, revision: str) -> bytes | None:
        """The canonical form stored under that revision."""
        ...


class Preparing(Rounds):
    """Keeps the revision stored last ready; at most one. What fails here fails again when it is asked for.

    Attributes:
        ready: None until one is.
    """

    def __init__(self, store: StoredRevisions, in_force: Callable[[], InForce | None]) -> None:
        """Makes it; does nothing yet.

        Args:
            store: where rule bases are stored.
            in_force: what decides now; None: nothing yet.
        """
        super().__init__()
        self._store = store
        self._in_force = in_force
        self._looked_at = ""
        self.ready: Ready | None = None

    @property
    def revision(self) -> str:
        """The one that is ready, for whoever waits for it; empty: none."""
        return "" if self.ready is None else self.ready.rulebase.revision

    async def look(self) -> None:
        """Make ready what was stored since, if it is not in force."""
        now = self._in_force()
        newest = await self._store.newest_revision() or ""
        if now is None or newest == self._looked_at:
            return
        blob = None if newest == now.rulebase.revision else await self._store.get_revision(newest)
        self._looked_at = newest
        if blob is None:
            self.ready = None
            return
        try:
            self.ready = await asyncio.to_thread(make_ready, blob, now)
        except LockstepError as error:
            _LOG.warning("a stored rule base does not load", revision=newest, reason=error.message)

    def put_off(self, error: StoreError) -> None:
        """Only people who look closely want to know."""
        _LOG.debug("could not look for rule bases", code=error.code, reason=error.message)
