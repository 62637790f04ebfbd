"""Why something happened: the firing behind a command, and the facts it read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from engine.insight.audit import AuditStream, Decision, Fired, MadeCommand, Noted, decisions
from engine.model.journal import ZERO_ID, StreamId


@dataclass(frozen=True, slots=True)
class Explanation:
    """One firing, with the decision it was part of.

    Attributes:
        decision: what the entry or due item caused, this firing included.
        fired: the firing; None when the question was about a decision in which no rule fired.
        command: the command asked about, or None if the question was about the activation or the entry.
    """

    decision: Decision
    fired: Fired | None
    command: MadeCommand | None

    @property
    def noted(self) -> tuple[Noted, ...]:
        """What else the same decision noted."""
        return tuple(e for e in self.decision.events if isinstance(e, Noted))

    def as_dict(self) -> dict[str, Any]:
        """The form ``explain --json`` prints."""
        found: dict[str, Any] = {
            "cause": self.decision.cause,
            "at": self.decision.at_ms,
            "audit": str(self.decision.id),
            "command": asdict(self.command) if self.command else None,
            "noted": [{"event": n.event, **n.fields} for n in self.noted],
        }
        return found | (asdict(self.fired) if self.fired else {"rule": None})


def explanations_in(decision: Decision, wanted: str) -> list[Explanation]:
    """What that decision says about a command id, an activation id, or its own cause."""
    fired = [e for e in decision.events if isinstance(e, Fired)]
    for firing in fired:
        for command in firing.commands:
            if command.id == wanted:
                return [Explanation(decision, firing, command)]
    of_activation = [Explanation(decision, f, None) for f in fired if f.activation == wanted]
    if of_activation:
        return of_activation
    if wanted == decision.cause:
        return [Explanation(decision, f, None) for f in fired] or [Explanation(decision, None, None)]
    return []


async def explain(stream: AuditStream, wanted: str, about_ms: int | None = None) -> list[Explanation]:
    """Everything the audit knows of an id, from the first decision that knows it.

    Args:
        stream: the audit.
        wanted: id of a command, of an activation or of a journal entry.
        about_ms: when it was decided, if known: the search begins there, and takes the rest only if it must.
    """
    starts = [ZERO_ID] if about_ms is None else [StreamId(max(about_ms - 1, 0), 0), ZERO_ID]
    for start in starts:
        async for decision in decisions(stream, start, about=wanted):
            found = explanations_in(decision, wanted)
            if found:
                return found
    return []
