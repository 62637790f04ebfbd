"""Every coordination that is known: those in working memory, and those that left it within the last 90 days."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, Protocol

from engine.coordination.case import Case
from engine.coordination.keeping import from_json
from engine.errors import Exit, LockstepError, StoreError

#: Characters of an id that are enough to mean it.
_PREFIX: Final = 4
#: Coordinations named in a message.
_NAMED: Final = 5
#: How the names of coordinations in ``active`` begin, and those of mere tombstones among them.
_LIVING, _STONES = b'["p",', b'["p","ended",'


class CaseStore(Protocol):
    """What this module needs of the store."""

    def load_active(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """All of ``active``."""
        ...

    def load_done(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """All of ``done``."""
        ...


class CoordinationError(LockstepError):
    """No coordination is meant, or more than one (exit 1)."""

    exit_code = Exit.PROBLEMS


@dataclass(frozen=True, slots=True)
class Known:
    """A coordination.

    Attributes:
        case: all that is remembered of it.
        until_ms: it left working memory, and is remembered until then (unix ms); None: it is in working memory.
    """

    case: Case
    until_ms: int | None = None

    @property
    def state(self) -> str:
        """``open`` while no verdict stands, else ``ended``."""
        return "open" if self.case.is_open else "ended"


async def known_cases(store: CaseStore) -> list[Known]:
    """All of them, those that began last first.

    Raises:
        StoreError: S201, a record cannot be read.
    """
    found = {}
    async for name, record in store.load_done():
        kept = _read(name, record)
        found[kept["case"]["id"]] = Known(_case(name, kept["case"]), kept["until"])
    async for name, record in store.load_active():
        if name.startswith(_LIVING) and not name.startswith(_STONES):
            case = _case(name, _read(name, record))
            found[case.id] = Known(case)
    return sorted(found.values(), key=lambda known: (-known.case.started_at, known.case.plan, known.case.id))


def _read(name: bytes, record: bytes) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = json.loads(record)
    except ValueError as error:
        hint = "another hand changed it: `lockstep replay` shows what it should be"
        raise StoreError("S201", f"the record of {name!r} cannot be read: {error}", hint) from error
    return kept


def _case(name: bytes, kept: dict[str, Any]) -> Case:
    try:
        return from_json(kept)
    except (TypeError, KeyError, ValueError) as error:
        hint = "was it written by another version?"
        raise StoreError("S201", f"the record of coordination {name!r} cannot be read: {error!r}", hint) from error


def meant(known: Iterable[Known], wanted: str, plan: str = "") -> Known:
    """The coordination somebody means: by its id or the beginning of it, or by the key of its first ``for`` fact.

    Args:
        known: those there are.
        wanted: as typed.
        plan: only of this one (``pack.plan`` or ``plan``); empty: of any.

    Raises:
        CoordinationError: U150 there is none, U151 there are several.
    """
    every = [each for each in known if not plan or is_of_plan(each.case, plan)]
    found = [each for each in every if wanted in (each.case.id, each.case.subject)]
    if not found and len(wanted) >= _PREFIX:
        found = [each for each in every if each.case.id.startswith(wanted)]
    if not found:
        subjects = sorted({each.case.subject for each in every})
        close = get_close_matches(wanted, subjects, _NAMED, cutoff=0.5)
        hint = f"did you mean {', '.join(close)}?" if close else "`lockstep coordinations` lists them"
        raise CoordinationError("U150", f"no coordination '{wanted}' is known", hint)
    if len(found) > 1:
        named = ", ".join(f"{each.case.plan} {each.case.id}" for each in found[:_NAMED])
        raise CoordinationError("U151", f"'{wanted}' may be any of: {named}", "give the id, or name the plan")
    return found[0]


def is_of_plan(case: Case, plan: str) -> bool:
    """Whether a coordination is of that plan, named with its pack or without."""
    return plan in (case.plan, case.plan.partition(".")[2])
