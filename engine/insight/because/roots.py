"""Where a tree begins: at a command, an activation or an entry; at a step, a coordination, or a fact."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, Protocol

from engine.errors import Exit, LockstepError
from engine.insight.audit import AuditStream, RawDecision, ReadFact, raw_of
from engine.insight.because import wants
from engine.insight.because.search import Makers, Search
from engine.insight.because.tree import FactReason, Link, Reason
from engine.insight.because.wants import Event
from engine.insight.coordinations.reading import Known
from engine.insight.facts import FactStore, StoredFact, facts_of
from engine.insight.why.candidates import key_of
from engine.model.journal import StreamId
from engine.model.rules import RuleBase

_PAGE: Final = 500
_NAMED: Final = 3


class TreeStore(AuditStream, FactStore, Protocol):
    """What trees are read from."""


class UnexplainedError(LockstepError):
    """There is nothing of that name to explain (exit 1)."""

    exit_code = Exit.PROBLEMS


@dataclass(frozen=True, slots=True)
class Answer:
    """What an id led to.

    Attributes:
        reasons: the firings, or whatever else an entry caused; empty: the audit does not know the id.
        noted: what else the same decision noted.
        wanted: the id.
    """

    reasons: list[Reason]
    noted: list[Event]
    wanted: str

    def as_dicts(self) -> list[dict[str, Any]]:
        """The form ``explain --json`` prints."""
        return [
            {"command": self.command_in(reason), "noted": list(self.noted), **reason.as_dict()}
            for reason in self.reasons
        ]

    def command_in(self, reason: Reason) -> dict[str, Any] | None:
        """The command that was asked about, if it was one."""
        made: list[dict[str, Any]] = reason.event.get("commands") or []
        return next((each for each in made if each["id"] == self.wanted), None)


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains by one audit, under the rule base in force."""

    store: TreeStore
    rulebase: RuleBase

    def _search(self) -> Search:
        return Search(self.store, Makers.of(self.rulebase))

    # -- by id -------------------------------------------------------------------
    async def by_id(self, wanted: str, about_ms: int | None = None) -> Answer:
        """What the audit knows of a command, an activation or a journal entry; empty: nothing.

        Args:
            wanted: the id.
            about_ms: when it was decided, if known: the search begins there, and takes the rest only if it must.
        """
        starts = [None] if about_ms is None else [StreamId(max(about_ms - 1, 0), 0), None]
        for start in starts:
            async for entry, (at, cause, events) in self._decisions(start, wanted):
                numbers = _named_in(events, wanted, cause)
                if numbers:
                    search = self._search()
                    roots = [search.root(entry, number, at, cause, events[number]) for number in numbers]
                    await search.fill(entry)
                    noted: list[Event] = [
                        e for n, e in enumerate(events) if e["event"] not in wants.MAKING and n not in numbers
                    ]
                    return Answer(roots, noted, wanted)
        return Answer([], [], wanted)

    async def _decisions(self, start: StreamId | None, about: str) -> AsyncIterator[tuple[StreamId, RawDecision]]:
        """Decisions that mention it, oldest first."""
        position, needle = start, about.encode()
        while page := await self.store.read_audit(after=position, limit=_PAGE):
            for entry in page:
                if any(needle in value for _, value in entry.fields):
                    yield entry.entry, raw_of(entry)
            position = page[-1].entry

    # -- coordinations -------------------------------------------------------------
    async def of_coordination(self, known: Known) -> Reason:
        """How it ended, or that it began and how its steps stand.

        Raises:
            UnexplainedError: U153 the audit knows nothing of it any more.
        """
        case = known.case
        here = wants.quoted(case.id)
        link = Link("")
        search = self._search()
        events = ("started",) if case.is_open else ("outcome",)
        search.want(wants.Want(here, wants.happened(case.id, events), link, 0))
        steps = []
        if case.is_open:
            for step in case.steps.values():
                each = Link(f"step {step.name}")
                steps.append(each)
                search.want(wants.Want(here, wants.step_is(case.id, step.name), each, 1))
        await search.fill()
        if link.because is None:
            raise _too_old(f"coordination {case.subject}", case.id)
        link.because.links += [each for each in steps if each.because is not None]
        return link.because

    async def of_step(self, known: Known, step: str) -> Reason:
        """What brought a step to the state it is in.

        Raises:
            UnexplainedError: U154 it has no such step, U155 nothing has happened to it, U153 the audit is too old.
        """
        case = known.case
        if step not in case.steps:
            close = get_close_matches(step, case.steps, 1)
            hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(case.steps)}"
            raise UnexplainedError("U154", f"{case.plan} {case.subject} has no step '{step}'", hint)
        link = Link("")
        search = self._search()
        search.want(wants.Want(wants.quoted(case.id), wants.step_is(case.id, step), link, 0))
        await search.fill()
        if link.because is not None:
            return link.because
        if link.note:
            raise _too_old(f"step {step}", case.id)
        hint = f"`lockstep why-not {case.plan}.{step}` says what it waits for"
        raise UnexplainedError("U155", f"nothing has happened to step {step} of {case.subject} yet", hint)

    # -- facts ---------------------------------------------------------------------
    async def of_fact(self, kind: str, text: str) -> FactReason:
        """A fact, and what made it.

        Raises:
            UnexplainedError: U156 no such kind, U157 no such fact.
            AskedError: U162 that is no key of the kind.
        """
        declared = self.rulebase.kinds.get(kind)
        if declared is None:
            close = get_close_matches(kind, self.rulebase.kinds, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(self.rulebase.kinds))}"
            raise UnexplainedError("U156", f"no pack in force declares a kind '{kind}'", hint)
        key = key_of(text, declared)
        every = [fact async for fact in facts_of(self.store, kind)]
        found = [fact for fact in every if fact.key == key]
        if not found:
            close = get_close_matches("/".join(map(str, key)), [fact.key_text for fact in every], _NAMED, cutoff=0.5)
            hint = f"did you mean {', '.join(close)}?" if close else f"`lockstep facts {kind}` lists them"
            raise UnexplainedError("U157", f"there is no {kind} {'/'.join(map(str, key))}", hint)
        reason = FactReason(_read(max(found, key=lambda fact: (fact.observed_at, fact.position))))
        search = self._search()
        search.want_maker(reason)
        await search.fill()
        return reason


def _read(fact: StoredFact) -> ReadFact:
    key = json.dumps(list(fact.key), separators=(",", ":"), ensure_ascii=False)
    return ReadFact("", fact.kind, key, fact.values, str(fact.position), fact.observed_at, fact.source)


def _named_in(events: Sequence[Event], wanted: str, cause: str) -> list[int]:
    """Numbers of the events an id is about: the firing of a command, those of an activation, all of an entry."""
    made = [n for n, e in enumerate(events) if wants.sends(wanted)(e)]
    if made:
        return made[:1]
    of_activation = [n for n, e in enumerate(events) if e["event"] in wants.MAKING and e.get("activation") == wanted]
    if of_activation or wanted != cause:
        return of_activation
    fired = [n for n, e in enumerate(events) if e["event"] in wants.MAKING]
    return fired or list(range(len(events)))


def _too_old(what: str, identity: str) -> UnexplainedError:
    hint = f"`lockstep coordinations {identity}` still tells its course"
    return UnexplainedError("U153", f"the audit says nothing of {what} any more", hint)


def worth_telling(links: Iterable[Link]) -> list[Link]:
    """Those that happened, or of which it is not known."""
    return [link for link in links if link.is_worth_telling]
