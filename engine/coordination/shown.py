"""The state that a step is said to be in."""

from __future__ import annotations

from engine.coordination.case import StepCase


def shown_state(step: StepCase) -> str:
    """What the ``step`` fact and the records tell."""
    if step.undo_state in ("undone", "stuck"):
        return step.undo_state
    if step.undo_state:
        return "undoing"
    if step.run.status != "idle":
        return step.run.status
    return "planned" if step.ready_at is None else "ready"
