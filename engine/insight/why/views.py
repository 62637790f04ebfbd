"""What an answer to "why not" consists of; every part has the form that ``--json`` prints."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Reading:
    """A value that a condition reads.

    Attributes:
        name: as the pack writes it: ``n.base_fee``, ``age(q)``, ``net``.
        value: JSON-safe; numbers in their wire form.
        text: for people.
        since: since when it is so, unix ms; None: that is not known.
        source: who said it; empty if nobody did.
        position: the journal entry that said it; empty if none did.
    """

    name: str
    value: Any
    text: str
    since: int | None = None
    source: str = ""
    position: str = ""


@dataclass(frozen=True, slots=True)
class ConditionView:
    """One condition of a term, taken apart at its ``and``.

    Attributes:
        text: as a pack author would write it.
        holds: None: it cannot be told, for it reads what is not bound, or cannot be computed.
        reads: the present values.
        since: it certainly does not hold from this instant on (its values came then, or its time ran out), unix ms.
        until: the instant at which time alone changes it; None: none does.
        error: why it cannot be told.
        missed_by: how far a comparison of numbers is from holding, as a decimal string.
    """

    text: str
    holds: bool | None
    reads: tuple[Reading, ...] = ()
    since: int | None = None
    until: int | None = None
    error: str = ""
    missed_by: str | None = None


@dataclass(frozen=True, slots=True)
class NearView:
    """A fact that a term ranges over: one that is in the way, or one that almost fits.

    Attributes:
        fact: kind and key.
        conditions: those that do not hold for it; of one that is in the way, those that do.
    """

    fact: str
    conditions: tuple[ConditionView, ...]


@dataclass(frozen=True, slots=True)
class TermView:
    """One term of a ``when``, judged.

    Attributes:
        title: in few words: ``network: n``.
        file: of the pack.
        line: 1-based.
        reason: the one the pack gives it; empty if none.
        holds: None: it cannot be told, for it reads what a term before it would bind.
        fact: what it bound: kind and key; empty if nothing.
        value: of a ``let`` or an aggregate; None if nothing.
        conditions: its conditions; of ``latest`` and the like see ``near``.
        notes: on freshness, quorum, distinct values.
        near: of terms that range over facts: those in the way, or the nearest.
        since: it certainly does not hold from this instant on; None: that is not known.
        until: the instant at which time alone may change it.
    """

    title: str
    file: str
    line: int
    reason: str
    holds: bool | None
    fact: str = ""
    value: Any = None
    conditions: tuple[ConditionView, ...] = ()
    notes: tuple[str, ...] = ()
    near: tuple[NearView, ...] = ()
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """What holds something back although its terms hold, or before they are asked.

    Attributes:
        why: one word: for, throttle, once, fired, repeat, paused, suspended, shadow, window, schedule, after, retry,
            reserve, instead_of, ended, unwinding, deadline, start, stopped, way_off, commanded, dropped, withdrawn,
            error, missing, forgotten.
        text: for people.
        at: when it began, unix ms.
        until: when it is over, unix ms.
    """

    why: str
    text: str
    at: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One tuple of facts, or one coordination, for which it was asked.

    Attributes:
        facts: alias → kind and key; ``missing`` facts are named too.
        missing: aliases whose fact is not there.
        coordination: id, key of its first ``for`` fact and how it stands; empty for rules.
        holds: all terms hold.
        terms: each term, judged.
        first: the first that does not hold: index into ``terms``; None if all do, or if they are not what is asked.
        held_back: what holds it back beside its terms; the first is what counts.
    """

    facts: dict[str, str]
    missing: tuple[str, ...]
    holds: bool
    terms: tuple[TermView, ...]
    first: int | None
    held_back: tuple[Hold, ...] = ()
    coordination: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WhyNot:
    """The answer.

    Attributes:
        name: ``pack.rule`` or ``pack.plan.step``.
        what: rule, step or plan.
        place: ``file:line``.
        as_of: the instant it is about, unix ms.
        entry: the last journal entry that was applied by then.
        waiting: journal entries that were not applied yet.
        candidates: the nearest first.
        more: how many candidates are not shown.
        notes: what holds for all of them.
    """

    name: str
    what: str
    place: str
    as_of: int
    entry: str
    waiting: int
    candidates: tuple[Candidate, ...]
    more: int
    notes: tuple[Hold, ...]

    def as_dict(self) -> dict[str, Any]:
        """The form ``why-not --json`` prints."""
        return asdict(self)
