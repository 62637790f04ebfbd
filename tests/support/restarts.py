"""Plays a scenario again with a recovery before whatever happens in it: nothing may come out otherwise."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from engine.cli.playing import daemon_machinery
from engine.insight.scenario.case import Case, Restart, Step
from engine.insight.scenario.failure import Result
from engine.insight.scenario.player import play


def play_twice(case: Case) -> tuple[Result, Result]:
    """The test as it stands, and with a recovery before each of its inputs and before each instant that is due."""
    once = play(case, daemon_machinery())
    return once, play(restarted(case, once), daemon_machinery())


def play_again_with_recoveries(case: Case) -> tuple[Result, Result]:
    """The test as it stands, and with a recovery before and after each instant at which something was made or said."""
    once = play(case, daemon_machinery())
    instants = dict(case.instants)
    last = max(instants, default=0)
    for at in moments(once, case.start_ms):
        restart = Step(case.span, inputs=[Restart(case.span)])
        for place in (at - 1, at):
            if 0 <= place <= last:
                instants[place] = [restart, *instants.get(place, []), restart]
    again = replace(case, instants=dict(sorted(instants.items())), ignores_others=True)
    return once, play(again, daemon_machinery())


def restarted(case: Case, once: Result) -> Case:
    """The same test with recoveries."""
    last = max(case.instants, default=0)
    instants: dict[int, list[Step]] = {at: [_restarted(step) for step in steps] for at, steps in case.instants.items()}
    for at in moments(once, case.start_ms):
        for before in (at - 1, at):
            if 0 <= before <= last and before not in instants:
                # A step that says nothing expects what the instant makes, for that was judged already.
                instants[before] = [Step(case.span, inputs=[Restart(case.span)])]
    return replace(case, instants=dict(sorted(instants.items())), ignores_others=True)


def moments(once: Result, start_ms: int) -> list[int]:
    """Instants, as offsets from the start, at which something was made or said."""
    found = {made.at_ms - start_ms for made in once.made}
    found |= {outcome.recorded_ms - start_ms for outcome in once.outcomes}
    return sorted(found)


def _restarted(step: Step) -> Step:
    inputs: list[Any] = []
    for each in step.inputs:
        inputs += [Restart(step.span), each]
    return replace(step, inputs=[*inputs, Restart(step.span)])


def told(result: Result) -> list[object]:
    """What must be the same: commands, every word of the audit, and the state at the end."""
    made = [(m.at_ms, m.id, m.command, dict(m.args), m.coordination) for m in result.made]
    noted = [(n.at_ms, n.cause, json.dumps(n.event, sort_keys=True)) for n in result.noted]
    state = result.committed
    return [*made, *noted, *sorted(state.facts.items()), *sorted(state.active.items())]
