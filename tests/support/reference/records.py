"""What a run says: plain comparable records, the same from the reference and from the real engine."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.kinds import Value

#: One fact of a match: kind and key values (for ``schedule`` the occurrence follows the name).
FactKey = tuple[str, tuple[Value, ...]]
#: The keys of a match's facts in pattern order, or ``("per", value)``.
GroupKey = tuple[tuple[Value, ...], ...] | tuple[str, Value]


@dataclass(frozen=True, slots=True)
class CommandMade:
    """A command. ``args`` is canonical JSON text."""

    command_id: str
    connector: str
    verb: str
    args: str
    expires_ms: int | None


@dataclass(frozen=True, slots=True)
class FactAsserted:
    """An assertion by a rule, whether or not the kind then took it."""

    kind: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class FactRetracted:
    """A retraction by a rule."""

    kind: str
    key: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class FactConcluded:
    """A conclusion, as it was at the firing."""

    kind: str
    values: tuple[Value, ...]


EffectMade = CommandMade | FactAsserted | FactRetracted | FactConcluded


@dataclass(frozen=True, slots=True)
class Firing:
    """A rule fired. ``is_dropped``: an expression failed, so ``effects`` is empty."""

    rule: str
    group: GroupKey
    match: tuple[FactKey, ...]
    attempt: int
    activation_id: str
    effects: tuple[EffectMade, ...]
    is_exhausted: bool = False
    is_dropped: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """A group that had fired stopped holding."""

    rule: str
    group: GroupKey
    effects: tuple[EffectMade, ...]
    is_dropped: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What one entry or one due item caused. Only decisions that are not ``is_quiet`` are recorded."""

    cause: str
    now: int
    firings: tuple[Firing, ...] = ()
    ended: tuple[Ended, ...] = ()
    suspended: tuple[str, ...] = ()

    @property
    def is_quiet(self) -> bool:
        """Nothing fired, nothing ended."""
        return not (self.firings or self.ended or self.suspended)


@dataclass(frozen=True, slots=True)
class FactSeen:
    """A fact as rules see it."""

    kind: str
    key: tuple[Value, ...]
    values: tuple[Value, ...]
    observed_at: int


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """A group that holds."""

    rule: str
    group: GroupKey
    since: int
    has_fired: bool


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What one step of a history led to: its decisions, and the state after it, sorted."""

    index: int
    decisions: tuple[Decision, ...]
    facts: tuple[FactSeen, ...]
    groups: tuple[GroupSeen, ...]
