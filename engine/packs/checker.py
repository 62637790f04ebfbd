"""All packs of a rule base against each other: names across packs, rules, plans, cycles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.errors import Problem
from engine.limits import MAX_PLANS, MAX_RULES
from engine.model.kinds import ENGINE_KINDS, Kind
from engine.model.plans import Plan
from engine.model.rules import Rule, RuleBase, Schedule, Span
from engine.packs.complaints import complain, did_you_mean, listed, quoted
from engine.packs.cycles import check_cycles
from engine.packs.packfile import Pack, place
from engine.packs.plans import read_plan
from engine.packs.rules import read_rule
from engine.packs.rulescope import PackNames
from engine.packs.sources import SHIPPED


def check_packs(packs: dict[str, Pack], problems: list[Problem]) -> RuleBase:
    """The typed rule base, its revision still empty; whoever calls lets go of it if a problem is an error."""
    kinds = _join_kinds(packs, problems)
    schedules = _join_schedules(packs, problems)
    _check_uses(packs, problems)
    rules = _read_rules(packs, schedules, problems)
    check_cycles(rules, problems)
    plans = _read_plans(packs, schedules, rules, problems)
    return RuleBase(
        "",
        kinds=ENGINE_KINDS | kinds,
        rules=rules,
        schedules=tuple(schedules[name] for name in sorted(schedules)),
        plans=plans,
        packs={name: packs[name].version or 1 for name in sorted(packs)},
    )


def _join_kinds(packs: dict[str, Pack], problems: list[Problem]) -> dict[str, Kind]:
    """Every kind by its global name; packs that declare the same one must declare it alike."""
    joined: dict[str, tuple[Kind, Span]] = {}
    for pack in packs.values():
        for name, (kind, span) in pack.kinds.items():
            first, where = joined.setdefault(name, (kind, span))
            if replace(first, doc="") != replace(kind, doc=""):
                hint = f"make them alike (see {place(where)}), or rename one"
                complain(problems, span, "E403", f"the kind '{name}' is declared otherwise in another pack", hint)
    return {name: kind for name, (kind, _) in sorted(joined.items())}


def _join_schedules(packs: dict[str, Pack], problems: list[Problem]) -> dict[str, Schedule]:
    """Every schedule by its full name; the local names must differ too, since ``schedule`` facts go by them."""
    joined: dict[str, Schedule] = {}
    local: dict[str, Schedule] = {}
    for pack in packs.values():
        for schedule in pack.schedules.values():
            first = local.setdefault(schedule.local_name, schedule)
            if first is not schedule:
                message = f"the schedule '{schedule.local_name}' stands in another pack"
                hint = f"its facts go by this name alone (see {place(first.span)}); rename one"
                complain(problems, schedule.span, "E510", message, hint)
            joined[schedule.name] = schedule
    return joined


def _check_uses(packs: dict[str, Pack], problems: list[Problem]) -> None:
    for pack in packs.values():
        for used, span in pack.uses.items():
            if used not in packs:
                known = [name for name in {*packs, *SHIPPED} if name != pack.name and not name.startswith("?")]
                hint = did_you_mean(used, sorted(known), "packs") or "give its files too, or take it out of 'use'"
                complain(problems, span, "E311", f"no pack {quoted(used)} among the files given", hint)


def _names_of(pack: Pack, packs: dict[str, Pack]) -> PackNames:
    """A pack sees its own kinds, those of the packs it names, and the engine's."""
    seen = [packs[name] for name in pack.uses if name in packs] + [pack]
    kinds = {name: kind for each in seen for name, (kind, _) in each.kinds.items()}
    elsewhere = {name: each.name for each in packs.values() for name in each.kinds if name not in kinds}
    return PackNames(pack.name, kinds | ENGINE_KINDS, elsewhere, pack.params)


def _read_rules(packs: dict[str, Pack], schedules: dict[str, Schedule], problems: list[Problem]) -> tuple[Rule, ...]:
    rules: dict[str, Rule] = {}
    for pack in packs.values():
        names = _names_of(pack, packs)
        for node in pack.rules:
            rule = read_rule(node, names, schedules, problems)
            if rule is None:
                continue
            if rule.name in rules:
                hint = f"see {place(rules[rule.name].span)}; rename one"
                complain(problems, rule.span, "E312", f"the rule '{rule.name}' stands twice", hint)
            rules.setdefault(rule.name, rule)
    made = tuple(rules[name] for name in sorted(rules))
    if len(made) > MAX_RULES:
        span = made[MAX_RULES].span
        complain(problems, span, "E313", f"{len(made)} rules; a rule base may have {MAX_RULES}", "use fewer")
    old_names = {rule.name: (rule.was,) if rule.was else () for rule in made}
    _check_old_names(old_names, "rule", {rule.name: rule.span for rule in made}, problems)
    _check_memories(made, problems)
    return made


def _read_plans(
    packs: dict[str, Pack], schedules: dict[str, Schedule], rules: tuple[Rule, ...], problems: list[Problem]
) -> tuple[Plan, ...]:
    """Every plan by its full name; rules and plans are paused, shown and explained by name, so they share them."""
    plans: dict[str, Plan] = {}
    taken = {rule.name: rule.span for rule in rules}
    for pack in packs.values():
        names = _names_of(pack, packs)
        for node in pack.plans:
            plan = read_plan(node, names, schedules, problems)
            if plan is None:
                continue
            if plan.name in taken:
                hint = f"see {place(taken[plan.name])}; rename one"
                complain(problems, plan.span, "E601", f"a rule or plan '{plan.name}' stands already", hint)
            taken.setdefault(plan.name, plan.span)
            plans.setdefault(plan.name, plan)
    made = tuple(plans[name] for name in sorted(plans))
    _check_old_names({plan.name: plan.was for plan in made}, "plan", {plan.name: plan.span for plan in made}, problems)
    if len(made) > MAX_PLANS:
        message = f"{len(made)} plans; a rule base may have {MAX_PLANS}"
        complain(problems, made[MAX_PLANS].span, "E624", message, "use fewer")
    return made


def _check_old_names(
    named: Mapping[str, tuple[str, ...]], what: str, spans: Mapping[str, Span], problems: list[Problem]
) -> None:
    """A rule or plan that was renamed takes over one past, and nobody else's.

    Args:
        named: name → names it had.
        what: ``rule`` or ``plan``.
        spans: where each stands.
        problems: takes what is wrong.
    """
    heirs: dict[str, str] = {}
    for name, old_names in named.items():
        for was in old_names:
            if was in named:
                complain(
                    problems, spans[name], "E351", f"'was: {was}' is a {what} that still exists", "delete the line"
                )
            elif was in heirs:
                message = f"'was: {was}' stands in {heirs[was]} too"
                complain(problems, spans[name], "E351", message, f"only one {what} can take over its past")
            heirs.setdefault(was, name)


def _check_memories(rules: tuple[Rule, ...], problems: list[Problem]) -> None:
    """Rules that share a ``once`` memory share the type of its key; nobody shares a rule's own by accident."""
    by_name = {rule.name: rule for rule in rules}
    first: dict[str, Rule] = {}
    for rule in rules:
        if rule.once is None:
            continue
        owner = by_name.get(rule.once.name)
        if owner is not None and owner is not rule and owner.once is not None and owner.once.name == owner.name:
            message = f"'as: {rule.once.name.partition('.')[2]}' is the own memory of the rule '{owner.name}'"
            complain(problems, rule.span, "E354", message, "give both rules the same 'as', of another name")
        other = first.setdefault(rule.once.name, rule)
        if other.once is not None and other.once.key.type.name != rule.once.key.type.name:
            types = listed([str(other.once.key.type), str(rule.once.key.type)])
            message = f"'{other.name}' and '{rule.name}' share a memory with keys of different types ({types})"
            complain(problems, rule.span, "E354", message, "use keys of one type")
