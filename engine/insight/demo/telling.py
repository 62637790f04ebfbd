"""What the demonstration says of what it reads: the journal by its news, decisions in a sentence each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.insight.audit import Decision, Fired, Noted
from engine.insight.demo.amounts import shown
from engine.insight.demo.happening import Happening, Who
from engine.insight.demo.journal_news import JournalNews
from engine.model.journal import RawEntry


class Telling:
    """Fulfils ``engine.insight.demo.follow.Teller``."""

    def __init__(self) -> None:
        self.news = JournalNews()

    def of_entry(self, entry: RawEntry) -> Happening | None:
        """The line for an entry of the journal, if it deserves one."""
        return self.news.of(entry)

    def of_decision(self, decision: Decision) -> list[Happening]:
        """The lines for what was decided."""
        found: list[Happening] = []
        for event in decision.events:
            if isinstance(event, Fired):
                found += self._of_firing(decision, event)
            elif (text := of_coordination(event)) is not None:
                found.append(Happening(decision.at_ms, Who.OUTCOME, text))
        return found

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


def of_coordination(noted: Noted) -> str | None:
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
