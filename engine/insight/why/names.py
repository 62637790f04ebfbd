"""What somebody asks about: a rule, a step of a plan, or a plan as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from engine.insight.why.candidates import AskedError
from engine.model.plans import Plan, Step
from engine.model.rules import Rule, RuleBase

_NAMED: Final = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """A rule; or a plan, and a step of it.

    Attributes:
        name: in full.
    """

    name: str
    rule: Rule | None = None
    plan: Plan | None = None
    step: Step | None = None


def resolve(rulebase: RuleBase, wanted: str) -> Asked:
    """What a name means; its pack may be left out where that is clear.

    Raises:
        AskedError: U163 nothing is called so, U164 several are.
    """
    every = _names(rulebase)
    if wanted in every:
        return every[wanted]
    found = [name for name in every if name.endswith(f".{wanted}")]
    if len(found) == 1:
        return every[found[0]]
    if found:
        raise AskedError("U164", f"'{wanted}' may be {' or '.join(found)}", "write the whole name")
    if not every:
        raise AskedError("U163", "no rule base is in force", "push one: `lockstep push DIR`")
    tails = {name.partition(".")[2]: name for name in every} | {name.rpartition(".")[2]: name for name in every}
    close = get_close_matches(wanted, every, _NAMED) or [
        tails[tail] for tail in get_close_matches(wanted, tails, _NAMED)
    ]
    hint = f"did you mean {', '.join(close)}?" if close else f"there are: {', '.join(sorted(every)[:20])}"
    raise AskedError("U163", f"no rule, plan or step is called '{wanted}'", hint)


def _names(rulebase: RuleBase) -> dict[str, Asked]:
    found = {rule.name: Asked(rule.name, rule=rule) for rule in rulebase.rules}
    for plan in rulebase.plans:
        found[plan.name] = Asked(plan.name, plan=plan)
        for step in plan.steps:
            name = f"{plan.name}.{step.name}"
            found[name] = Asked(name, plan=plan, step=step)
    return found
