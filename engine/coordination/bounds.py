"""By when a coordination must have begun, and by when it must have come about, as its facts say it now."""

from __future__ import annotations

from dataclasses import replace

from engine.coordination.desk import Desk
from engine.coordination.evaluate import Bound, Surroundings, evaluate
from engine.model.expr import Expr
from engine.model.plans import NEVER_MS


def read_bounds(desk: Desk) -> None:
    """Note what ``start`` and ``deadline`` come to; ``now`` in them is when the coordination began.

    Raises:
        EvaluationError: one of them cannot be computed; then both stay as they are.
    """
    case, plan = desk.case, desk.plan
    around = replace(desk.around(), now=case.started_at)
    case.start_before, case.deadline = _instant(plan.start_before, around), _instant(plan.deadline, around)


def remember_facts(desk: Desk) -> bool:
    """Keep the ``for`` facts as they are, for when they are gone; whether any is another than before."""
    aliases = desk.around().aliases
    now: dict[str, Bound] = {pattern.alias: aliases[pattern.alias] for pattern in desk.plan.patterns}
    is_new = now != desk.case.bound
    desk.case.bound = now
    return is_new


def _instant(expression: Expr | None, around: Surroundings) -> int | None:
    if expression is None:
        return None
    instant = int(evaluate(expression, around))
    return None if instant == NEVER_MS else instant
