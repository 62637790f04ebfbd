"""A rule as Python functions, and which changes of a fact concern it.

Every function takes ``F`` (the facts of the match, by seat), ``now`` (ms), ``cx`` (look-ups into memory, see
``context.py``) and ``W`` (a list that collects the instants at which a time test will flip).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.matching.shapes import RulePlan
from engine.model.kinds import Kind
from engine.model.rules import Effect, Rule

Guard = Callable[[Any, int, Any, list[int]], int]
Bind = Callable[[Any, int, Any, list[int]], tuple[Any, ...] | None]
Evaluate = Callable[[Any, tuple[Any, ...], int, int, Any], Any]


def observed_bit(kind: Kind) -> int:
    """The bit that says: a claim's observed_at changed."""
    return 1 << len(kind.fields)


def claims_bit(kind: Kind) -> int:
    """The bit that says: some source's claim under the key changed, though perhaps not the newest."""
    return 2 << len(kind.fields)


@dataclass(frozen=True, slots=True)
class InnerTerm:
    """A ``latest``, ``best``, ``without`` or aggregate: which index it reads, and which changes of a fact in it matter.

    Attributes:
        kind: name of the kind.
        positions: fields of the index, ascending; ``key(...)`` values come in this order.
        mask: bits of the fields it reads beyond the index.
    """

    kind: str
    positions: tuple[int, ...]
    mask: int


@dataclass(frozen=True, slots=True)
class CompiledEffect:
    """An effect and the function that evaluates it: ``(F, E, now, attempt, cx) -> values``."""

    effect: Effect
    evaluate: Evaluate


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule as functions.

    Attributes:
        rule: what it was made of.
        plan: how its matches are found.
        guard: 0 if it holds, else the 1-based number of the first term that does not; -1 if an expression failed.
        bind: the values of its picks, quorum claims and locals, or None if it does not hold.
        ripening: pattern seat → function giving the value a ``for_distinct`` counts, or None while its pattern fails.
        masks: by seat: bits of the fields its judgement reads.
        inner: its inner terms; ``cx.look(k, …)`` reads the k-th.
        is_timed: whether its truth may change by time alone.
        labels: what ``bind`` gives, in order: (alias or name, "fact", "claim" or "value").
        source: the generated text, for people.
    """

    rule: Rule
    plan: RulePlan
    guard: Guard
    bind: Bind
    ripening: dict[int, Callable[[Any, int, Any, list[int]], Any]]
    masks: tuple[int, ...]
    inner: tuple[InnerTerm, ...]
    is_timed: bool
    labels: tuple[tuple[str, str], ...]
    then: tuple[CompiledEffect, ...]
    ended: tuple[CompiledEffect, ...]
    exhausted: tuple[CompiledEffect, ...]
    per: Evaluate | None
    priority: Evaluate | None
    once_key: Evaluate | None
    throttle_per: Evaluate | None
    source: str
