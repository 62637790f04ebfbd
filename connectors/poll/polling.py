"""Asks about every subject at its pace, tells what changed, and leaves an API alone that does not answer well."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from connectors.base import Notebook, Observation, Pace
from connectors.poll.asking import ApiAwayError, Asker, Said, Version
from connectors.poll.exact import AnswerError
from connectors.poll.incidents import Change, Incidents
from connectors.poll.mapping import ApiMapping
from connectors.poll.options import PollOptions
from connectors.poll.subjects import Book, Subject
from connectors.poll.telling import Fact, tell
from engine.clock import monotonic_ms, wall_ms

_LOG = logging.getLogger("lockstep.connector.poll")
_SEEN: Final = "seen"
_API: Final = "api"
#: One failure may be a hiccup; so many in a row are the API's state.
_PATIENCE: Final = 2
#: The loop looks for what is due at least so often, however seldom each subject is asked about.
_LONGEST_TICK_MS: Final = 1_000
#: Incidents that are closed in one write.
_MANY: Final = 100
#: A clock that went back further than this is followed; otherwise what was seen later must not look older.
_LEAP_MS: Final = 60_000


@dataclass(slots=True, eq=False)
class Watched:
    """What one life of the connector knows of a subject.

    Attributes:
        subject: as it is tracked.
        due_ms: when it is asked about next, on the monotonic clock.
        is_asked: a request is under way.
        facts: as they were told last; None: not yet.
        told_ms: when, on the monotonic clock.
        version: of the answer that said them.
        failures: answers in a row that said nothing.
    """

    subject: Subject
    due_ms: int = 0
    is_asked: bool = False
    facts: tuple[Fact, ...] | None = None
    told_ms: int = 0
    version: Version | None = None
    failures: int = 0


class Polling:
    """One life of the watching half of the connector; what it forgets when it is cut off, it asks again."""

    def __init__(
        self, name: str, options: PollOptions, mapping: ApiMapping, asker: Asker, book: Book, fixed: list[Subject]
    ) -> None:
        self._options = options
        self._mapping = mapping
        self._asker = asker
        self._book = book
        self._notebook: Notebook = book.notebook
        self._fixed = fixed
        self._incidents = Incidents(name, book.notes)
        self._name = name
        self._seen_ms = int(book.notes.get(_SEEN, "0"))
        self._watched: dict[str, Watched] = {}
        self._woken = asyncio.Event()
        self._in_flight = 0
        self._failures = 0
        self._away_since_ms = 0
        self._quiet_until_ms = 0

    def wake(self) -> None:
        """There may be something to ask."""
        self._woken.set()

    async def run(self, pace: Pace) -> None:
        """Asks until it is cancelled.

        Raises:
            ExceptionGroup: of what the notebook raised.
        """
        pace("poll", max(min(self._options.every, _LONGEST_TICK_MS), 50), self.wake)
        self.wake()
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._woken.wait()
                self._woken.clear()
                self._sync()
                await self._close_stale()
                for watched in self._due():
                    watched.is_asked = True
                    self._in_flight += 1
                    tasks.create_task(self._ask(watched), name=f"poll:{self._name}:{watched.subject.id}")

    def _due(self) -> list[Watched]:
        """Whom to ask about now; of an API that failed, one at a time."""
        now = monotonic_ms()
        room = (1 if self._failures else self._options.at_once) - self._in_flight
        if now < self._quiet_until_ms or room <= 0:
            return []
        due = [each for each in self._watched.values() if each.due_ms <= now and not each.is_asked]
        return sorted(due, key=lambda each: each.due_ms)[:room]

    def _sync(self) -> None:
        """The subjects as they are tracked now."""
        current = {subject.id: subject for subject in (*self._book.tracked.values(), *self._fixed)}
        for subject_id in self._watched.keys() - current.keys():
            del self._watched[subject_id]
        for subject_id, subject in current.items():
            known = self._watched.get(subject_id)
            if known is None or known.subject is not subject:
                self._watched[subject_id] = Watched(subject)

    async def _close_stale(self) -> None:
        """Incidents about subjects that nobody asks about any more."""
        stale = self._incidents.names - {each.subject.incident for each in self._watched.values()} - {_API}
        change, now = Change(), self._now_ms()
        for name in sorted(stale)[:_MANY]:
            change.add(self._incidents.closed(name, now))
        await self._write(change)

    async def _ask(self, watched: Watched) -> None:
        asked_ms = monotonic_ms()
        try:
            await self._exchange(watched, asked_ms)
        finally:
            self._in_flight -= 1
            watched.is_asked = False
            self.wake()

    async def _exchange(self, watched: Watched, asked_ms: int) -> None:
        now = self._now_ms()
        subject = watched.subject
        if not subject.is_fixed and now - subject.since_ms > self._options.give_up_after:
            await self._give_up(subject, now)
            return
        watched.due_ms = asked_ms + self._options.every
        try:
            said = await self._asker.ask(subject.fields, watched.version if watched.facts is not None else None)
        except ApiAwayError as error:
            await self._away(error, asked_ms, now)
        except AnswerError as error:
            await self._said_nothing(watched, error, now)
        else:
            await self._said(watched, said, now)

    async def _said(self, watched: Watched, said: Said | None, now: int) -> None:
        if said is None:
            assert watched.facts is not None  # noqa: S101 - only then was the question conditional
            await self._tell(watched, watched.facts, now)
            return
        try:
            told = tell(self._mapping, watched.subject.fields, said.status, said.document)
        except AnswerError as error:
            await self._said_nothing(watched, error, now)
            return
        watched.version = said.version
        if told.is_final and not watched.subject.is_fixed:
            await self._end(watched, told.facts, now)
        else:
            await self._tell(watched, told.facts, now)

    async def _tell(self, watched: Watched, facts: tuple[Fact, ...], now: int) -> None:
        change = self._well(watched, now)
        renew = self._options.renew or 0
        is_due = watched.facts != facts or monotonic_ms() - watched.told_ms >= renew
        if is_due:
            change.observations += self._observed(watched, facts, now)
        await self._write(change)
        watched.facts = facts
        watched.told_ms = monotonic_ms() if is_due else watched.told_ms

    async def _end(self, watched: Watched, facts: tuple[Fact, ...], now: int) -> None:
        change = self._well(watched, now)
        notes = {**change.notes, _SEEN: str(self._seen_ms)}
        observations = [*change.observations, *self._observed(watched, facts, now)]
        if await self._book.end(watched.subject, notes, observations):
            _LOG.info("need not be asked any more", extra={"connector": self._name, "subject": watched.subject.id})
        else:
            await self._write(change)

    def _observed(self, watched: Watched, facts: tuple[Fact, ...], now: int) -> list[Observation]:
        if not watched.subject.is_fixed and self._book.tracked.get(watched.subject.id) is not watched.subject:
            # Meanwhile it was given up by the pack, or tracked anew with other fields.
            return []
        return [Observation("assert", fact.data, kind=fact.kind, observed_at_ms=now) for fact in facts]

    def _well(self, watched: Watched, now: int) -> Change:
        """The API answers, and about this subject so that it can be read."""
        change = self._answers(now)
        watched.failures = 0
        change.add(self._incidents.closed(watched.subject.incident, now, watched.subject.intent))
        return change

    def _answers(self, now: int) -> Change:
        self._failures = 0
        return self._incidents.closed(_API, now)

    async def _said_nothing(self, watched: Watched, error: AnswerError, now: int) -> None:
        """What came about this subject cannot be read: nothing is told of it, and it is asked about more slowly."""
        subject = watched.subject
        watched.failures += 1
        watched.due_ms = monotonic_ms() + self._back_off_ms(watched.failures)
        change = self._answers(now)
        opened = self._incidents.opened(subject.incident, error.code, error.message, now, subject.intent)
        if opened:
            fields = {"connector": self._name, "subject": subject.id, "code": error.code, "reason": error.message}
            _LOG.warning("an answer says nothing", extra=fields | {"hint": error.hint})
        change.add(opened)
        await self._write(change)

    async def _away(self, error: ApiAwayError, asked_ms: int, now: int) -> None:
        """The API gives no answers: nothing is told, so that what was told ages; it is left alone for a while."""
        if asked_ms >= self._away_since_ms:
            # Requests that were under way together fail together, and are one failure.
            self._failures += 1
            self._away_since_ms = monotonic_ms()
        wait_ms = max(self._back_off_ms(self._failures), error.after_ms)
        self._quiet_until_ms = max(self._quiet_until_ms, monotonic_ms() + wait_ms)
        if self._failures < _PATIENCE:
            return
        opened = self._incidents.opened(_API, error.code, error.message, now)
        if opened:
            fields = {"connector": self._name, "code": error.code, "reason": error.message, "retry_in_ms": wait_ms}
            _LOG.warning("the API gives no answers", extra=fields)
        await self._write(opened)

    async def _give_up(self, subject: Subject, now: int) -> None:
        """It never came to an end that this API would tell. That is no failure of it, and people should look."""
        reason = f"C187 not asked about any more after {self._options.give_up_after} ms without an end"
        change = self._incidents.left_open(subject.incident, reason, now, subject.intent)
        if not await self._book.end(subject, change.notes, change.observations):
            return
        fields = {"connector": self._name, "subject": subject.id, "code": "C187"}
        _LOG.warning("given up", extra=fields | {"hint": "track it again if it is still worth asking"})

    async def _write(self, change: Change) -> None:
        if change:
            await self._notebook.write({**change.notes, _SEEN: str(self._seen_ms)}, change.observations)

    def _back_off_ms(self, failures: int) -> int:
        every = self._options.every
        return max(min(every << min(failures, 20), self._options.back_off_cap), every)

    def _now_ms(self) -> int:
        """Unix ms, kept from going back, also over restarts: facts are ordered by when they were observed."""
        now = wall_ms()
        self._seen_ms = max(now, self._seen_ms) if self._seen_ms <= now + _LEAP_MS else now
        return self._seen_ms
