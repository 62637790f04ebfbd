"""The timeline as it happens: the journal, the audit and what was refused, read side by side."""

from __future__ import annotations

from typing import Protocol

from engine.insight.audit import Decision, Fired, decode
from engine.insight.demo.happening import Happening, Who
from engine.model.journal import ZERO_ID, RawEntry, StreamId
from engine.store.redis_store import RedisStore

_PAGE = 500


class Teller(Protocol):
    """Says what of it all is worth a line."""

    def of_entry(self, entry: RawEntry) -> Happening | None:
        """The line for an entry of the journal, if it deserves one."""
        ...

    def of_decision(self, decision: Decision) -> list[Happening]:
        """The lines for what was decided."""
        ...


class Follower:
    """Reads on from where it was; each call gives what has happened since, in order of time."""

    def __init__(self, store: RedisStore, teller: Teller) -> None:
        self._store = store
        self._teller = teller
        self._journal = self._audit = self._rejected = ZERO_ID
        #: Every decision so far that said something.
        self.decisions: list[Decision] = []

    async def since(self, wait_ms: int) -> list[Happening]:
        """What is new; waits up to ``wait_ms`` for an entry of the journal."""
        found = await self._of_journal(wait_ms)
        found += await self._of_rejected()
        found += await self._of_audit()
        return sorted(found, key=lambda one: one.at_ms)

    def fired(self) -> list[tuple[Decision, Fired]]:
        """Every firing so far, oldest first."""
        return [(d, event) for d in self.decisions for event in d.events if isinstance(event, Fired)]

    async def _of_journal(self, wait_ms: int) -> list[Happening]:
        entries = await self._store.read_journal(self._journal, _PAGE, wait_ms)
        if entries:
            self._journal = StreamId.parse(entries[-1][0])
        return [told for told in map(self._teller.of_entry, entries) if told is not None]

    async def _of_rejected(self) -> list[Happening]:
        page = await self._store.read_rejected(after=self._rejected, limit=_PAGE)
        if page:
            self._rejected = page[-1].entry
        found = []
        for _, refused in page:
            source = dict(refused.fields).get(b"source", b"").decode(errors="replace")
            text = f"{source}: {refused.code} {refused.message}; {refused.hint}"
            found.append(Happening(refused.entry.ms, Who.REFUSED, text))
        return found

    async def _of_audit(self) -> list[Happening]:
        page = await self._store.read_audit(after=self._audit, limit=_PAGE)
        if page:
            self._audit = page[-1].entry
        found: list[Happening] = []
        for entry in page:
            decision = decode(entry)
            self.decisions.append(decision)
            found += self._teller.of_decision(decision)
        return found
