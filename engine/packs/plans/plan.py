"""One plan: what it is for, its steps, and how its end is judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.errors import Problem
from engine.limits import MAX_PATTERNS, MAX_STEPS
from engine.model.plans import Action, Alternative, Condition, Plan, Relation, Step
from engine.model.rules import Pattern
from engine.packs.complaints import complain, did_you_mean, listed, quoted
from engine.packs.effects import read_verb
from engine.packs.forms import Form, as_map
from engine.packs.joins import check_joins
from engine.packs.names import check_dashed
from engine.packs.nodes import ListNode, MapNode, Node, ScalarNode
from engine.packs.old_names import read_old_names
from engine.packs.plans.bounds import check_bounds, read_deadline, read_start
from engine.packs.plans.conditions import names_of, read_condition
from engine.packs.plans.costly import warn_of_costly_slips
from engine.packs.plans.evidence import warn_of_shared_evidence
from engine.packs.plans.graph import check_graph
from engine.packs.plans.moves import read_portions
from engine.packs.plans.outcome import read_outcome
from engine.packs.plans.realm import Realm, Surroundings, first_realm
from engine.packs.plans.relations import read_relation
from engine.packs.plans.steps import read_step
from engine.packs.rulescope import PackNames
from engine.packs.termchecks import Schedules, check_schedule_names
from engine.packs.terms import read_terms

_KEYS: Final = (
    "plan",
    "was",
    "doc",
    "for",
    "start",
    "deadline",
    "escalation",
    "brings",
    "cancel",
    "no_return",
    "steps",
    "relations",
    "outcome",
)


def read_plan(node: Node, names: PackNames, schedules: Schedules, problems: list[Problem]) -> Plan | None:
    """One plan, typed, or None if it is broken (the problems are noted).

    Args:
        node: the item of ``plans``.
        names: what the pack offers.
        schedules: of all packs, by ``pack.schedule``.
        problems: takes what is wrong.
    """
    body = as_map(node, "plan", problems)
    if body is None:
        return None
    named = body.get("plan")
    what = f"the plan {quoted(named.text)}" if isinstance(named, ScalarNode) else "a plan"
    form = Form(body, what, _KEYS, problems, names.params)
    if not form.need("plan", "for", "steps"):
        return None
    known_before = len(problems)
    named = form.scalar("plan")
    name = check_dashed(named, "plan", problems) if named else None
    around = Surroundings(names, schedules, problems)
    patterns, realm = _read_for(form, around)
    steps = _read_steps(form, realm)
    known = _step_names(form)
    full_name = f"{names.pack}.{name or '?'}"
    plan = Plan(
        full_name,
        patterns,
        steps,
        named.span if named else form.span,
        was=read_old_names(form, "plan", full_name),
        doc=form.doc(),
        start_before=read_start(form, realm),
        deadline=read_deadline(form, realm),
        escalation=read_verb(given, problems) if (given := form.scalar("escalation")) else None,
        brings=read_portions(form, "brings", realm.bound),
        relations=_read_relations(form, known, steps, realm),
        no_return=_read_no_return(form, known, steps),
        cancel=_read_cancel(form, realm),
        outcome=read_outcome(form, realm),
    )
    if check_graph(steps, known, problems):
        check_bounds(plan, form, problems)
    _warn_of_silence(plan, form)
    warn_of_shared_evidence(plan, problems)
    if not any(problem.is_error for problem in problems[known_before:]):
        warn_of_costly_slips(plan, problems)
    return plan if name else None


def _read_for(form: Form, around: Surroundings) -> tuple[tuple[Pattern, ...], Realm]:
    """The patterns a coordination is for, and the realm in which their aliases are known."""
    scope = first_realm(around)
    given = form.list("for")
    terms = read_terms(given, scope) if given is not None else ()
    scope.is_doubtful |= given is None
    patterns = tuple(term for term in terms if isinstance(term, Pattern))
    if given is not None and len(terms) == len(given.items):
        for term in terms:
            if not isinstance(term, Pattern):
                hint = "put conditions into 'where' of a pattern, or into 'when' of a step"
                complain(form.problems, term.span, "E602", "'for' takes patterns alone", hint)
        if not patterns:
            hint = "add one, as in '- intent: i'; a coordination is one tuple of facts"
            complain(form.problems, form.at("for"), "E602", "no pattern", hint)
    if len(patterns) > MAX_PATTERNS:
        message = f"{len(patterns)} patterns; a plan may have {MAX_PATTERNS}"
        complain(form.problems, form.at("for"), "E329", message, "use fewer")
    elif not scope.broken:
        check_joins(patterns, form.problems)
    check_schedule_names(terms, around.schedules, form.problems)
    return patterns, Realm.of_plan(around, scope)


def _read_steps(form: Form, realm: Realm) -> tuple[Step, ...]:
    given = form.list("steps")
    if given is None:
        return ()
    if not 0 < len(given.items) <= MAX_STEPS:
        message = f"{len(given.items)} steps"
        complain(form.problems, given.span, "E624", message, f"a plan has 1 to {MAX_STEPS} of them")
        return ()
    made: dict[str, Step] = {}
    for node in given.items:
        step = read_step(node, realm)
        if step is None:
            continue
        if step.name in made:
            hint = f"see line {made[step.name].span.line}; rename one"
            complain(form.problems, step.span, "E604", f"the step '{step.name}' stands twice", hint)
        made.setdefault(step.name, step)
        realm.close(step.name, names_of(step.when, step.action.seen, step.action.confirmed))
    return tuple(made.values())


def _step_names(form: Form) -> list[str]:
    """Names of all steps that are written, broken ones too: whoever names one of these is not wrong himself."""
    given = form.node("steps")
    bodies = [node for node in (given.items if isinstance(given, ListNode) else ()) if isinstance(node, MapNode)]
    return [name.text for body in bodies if isinstance(name := body.get("step"), ScalarNode)]


def _read_relations(form: Form, known: list[str], steps: tuple[Step, ...], realm: Realm) -> tuple[Relation, ...]:
    given = form.list("relations")
    made = [read_relation(node, known, steps, realm) for node in (given.items if given else ())]
    return tuple(relation for relation in made if relation is not None)


def _read_no_return(form: Form, known: list[str], steps: tuple[Step, ...]) -> str | None:
    given = form.scalar("no_return")
    if given is not None and given.text not in known:
        hint = did_you_mean(given.text, known, "steps") or "name a step of this plan"
        complain(form.problems, given.span, "E603", f"no step {quoted(given.text)}", hint)
    elif given is not None and any(s.name == given.text and s.action.command is None for s in steps):
        hint = "a cancel comes too late once the step is commanded; name one that is"
        complain(form.problems, given.span, "E609", f"'no_return' at '{given.text}', which has no command", hint)
    return given.text if given else None


def _read_cancel(form: Form, realm: Realm) -> Condition | None:
    condition, _ = read_condition(form, "cancel", realm, is_private=True)
    if condition is not None and condition.terms and not any(isinstance(t, Pattern) for t in condition.terms):
        hint = "name the fact that cancels, as in '- cancel: c'"
        complain(form.problems, form.at("cancel"), "E602", "'cancel' without a pattern", hint)
    if condition is None:
        _check_default_cancel(form, realm)
    return condition


def _check_default_cancel(form: Form, realm: Realm) -> None:
    """A ``cancel`` fact is told by the key of the first ``for`` fact; both must be of one form."""
    kind = realm.around.names.kinds.get("cancel")
    first = next(iter(realm.outer.scope.aliases.values()), None)
    if kind is None or first is None or "cancel" in form:
        return
    ours, theirs = [[each.field(name).type for name in each.key] for each in (kind, first)]
    if ours != theirs:
        message = f"no 'cancel' fact can have the key of '{first.name}' ({listed(first.key)})"
        complain(
            form.problems, form.at("for"), "W604", message, "say what cancels it: 'cancel: [{cancel: c, where: …}]'"
        )


def _warn_of_silence(plan: Plan, form: Form) -> None:
    """What the plan asks for and will not get."""
    calling = next((each for each in _alternatives(plan) if each.escalate), None)
    if calling is not None and plan.escalation is None and "escalation" not in form:
        message = "'escalate' in a plan without 'escalation': nobody is called"
        complain(form.problems, calling.span, "W601", message, "add 'escalation: ops.page' to the plan")
    for step in plan.steps:
        if plan.deadline is None and step.action.within_ms is None and step.action.alternatives("timeout"):
            message = f"'timeout' of '{step.name}' never comes: neither 'within' nor a deadline bounds it"
            complain(form.problems, step.span, "W603", message, "add 'within: 30m' to the step")


def _alternatives(plan: Plan) -> Iterator[Alternative]:
    for relation in plan.relations:
        yield from _with_inner(relation.otherwise or ())
    for step in plan.steps:
        yield from _of_action(step.action)
        for entry in step.undo:
            yield from _of_action(entry.action)


def _of_action(action: Action) -> Iterator[Alternative]:
    for _, alternatives in action.otherwise:
        yield from _with_inner(alternatives)


def _with_inner(alternatives: tuple[Alternative, ...]) -> Iterator[Alternative]:
    for alternative in alternatives:
        yield alternative
        if alternative.action is not None:
            yield from _of_action(alternative.action)
