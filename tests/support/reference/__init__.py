"""The slow, obvious reference: docs/semantics.md by nested loops, recomputing everything at every step."""

from tests.support.reference.engine import ReferenceEngine
from tests.support.reference.records import (
    CommandMade,
    Decision,
    Ended,
    FactAsserted,
    FactConcluded,
    FactRetracted,
    FactSeen,
    Firing,
    GroupSeen,
    StepRecord,
)
from tests.support.reference.steps import Advance, Assert, Reorg, Report, Result, Resume, Retract, Step

__all__ = [
    "Advance",
    "Assert",
    "CommandMade",
    "Decision",
    "Ended",
    "FactAsserted",
    "FactConcluded",
    "FactRetracted",
    "FactSeen",
    "Firing",
    "GroupSeen",
    "ReferenceEngine",
    "Reorg",
    "Report",
    "Result",
    "Resume",
    "Retract",
    "Step",
    "StepRecord",
]
