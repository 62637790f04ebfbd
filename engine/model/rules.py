"""The checked, typed rule base: what ``packs`` makes and ``matching`` runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from engine.model.expr import Expr
from engine.model.kinds import ENGINE_KINDS, Kind

if TYPE_CHECKING:
    from engine.model.plans import Plan


@dataclass(frozen=True, slots=True)
class Span:
    """Where something stands in a pack: file as given, 1-based line and column."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class ForDistinct:
    """The pattern must have held, without a gap, over ``count`` distinct values of ``of``."""

    of: Expr
    count: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """A positive pattern: binds ``alias`` to a fact of ``kind``; part of the match's identity.

    Attributes:
        where: all must hold; may read aliases bound by earlier terms and this one.
        fresh_ms: the bound claim's age must be at most this.
        quorum: so many sources' living claims satisfy ``where`` (and ``fresh``); binds the newest that does.
        for_distinct: see ForDistinct.
        reason: named when this is the term that was missing.
    """

    alias: str
    kind: Kind
    where: tuple[Expr, ...]
    span: Span
    fresh_ms: int | None = None
    quorum: int | None = None
    for_distinct: ForDistinct | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Pick:
    """``latest`` (``by`` is None: newest by the kind's order) or ``best`` (largest ``by``; ties: smallest key).

    Chosen anew at each change among the facts that satisfy ``where``; not part of the match's identity. No candidate:
    the term does not hold.
    """

    alias: str
    kind: Kind
    where: tuple[Expr, ...]
    span: Span
    by: Expr | None = None
    fresh_ms: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Without:
    """Holds while no fact of ``kind`` satisfies ``where`` (a stale one does not, when ``fresh_ms`` is given)."""

    alias: str
    kind: Kind
    where: tuple[Expr, ...]
    span: Span
    fresh_ms: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Binds ``name`` to sum, count, min or max over the facts that satisfy ``where``.

    ``sum`` and ``count`` of nothing are 0; ``min`` and ``max`` of nothing make the term fail. ``of`` is None for count.
    """

    name: str
    function: str
    of: Expr | None
    alias: str
    kind: Kind
    where: tuple[Expr, ...]
    span: Span
    fresh_ms: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Let:
    """Binds ``name`` to a value."""

    name: str
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Check:
    """All of ``conditions`` must hold."""

    conditions: tuple[Expr, ...]
    span: Span
    reason: str | None = None


Term = Pattern | Pick | Without | Aggregate | Let | Check


@dataclass(frozen=True, slots=True)
class Once:
    """Fire once per value of ``key`` within ``keep_ms``. ``name`` is ``pack.as``: rules that share it share the memory.

    Without ``as`` the name is the rule's own.
    """

    key: Expr
    name: str
    keep_ms: int


@dataclass(frozen=True, slots=True)
class Throttle:
    """At most one firing per value of ``per`` each ``every_ms``; too early: at the first instant allowed."""

    per: Expr | None
    every_ms: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """While it holds, up to ``times`` more firings, each ``every_ms`` after the last, at its nominal time."""

    every_ms: int
    times: int


@dataclass(frozen=True, slots=True)
class CommandEffect:
    """``connector.verb`` with named arguments; ``expires`` is an instant (unix ms) or None."""

    connector: str
    verb: str
    args: tuple[tuple[str, Expr], ...]
    span: Span
    expires: Expr | None = None


@dataclass(frozen=True, slots=True)
class AssertEffect:
    """Asserts a fact of ``kind`` with the named values (absent fields take their default)."""

    kind: Kind
    values: tuple[tuple[str, Expr], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class RetractEffect:
    """Retracts the fact of ``kind`` under the key (values in the order of ``kind.key``)."""

    kind: Kind
    key: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class ConcludeEffect:
    """A fact that lives while at least one activation supports it; values follow the facts they read."""

    kind: Kind
    values: tuple[tuple[str, Expr], ...]
    span: Span


Effect = CommandEffect | AssertEffect | RetractEffect | ConcludeEffect


@dataclass(frozen=True)
class Rule:
    """A declarative rule.

    Attributes:
        name: identity, ``pack.rule``.
        was: the identity it had before a rename, or None.
        terms: the ``when``, in file order.
        for_ms: all must hold that long without a gap; 0: at once.
        per: hold and edge are kept per value of this instead of per match.
        window: ``pack.schedule`` name that must be open.
        priority: int expression; higher first.
        ended: fact effects when it no longer holds after having fired.
        is_live: False for ``stage: shadow``: decided and audited, nothing applied or dispatched.
    """

    name: str
    terms: tuple[Term, ...]
    then: tuple[Effect, ...]
    span: Span
    was: str | None = None
    doc: str = ""
    for_ms: int = 0
    per: Expr | None = None
    window: str | None = None
    once: Once | None = None
    throttle: Throttle | None = None
    repeat: Repeat | None = None
    exhausted: tuple[Effect, ...] = ()
    priority: Expr | None = None
    ended: tuple[Effect, ...] = ()
    is_live: bool = True

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        """The positive patterns, in file order: a match is one fact for each."""
        return tuple(t for t in self.terms if isinstance(t, Pattern))


@dataclass(frozen=True, slots=True)
class Cron:
    """A five-field cron expression with weekday names and an IANA zone."""

    expression: str
    timezone: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """A named schedule; exactly one of ``every_ms``, ``cron``, (``open``, ``close``) is given.

    Attributes:
        name: ``pack.schedule`` identity; the fact's ``name`` field is ``local_name``.
        every_ms: interval counted from ``from_ms`` (default: the Unix epoch).
        missed: latest, all or skip: what becomes of occurrences that time passed by more than a minute in one step.
    """

    name: str
    local_name: str
    span: Span
    every_ms: int | None = None
    from_ms: int = 0
    cron: Cron | None = None
    open: Cron | None = None
    close: Cron | None = None
    missed: str = "latest"


@dataclass(frozen=True)
class RuleBase:
    """The packs in force.

    Attributes:
        revision: hash of the canonical form of the packs (hex, 16 characters).
        kinds: every kind by name, the engine's own included.
        rules: in order of name.
        schedules: in order of name.
        plans: in order of name.
        packs: pack name → version.
    """

    revision: str
    kinds: dict[str, Kind] = field(default_factory=lambda: dict(ENGINE_KINDS))
    rules: tuple[Rule, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    plans: tuple[Plan, ...] = ()
    packs: dict[str, int] = field(default_factory=dict)
