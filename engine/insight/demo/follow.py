"""The timeline as it happens: the journal, the audit and what was refused, read side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.insight.audit import Decision, Fired, Noted, decode
from engine.insight.demo.amounts import shown
from engine.insight.demo.happening import Happening, Who
from engine.insight.demo.journal_news import JournalNews
from engine.model.journal import ZERO_ID, StreamId
from engine.store.redis_store import RedisStore

_PAGE = 500


class Follower:
    """Reads on from where it was; each call gives what has happened since, in order of time."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._journal = self._audit = self._rejected = ZERO_ID
        self.news = JournalNews()
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
        return [told for told in map(self.news.of, entries) if told is not None]

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
            for event in decision.events:
                if isinstance(event, Fired):
                    found += self._of_firing(decision, event)
                elif (text := self._of_note(event)) is not None:
                    found.append(Happening(decision.at_ms, Who.OUTCOME, text))
        return found

    def _of_note(self, noted: Noted) -> str | None:
        """What a coordination says of itself, as far as it is worth a line."""
        said = noted.fields
        whose = said.get("subject")
        match noted.event:
            case "started":
                return f"{whose} is coordinated by {str(said['plan']).partition('.')[2]}"
            case "unwinding":
                return f"{whose} goes back: {said['reason']}"
            case "escalated":
                return f"people are called for {whose}: {said['reason']}"
            case "outcome_withdrawn":
                return f"{whose} has no outcome any more: {said['reason']}"
            case "outcome":
                reason = f", {said['reason']}" if said["reason"] else ""
                return f"{whose}: {said['verdict']}{reason}" + (", provisional" if said["provisional"] else "")
            case _:
                return None

    def _of_firing(self, decision: Decision, fired: Fired) -> list[Happening]:
        named = {fact.values.get("intent") or fact.values.get("id") for fact in fired.facts if fact.kind == "intent"}
        whose = ", ".join(str(one) for one in named)
        rule = fired.rule.partition(".")[2]
        told = [Happening(decision.at_ms, Who.RULE, f"{rule} ({whose})")]
        for command in fired.commands:
            self.news.shows_gas = False
            text = f"{command.connector}.{command.verb} {command.id[:8]}: {self._what(command.args)}"
            told.append(Happening(decision.at_ms, Who.COMMAND, text))
        for fact in fired.concludes:
            values = fact.get("values", {})
            if "why" in values:
                told.append(Happening(decision.at_ms, Who.OUTCOME, f"{values['intent']} is at risk: {values['why']}"))
        return told

    def _what(self, args: Mapping[str, Any]) -> str:
        """A command's arguments in few words."""
        asset = str(args.get("asset") or args.get("asset_in") or "")
        amount = shown(int(args["amount"]), asset, self.news.decimals) if "amount" in args else ""
        if "target" in args:
            return f"{amount} of {args['intent']} from {args['source']} to {args['target']}"
        if "min_out" in args:
            least = shown(int(args["min_out"]), str(args["asset_out"]), self.news.decimals)
            return f"{amount} of {args['intent']} for at least {least}"
        return ", ".join(f"{name} {value}" for name, value in args.items())
