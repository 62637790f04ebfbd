"""Reasons: what happened, when and by which rule; below it the facts it read, and below these what made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from engine.insight.audit import ReadFact


@dataclass(slots=True)
class FactReason:
    """A fact as it was read.

    Attributes:
        fact: with its values of then.
        because: what made it; None: a sender did, or that is not known.
        note: what is to be said of that.
    """

    fact: ReadFact
    because: Reason | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The form ``explain --json`` prints."""
        return {**asdict(self.fact), "because": self.because and self.because.as_dict(), "note": self.note}


@dataclass(slots=True)
class Link:
    """Something else that led there: a step it came after, a report, an alternative.

    Attributes:
        label: how it led there, in few words.
        because: what it was; None: it is not in the audit.
        note: what is to be said of that.
    """

    label: str
    because: Reason | None = None
    note: str = ""

    @property
    def is_worth_telling(self) -> bool:
        """It happened, or it is not known whether it did."""
        return self.because is not None or bool(self.note)


@dataclass(slots=True)
class Reason:
    """One event of the audit.

    Attributes:
        what: fired, exhausted, step, outcome, started, reported, unwinding, way_off, breach.
        title: for people.
        at: time of its decision, unix ms.
        cause: the journal entry, or the due item.
        audit: position in the audit.
        event: the rest of it, as the audit has it, without its facts.
        facts: what it read, or rests on.
        links: what else led to it.
        note: why nothing stands below it; empty if something does, or nothing should.
    """

    what: str
    title: str
    at: int
    cause: str
    audit: str
    event: Mapping[str, Any] = field(default_factory=dict)
    facts: list[FactReason] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The form ``explain --json`` prints."""
        return {
            **self.event,
            "what": self.what,
            "title": self.title,
            "at": self.at,
            "cause": self.cause,
            "audit": self.audit,
            "facts": [each.as_dict() for each in self.facts],
            "because": [
                {"label": link.label, "note": link.note, "reason": link.because and link.because.as_dict()}
                for link in self.links
                if link.is_worth_telling
            ],
            "note": self.note,
        }

    def told_before(self) -> Reason:
        """The same once more, without what stands below it."""
        return Reason(self.what, self.title, self.at, self.cause, self.audit, self.event, note="told above")
