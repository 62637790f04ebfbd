"""What a rule remembers of a match, or of a value of ``per``, and where that stands."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from engine.matching.compiled import CompiledEffect
from engine.matching.fact import Key, key_text
from engine.matching.match import Match
from engine.matching.memory import KindMemory

if TYPE_CHECKING:
    from engine.matching.node import RuleNode

#: Effects of ``exhausted`` are numbered from here, those of ``then`` from 0.
EXHAUSTED: Final = 1_000
#: Keys of ``Group.applied``.
THEN_PHASE, EXHAUSTED_PHASE = "then", "exhausted"


class State(IntEnum):
    """Where a group stands."""

    NEW = 0  # began in this round; nothing decided yet
    WAITING = 1  # `for` has not passed
    READY = 2  # in the agenda
    THROTTLED = 3  # ready, but too early after the last firing
    DONE = 4  # fired, or `once` said no


class Group:
    """What a rule remembers of a match, or of a value of ``per``.

    Attributes:
        node: the rule at work.
        key: fact keys of the match, or ``("per", value)``.
        text: canonical JSON of the key.
        members: matches that hold → since when each does.
        since: when the group began to hold.
        state: see State.
        moment: when it became ready.
        due: instant of its timer (``for``, throttle, repeat, exhausted), 0 if none.
        has_fired: whether effects were applied; then ``ended`` will be too.
        fired_at: nominal time of the first firing.
        attempt: number of the last firing, from 1; 0 before.
        activation: id of the first firing.
        match: the match its conclusions follow.
        applied: "then" or "exhausted" → time and attempt of the last such firing whose effects did not fail.
        supports: conclusions it supports: number of the effect → memory and key of the concluded fact.
        ended: effects to apply when it ends, evaluated on the last values for which it held.
        version: entries of the agenda with another version are void.
        depth: how many firings of the same step led to it.
        parent: the group whose firing made it begin, within the same step.
    """

    __slots__ = (
        "activation",
        "applied",
        "attempt",
        "depth",
        "due",
        "ended",
        "fired_at",
        "has_fired",
        "key",
        "match",
        "members",
        "moment",
        "node",
        "parent",
        "since",
        "state",
        "supports",
        "text",
        "version",
    )

    def __init__(self, node: RuleNode, key: Key, now: int) -> None:
        self.node = node
        self.key = key
        self.text = key_text(key)
        self.members: dict[Match, int] = {}
        self.since = now
        self.state = State.NEW
        self.moment = now
        self.due = 0
        self.has_fired = False
        self.fired_at = 0
        self.attempt = 0
        self.activation = ""
        self.match: Match | None = None
        self.applied: dict[str, tuple[int, int]] = {}
        self.supports: dict[int, tuple[KindMemory, Key]] = {}
        self.ended: list[Any] | None = None
        self.version = 0
        self.depth = 0
        self.parent: Group | None = None

    def effect(self, number: int) -> CompiledEffect:
        """The effect of that number, of ``then`` or ``exhausted``."""
        compiled = self.node.compiled
        return compiled.exhausted[number - EXHAUSTED] if number >= EXHAUSTED else compiled.then[number]
