"""What the matching engine is given instead of reaching for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from engine import limits
from engine.matching.joins import Joiner, JoinShape
from engine.matching.occurrences import Times
from engine.model.journal import StreamId
from engine.model.plans import Plan
from engine.model.rules import Schedule

if TYPE_CHECKING:
    from engine.matching.engine import Engine
    from engine.matching.plans import PlanDriver


class Recalled(Protocol):
    """What deciding again must be told, because the journal does not say it."""

    def is_signed(self, entry: StreamId) -> bool:
        """Whether the signature of that entry fitted the secret."""
        ...

    def passed_over(self, schedule: str, at: int) -> int | None:
        """Up to where the occurrences of a schedule were missed when the one at ``at`` was due; None: it was not."""
        ...


@dataclass(slots=True)
class Surroundings:
    """What the engine is given instead of reaching for it.

    Attributes:
        make_joiner: builds the joiner for a list of shapes.
        times_of: builds the times of a schedule.
        secret: key of the engine's signatures.
        make_driver: builds what drives the rule base's plans.
        old_plans: (revision, plan) → plans of earlier rule bases that open coordinations began under.
        recalled: when decisions are made again: what was found the first time and does not follow from the journal.
        suspend_at: cause of a step → rules to suspend before it is settled (a chain of theirs did not end).
        max_skew_ms: how far in the future a fact may be observed.
    """

    make_joiner: Callable[[list[JoinShape]], Joiner]
    times_of: Callable[[Schedule], Times]
    secret: bytes = b""
    suspend_at: dict[str, tuple[str, ...]] = field(default_factory=dict)
    max_skew_ms: int = limits.MAX_SKEW_MS
    make_driver: Callable[[Engine], PlanDriver] | None = None
    old_plans: dict[tuple[str, str], Plan] = field(default_factory=dict)
    recalled: Recalled | None = None
