"""From what is committed to a running engine: facts → groundings → guards, by the same code as live."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from engine import SEMANTICS_VERSION
from engine.coordination.driver import Driver
from engine.errors import StoreError
from engine.matching.durable_joiner import DurableJoiner
from engine.matching.engine import Engine
from engine.matching.joins import Joiner, JoinShape, PythonJoiner
from engine.matching.restore import Restoration
from engine.matching.state import read_state
from engine.matching.surroundings import Recalled, Surroundings
from engine.model.journal import Cursor
from engine.model.plans import Plan
from engine.model.rules import RuleBase
from engine.packs.bundle import load_blob
from engine.runtime.crashpoints import DURING_RECOVERY, crashpoint
from engine.runtime.logging import logger
from engine.runtime.reload import RevisionStore, compile_all
from engine.runtime.schedule_times import ScheduleTimes

#: A recovery that died so often is tried without the C library.
_RECOVERIES: Final = 3
_LOG = logger("recovery")


class RecoveryStore(Protocol):
    """What recovery reads."""

    async def load_meta(self) -> dict[str, str]:
        """All of ``meta``."""
        ...

    def load_facts(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """All of ``facts``."""
        ...

    def load_active(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """All of ``active``."""
        ...

    async def get_revision(self, revision: str) -> bytes | None:
        """The canonical form stored under that revision."""
        ...

    async def note(self, fields: dict[str, str | None], epoch: int) -> bool:
        """Set fields of ``meta``."""
        ...


@dataclass(frozen=True, slots=True)
class Recovered:
    """A running engine.

    Attributes:
        engine: at ``cursor``.
        cursor: as committed.
        was_unclean: the last daemon did not stop cleanly.
        poison: ``entry:count`` noted before an evaluation that may have been the death of it.
        paused: what operators hold back.
        due: the due item decided last, if more of its instant may be due; else empty.
        alarms: what stands in memory against what was committed.
    """

    engine: Engine
    cursor: Cursor
    was_unclean: bool
    poison: str
    paused: frozenset[str]
    due: str
    alarms: tuple[str, ...]


def joiner_maker(*, use_library: bool) -> Callable[[list[JoinShape]], Joiner]:
    """The joining library, or the plain join in Python when it cannot be trusted."""
    return (lambda shapes: DurableJoiner(shapes)) if use_library else (lambda shapes: PythonJoiner(shapes))


class Recovery:
    """Builds the engine from what is committed; one for each process, used again if the process must start over."""

    def __init__(
        self,
        store: RecoveryStore,
        epoch: int,
        secret: bytes,
        suspend_at: dict[str, tuple[str, ...]],
        recalled: Recalled | None = None,
    ) -> None:
        """Makes it; does nothing yet.

        Args:
            store: what is committed.
            epoch: the leadership.
            secret: key of the engine's signatures.
            suspend_at: cause of a step → rules to suspend before it; may grow between uses.
            recalled: when decisions are made again: what the journal does not say.
        """
        self._store = store
        self._epoch = epoch
        self._secret = secret
        self._suspend_at = suspend_at
        self._recalled = recalled
        self._found: _Found | None = None

    async def rebuild(self) -> Recovered:
        """Build the engine.

        Raises:
            StoreError: Redis is away, or what it holds cannot be read.
        """
        meta = await self._store.load_meta()
        if self._found is None:
            # What the last process left; this one's own marks say nothing about it.
            self._found = _Found.from_meta(meta)
            self._found.tell()
        found = self._found
        marks: dict[str, str | None] = {
            "unclean": "1",
            "recoveries": str(found.deaths + 1),
            "semantics": str(SEMANTICS_VERSION),
        }
        await self._store.note(marks, self._epoch)
        crashpoint(DURING_RECOVERY)
        rulebase = await rulebase_in_force(self._store, meta.get("revision", ""))
        maker = joiner_maker(use_library=found.trusts_library)
        active = [pair async for pair in self._store.load_active()]
        surroundings = Surroundings(
            maker,
            ScheduleTimes,
            self._secret,
            self._suspend_at,
            make_driver=Driver,
            old_plans=await plans_begun_under(self._store, active, rulebase.revision),
            recalled=self._recalled,
        )
        engine = Engine(rulebase, surroundings, await compile_all(rulebase))
        cursor = Cursor.parse(meta["cursor"]) if "cursor" in meta else Cursor()
        facts = [pair async for pair in self._store.load_facts()]
        state = read_state(cursor, meta, facts, active, rulebase.kinds)
        alarms = Restoration(engine, state).recover()
        for alarm in alarms:
            _LOG.error("recovery differs from what was committed", difference=alarm)
        await self._store.note({"recoveries": None}, self._epoch)
        paused = frozenset(name.partition(":")[2] for name in meta if name.startswith("paused:"))
        _LOG.info("recovered", facts=len(facts), cursor=str(cursor), revision=rulebase.revision or "none")
        due = meta.get("due", "")
        return Recovered(engine, cursor, found.was_unclean, found.poison, paused, due, tuple(alarms))


@dataclass(frozen=True, slots=True)
class _Found:
    """What the last process left in ``meta``."""

    was_unclean: bool
    deaths: int
    poison: str

    @classmethod
    def from_meta(cls, meta: dict[str, str]) -> _Found:
        was_unclean = meta.get("unclean") == "1"
        deaths = int(meta.get("recoveries", "0")) if was_unclean else 0
        return cls(was_unclean, deaths, meta.get("poison", "") if was_unclean else "")

    @property
    def trusts_library(self) -> bool:
        return self.deaths < _RECOVERIES

    def tell(self) -> None:
        if self.was_unclean:
            _LOG.warning("the last daemon did not stop cleanly")
        if not self.trusts_library:
            _LOG.error("recovery died before; the joining library is left out", tries=self.deaths)


async def rulebase_in_force(store: RevisionStore, revision: str) -> RuleBase:
    """The rule base of a stored revision; an empty one for none.

    Raises:
        StoreError: S202, it is not stored.
    """
    if not revision:
        return RuleBase("")
    blob = await store.get_revision(revision)
    if blob is None:
        raise StoreError("S202", f"revision {revision} is in force but not stored", "restore the rulebase hash")
    return load_blob(blob)


def old_plan_names(active: Iterable[tuple[bytes, bytes]], revision: str) -> dict[str, set[str]]:
    """Earlier revision → its plans under which coordinations that are still kept began."""
    wanted: dict[str, set[str]] = {}
    for name, record in active:
        if name.startswith(b'["p",') and not name.startswith(b'["p","ended",'):
            case = json.loads(record)
            if case["revision"] != revision:
                wanted.setdefault(case["revision"], set()).add(case["plan"])
    return wanted


async def plans_begun_under(
    store: RevisionStore, active: list[tuple[bytes, bytes]], revision: str
) -> dict[tuple[str, str], Plan]:
    """Plans of the earlier rule bases under which coordinations that are still kept began."""
    wanted = old_plan_names(active, revision)
    found: dict[tuple[str, str], Plan] = {}
    for old, names in sorted(wanted.items()):
        rulebase = await rulebase_in_force(store, old)
        found |= {(old, plan.name): plan for plan in rulebase.plans if plan.name in names}
    return found
