"""What may be read at one place of a plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from engine.errors import Problem
from engine.model.kinds import Type
from engine.packs.expressions import Scope, bind_local
from engine.packs.rulescope import PackNames, RuleScope
from engine.packs.termchecks import Schedules

_GIVEN = "a condition reads the aliases of 'for' and its own; state there what must be equal"
_ATTEMPT = "it is known when a command is made; read it in 'with'"
_LATER = "it is bound only by what comes after this: what the alias shows is not known yet"


@dataclass(frozen=True)
class Surroundings:
    """What one plan stands in.

    Attributes:
        names: what its pack offers.
        schedules: of all packs, by ``pack.schedule``.
        problems: takes what is wrong.
    """

    names: PackNames
    schedules: Schedules
    problems: list[Problem]


@dataclass(frozen=True)
class Realm:
    """The names at one place of a plan.

    Conditions are matched against facts as they are, so they read what the coordination is for, and themselves. Values
    are computed when they are used, so they read what the conditions before them bound, too.

    Attributes:
        around: what the plan stands in.
        outer: what conditions read: the aliases of ``for``, ``coordination`` and, in a step, ``step``.
        bound: what values read: ``outer``, and what the conditions so far have bound.
        reasons: reasons that terms of the place's own ``when`` carry.
        has_command: whether what stands here commands anything.
    """

    around: Surroundings
    outer: RuleScope
    bound: RuleScope
    reasons: frozenset[str] = field(default=frozenset())
    has_command: bool = False

    @classmethod
    def of_plan(cls, around: Surroundings, given: RuleScope) -> Realm:
        """The realm of a plan whose ``for`` has been read into ``given``."""
        bind_local(given.scope, "coordination", Type("id"))
        given.scope.has_ledger = True
        return cls(around, given, given)

    def in_step(self) -> Realm:
        """The realm of one of its steps, where ``step`` is the step's name."""
        inner = _copy(self.outer)
        bind_local(inner.scope, "step", Type("id"))
        return replace(self, outer=inner, bound=inner)

    def for_condition(self, *, is_private: bool = False) -> RuleScope:
        """What a condition here is read in.

        Args:
            is_private: whether no value reads what it binds; then its names may be used again.
        """
        scope = _copy(self.outer)
        if not is_private:
            scope.taken = _names(self.bound)
        scope.beyond |= dict.fromkeys(_names(self.bound) - _names(self.outer), _GIVEN)
        scope.beyond.setdefault("attempt", _ATTEMPT)
        return scope

    def after(self, read: RuleScope | None) -> Realm:
        """The realm behind a condition: its aliases are bound for values."""
        if read is None:
            return self
        scope = _copy(self.bound)
        scope.scope.absorb(read.scope)
        scope.broken |= read.broken
        scope.is_doubtful |= read.is_doubtful
        scope.taken |= _names(read)
        for name in _names(read):
            scope.beyond.pop(name, None)
        return replace(self, bound=scope)

    def values(self, latest: Realm | None = None) -> RuleScope:
        """What values read here, and ``attempt``.

        Args:
            latest: the realm behind all conditions of the action: what is bound only there is said to come later.
        """
        scope = _copy(self.bound)
        bind_local(scope.scope, "attempt", Type("int"))
        if latest is not None:
            scope.beyond |= dict.fromkeys(_names(latest.bound) - _names(self.bound), _LATER)
        return scope

    def close(self, step: str, names: Iterable[str]) -> None:
        """What a step has bound is its own; nothing else of the plan reads it."""
        hint = f"it is bound in the step '{step}', for that step alone; holding(place, asset) says what has arrived"
        for name in names:
            self.outer.beyond.setdefault(name, hint)


def _copy(scope: RuleScope) -> RuleScope:
    return RuleScope(
        scope.names,
        scope.problems,
        scope.scope.child(),
        taken=set(scope.taken),
        broken=set(scope.broken),
        is_doubtful=scope.is_doubtful,
        beyond=dict(scope.beyond),
    )


def _names(scope: RuleScope) -> set[str]:
    """Aliases and values that can be read, and those that could if they were right."""
    return {*scope.scope.aliases, *scope.scope.locals, *scope.broken}


def first_realm(around: Surroundings) -> RuleScope:
    """What ``for`` is read in: nothing is bound yet."""
    return RuleScope(around.names, around.problems, Scope(params=around.names.params))
