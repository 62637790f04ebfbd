"""The facts that what a coordination does rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.coordination.case import Case

if TYPE_CHECKING:
    from engine.coordination.driver import Driver


def facts_behind(driver: Driver, case: Case, name: str) -> list[dict[str, Any]]:
    """The facts that a command of this coordination rests on, for the audit."""
    found = []
    for pattern, (_, fact) in zip(driver.outline_of(case).plan.patterns, driver.copies.living(case), strict=True):
        if fact is not None:
            found.append(driver.effects.said_fact(pattern.alias, fact, fact.claim))
    step = case.steps.get(name)
    for run in () if step is None else step.runs():
        for alias, bound in sorted(run.bound.items()):
            fact = driver.fact_of(bound.kind, bound.key)
            if fact is not None:
                found.append(driver.effects.said_fact(alias, fact, fact.claim))
    return found
