"""What the matching core knows of coordinations: that someone watches conditions, acts, and keeps cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from engine.matching.fact import Fact
    from engine.matching.group import Group
    from engine.matching.node import RuleNode
    from engine.model.plans import Plan


class PlanDriver(Protocol):
    """Drives coordinations; see ``engine.coordination.driver``."""

    def nodes(self) -> Iterable[RuleNode]:
        """The conditions of all plans, as rules that fire nothing."""
        ...

    @property
    def is_dirty(self) -> bool:
        """Whether some coordination must be looked at before the step is settled."""
        ...

    def advance(self) -> None:
        """Bring every coordination that must be looked at to its fixpoint."""
        ...

    def sensed(self, group: Group) -> None:
        """A condition began or stopped to hold for a coordination, or holds on other values."""
        ...

    def is_idle(self, condition: str, keys: tuple[Any, ...]) -> bool:
        """Whether a condition of that name is judged for no coordination with these keys, though it once was."""
        ...

    def close(self, coordination: str) -> bool:
        """End a stopped coordination by an operator's word; False if there is none of that id."""
        ...

    def stopped(self) -> int:
        """How many coordinations are stopped, and wait for an operator."""
        ...

    def take(self, action: PlanAction) -> None:
        """A forward command's turn in the agenda has come."""
        ...

    def due(self, payload: object, at: int) -> bool:
        """An instant that a coordination waits for; False if it no longer stands."""
        ...

    def settle_due(self, payload: object) -> None:
        """The step of a due item: have the coordination looked at."""
        ...

    def command_moved(self, command: str, status: str, source: str) -> None:
        """A command's status changed, as that source said."""
        ...

    def reorganised(self, gone: set[tuple[str, tuple[Any, ...]]]) -> None:
        """Facts left memory with their blocks."""
        ...

    def uses(self, fact: Fact) -> bool:
        """Whether an open coordination's key or evidence refers to a fact."""
        ...

    def restore(self, records: Mapping[str, Any], *, is_reload: bool) -> None:
        """Take the committed coordinations, before anything is judged."""
        ...

    def resume(self, *, is_reload: bool) -> list[str]:
        """After everything was judged: note what is due; gives differences from what was committed."""
        ...

    def standing(self) -> list[dict[str, Any]]:
        """Every coordination without a verdict as it stands now, in the form of the record of an end."""
        ...

    def plans_in_use(self) -> dict[tuple[str, str], Plan]:
        """(revision, plan) → plan of every coordination, for the engine that goes on after a reload."""
        ...

    def records(self) -> dict[str, Any]:
        """All coordinations as plain values, for a reload."""
        ...


class PlanAction:
    """A forward command that waits for its turn in the agenda, among the rules that are ready."""

    __slots__ = ("case", "step", "version")

    def __init__(self, case: object, step: str) -> None:
        self.case = case
        self.step = step
        self.version = 1
