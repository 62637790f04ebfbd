"""All that a run remembers. See *State* and *Groups* in docs/semantics.md."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from engine.model.rules import ConcludeEffect, Rule
from tests.support.reference.facts import Facts
from tests.support.reference.ids import canonical
from tests.support.reference.records import EffectMade, FactConcluded, FactKey, GroupKey
from tests.support.reference.rules import Judgement, Match


@dataclass(frozen=True)
class Conclusion:
    """What keeps a concluded fact: an effect of a group that holds, with the time and attempt of its firing."""

    effect: ConcludeEffect
    index: int
    at: int
    attempt: int


@dataclass
class Group:
    """What a rule remembers of a match, or of a value of ``per``, while it holds.

    Attributes:
        match: the facts of the match it fires with, its best.
        judgement: what that match was found to be when the group last held.
        timer: when it is due next, by ``for``, ``throttle`` or ``repeat``.
        ready_at: since when it is ready to fire; None: it is not.
        is_done: it fired, or ``once`` counted it as done.
        fired_at: its first firing; None: it has not fired.
        activation: id of the activation, made at its first firing.
        attempt: firings so far, ``exhausted`` not counted.
        is_exhausted: it fired as often as ``repeat`` lets it.
        ended: what it will do when it ends, evaluated when it last held, and whether that failed.
        parent: the group whose firing made it begin, if that was in the same step.
        depth: how many such parents it has.
    """

    rule: Rule
    key: GroupKey
    since: int
    match: tuple[FactKey, ...]
    judgement: Judgement
    timer: int | None = None
    ready_at: int | None = None
    is_done: bool = False
    fired_at: int | None = None
    activation: str = ""
    attempt: int = 0
    is_exhausted: bool = False
    conclusions: tuple[Conclusion, ...] = ()
    ended: tuple[list[EffectMade], bool] = ([], False)
    parent: Group | None = None
    depth: int = 0

    @property
    def order(self) -> tuple[str, str]:
        """Rule name, then key."""
        return self.rule.name, canonical(self.key)


#: Rule, group key as text, number of the effect.
Supporter = tuple[str, str, int]


@dataclass
class State:
    """Facts, matches, groups and memories.

    Attributes:
        matches: per rule: tuples of fact keys, as text → match.
        groups: per rule: group key as text → group that holds.
        once: (memory, is live, key as text) → when it was remembered.
        throttled: (rule, value as text) → last firing.
        supports: who supports which concluded fact with which values.
        commands: ids of all commands made.
        suspended: rules that do not fire.
    """

    facts: Facts
    matches: dict[str, dict[str, Match]] = field(default_factory=dict)
    groups: dict[str, dict[str, Group]] = field(default_factory=dict)
    once: dict[tuple[str, bool, str], int] = field(default_factory=dict)
    throttled: dict[tuple[str, str], int] = field(default_factory=dict)
    supports: dict[Supporter, FactConcluded] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    suspended: set[str] = field(default_factory=set)

    def copy(self) -> State:
        """An independent copy."""
        matches = {rule: {k: m.copy() for k, m in by_key.items()} for rule, by_key in self.matches.items()}
        groups = {rule: {k: replace(g) for k, g in by_key.items()} for rule, by_key in self.groups.items()}
        return State(
            self.facts.copy(),
            matches,
            groups,
            dict(self.once),
            dict(self.throttled),
            dict(self.supports),
            list(self.commands),
            set(self.suspended),
        )
