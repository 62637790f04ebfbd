"""The same scenario told otherwise: every fact sent twice, or what lies in one instant in another order."""

from __future__ import annotations

from dataclasses import replace

from engine.insight.scenario.case import Case, Entry, Input, Step
from engine.insight.scenario.failure import Result


def sent_twice(case: Case) -> Case:
    """Every assertion and every reorganisation is sent again at once, as by a sender that heard no answer."""
    instants: dict[int, list[Step]] = {}
    for at, steps in case.instants.items():
        instants[at] = [
            replace(step, inputs=[again for each in step.inputs for again in _twice(each)]) for step in steps
        ]
    return replace(case, instants=instants)


def _twice(each: Input) -> list[Input]:
    is_sent = isinstance(each, Entry) and dict(each.fields)["op"] in ("assert", "reorg")
    return [each, each] if is_sent else [each]


def last_first(case: Case, once: Result) -> Case:
    """The evidence of an instant, the last first, where nothing was commanded and each speaks of another fact."""
    made = {each.at_ms - case.start_ms for each in once.made}
    kinds = _kinds_of_evidence(case)
    instants = {
        at: steps if at in made or not _may_turn(steps, kinds) else [_turned(step) for step in reversed(steps)]
        for at, steps in case.instants.items()
    }
    return replace(case, instants=instants)


def _kinds_of_evidence(case: Case) -> set[str]:
    """Kinds that are kept while they are used, but for what plans are for: what is told of steps."""
    intents = {pattern.kind.name for plan in case.base.rulebase.plans for pattern in plan.patterns}
    return {kind.name for kind in case.base.rulebase.kinds.values() if kind.keep_while_used} - intents


def _may_turn(steps: list[Step], kinds: set[str]) -> bool:
    inputs = [each for step in steps for each in step.inputs]
    said = [dict(each.fields) for each in inputs if isinstance(each, Entry)]
    things = [
        (fields["kind"], fields["data"]) for fields in said if fields["op"] == "assert" and fields["kind"] in kinds
    ]
    return len(things) == len(inputs) and len(set(things)) == len(things)


def _turned(step: Step) -> Step:
    return replace(step, inputs=step.inputs[::-1])


def known(result: Result) -> list[str]:
    """What must be the same: commands but for their ids, which name the entry behind them, and every outcome.

    Of an instant the last word on each coordination counts: in another order it may have been said at once.
    """
    made = [repr((m.at_ms, m.command, m.args, m.coordination)) for m in result.made]
    last = {(o.recorded_ms, o.coordination): sorted(o.said.items()) for o in result.outcomes}
    return [*made, *sorted(map(repr, last.items()))]
