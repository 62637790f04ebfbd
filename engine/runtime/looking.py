"""The engine as it stands, put together from what is committed, for whoever wants to look into it.

The same code as recovery's, without its marks: nothing is written, and a running daemon notices nothing of it. The
engine that comes of it belongs to whoever looks, and what it would change is thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.coordination.driver import Driver
from engine.matching.engine import Engine
from engine.matching.firing import RunawayError
from engine.matching.joins import PythonJoiner
from engine.matching.restore import Restoration
from engine.matching.state import read_state
from engine.matching.surroundings import Surroundings
from engine.model.journal import Cursor
from engine.runtime.recovery import plans_begun_under, rulebase_in_force
from engine.runtime.reload import compile_all
from engine.runtime.schedule_times import ScheduleTimes
from engine.store.commits import CommittedState


class LookStore(Protocol):
    """What looking reads."""

    async def committed_state(self) -> CommittedState:
        """All of the committed state, as of one commit."""
        ...

    async def get_revision(self, revision: str) -> bytes | None:
        """The canonical form stored under that revision."""
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """What was found.

    Attributes:
        engine: at ``cursor``.
        cursor: as committed.
        paused: what operators hold back.
    """

    engine: Engine
    cursor: Cursor
    paused: frozenset[str]


async def look(store: LookStore) -> Look:
    """Put the engine together.

    Raises:
        StoreError: Redis is away, or what it holds cannot be read.
    """
    state = await store.committed_state()
    rulebase = await rulebase_in_force(store, state.meta.get("revision", ""))
    old_plans = await plans_begun_under(store, state.active, rulebase.revision)
    surroundings = Surroundings(PythonJoiner, ScheduleTimes, make_driver=Driver, old_plans=old_plans)
    engine = Engine(rulebase, surroundings, await compile_all(rulebase))
    cursor = Cursor.parse(state.meta["cursor"]) if "cursor" in state.meta else Cursor()
    kept = read_state(cursor, state.meta, state.facts, state.active, rulebase.kinds)
    Restoration(engine, kept).recover()
    paused = frozenset(name.partition(":")[2] for name in state.meta if name.startswith("paused:"))
    return Look(engine, cursor, paused)


def bring_up(found: Look, time_ms: int) -> None:
    """Let time pass for the engine as a running daemon has it pass: what was due changed nothing that is committed.

    Args:
        found: whose engine.
        time_ms: the server's clock, when all entries were applied.
    """
    try:
        found.engine.run_due(time_ms)
    except RunawayError:
        return  # the daemon is about to suspend the rules; until it has, they stand as they did
