"""What loads and costs money later: evidence that is anybody's, waiting that nothing ends, words taken for amounts."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import Problem
from engine.model.expr import Compare, Expr, FieldRef, In
from engine.model.exprtools import aliases_read, locals_read, walk
from engine.model.plans import Action, Alternative, Condition, Plan, Step
from engine.model.rules import Aggregate, Check, Let, Pattern, Pick, Span, Term
from engine.packs.complaints import complain
from engine.packs.plans.evidence import is_same_evidence

#: What the engine gives, and only one coordination has.
_OWN = frozenset({"coordination"})
_EVIDENCE = ("seen", "confirmed", "failed", "unused", "final")


def warn_of_costly_slips(plan: Plan, problems: list[Problem]) -> None:
    """Say what can hardly be meant, with the place and what to write instead."""
    given = frozenset(pattern.alias for pattern in plan.patterns)
    for step in plan.steps:
        known = given | _bound(step.when)
        for name, action in _actions(step.name, step.action):
            _warn_of_strangers(name, action, known, problems)
            _warn_of_mere_reports(name, action, step.span, problems)
            _warn_of_short_lives(name, action, problems)
        _warn_of_endless_waiting(plan, step, problems)
        _warn_of_words_for_amounts(step, given, problems)
        for entry in step.undo:
            for name, action in _actions(f"the undo of {step.name}", entry.action):
                _warn_of_strangers(name, action, known | _bound(entry.when), problems)
                _warn_of_short_lives(name, action, problems)
            _warn_of_one_evidence_both_ways(step, entry.action, problems)


def _actions(name: str, action: Action) -> Iterator[tuple[str, Action]]:
    """An action, and the small steps that its alternatives take."""
    yield name, action
    for cause, alternatives in action.otherwise:
        for alternative in alternatives:
            if alternative.action is not None:
                yield from _actions(f"{name}, {cause}", alternative.action)


def _evidence(action: Action) -> Iterator[tuple[str, Condition]]:
    for what in _EVIDENCE:
        condition: Condition | None = getattr(action, what)
        if condition is not None:
            yield what, condition


# -- evidence that is anybody's -------------------------------------------------------
def _warn_of_strangers(name: str, action: Action, known: frozenset[str], problems: list[Problem]) -> None:
    """Evidence none of whose facts is joined to the coordination: that of another one would do as well.

    A step that only waits may wait for what concerns everybody.
    """
    if action.command is None and action.moves is None:
        return
    known |= _bound(action.seen)
    for what, condition in _evidence(action):
        ranging = [term for term in condition.terms if isinstance(term, Pattern | Pick | Aggregate)]
        if ranging and not _joined(condition.terms, known - (_bound(condition) if what == "seen" else frozenset())):
            message = f"nothing joins '{what}' of {name} to the coordination: facts about any other one would show it"
            hint = f"add an equality to 'where', as in '{ranging[0].alias}.intent == i.id'"
            complain(problems, ranging[0].span, "W607", message, hint)


def _joined(terms: tuple[Term, ...], known: frozenset[str]) -> bool:
    """Whether some fact that the terms range over equals something that belongs to the coordination."""
    for expression in _expressions(terms):
        for node in walk(expression):
            ends: tuple[Expr, ...] = ()
            if isinstance(node, Compare) and node.op == "==":
                ends = (node.left, node.right)
            elif isinstance(node, In):
                ends = (node.item, *node.options)
            own = [end for end in ends if aliases_read(end) & known or locals_read(end) & _OWN]
            others = [end for end in ends if aliases_read(end) - known]
            if own and others:
                return True
    return False


def _expressions(terms: tuple[Term, ...]) -> Iterator[Expr]:
    for term in terms:
        match term:
            case Pattern() | Pick() | Aggregate():
                yield from term.where
            case Let():
                yield term.value
            case Check():
                yield from term.conditions


def _bound(condition: Condition | None) -> frozenset[str]:
    terms = () if condition is None else condition.terms
    return frozenset(term.alias for term in terms if isinstance(term, Pattern | Pick))


# -- what confirms -----------------------------------------------------------------------
def _warn_of_mere_reports(name: str, action: Action, span: Span, problems: list[Problem]) -> None:
    """That value left is seen, that it arrived is taken from a report."""
    gets = action.moves is not None and action.moves.gets
    if action.command is not None and action.seen is not None and action.confirmed is None and gets:
        message = f"value of {name} is seen to leave, but only a report 'done' says that it arrived"
        complain(problems, span, "W608", message, "add 'confirmed' with the fact that shows the arrival")


def _warn_of_short_lives(name: str, action: Action, problems: list[Problem]) -> None:
    """What was said while nobody could hear it is gone before it is heard."""
    within = action.within_ms
    if within is None:
        return
    for what, condition in (("seen", action.seen), ("confirmed", action.confirmed)):
        for term in () if condition is None else condition.terms:
            ttl = term.kind.ttl_ms if isinstance(term, Pattern | Pick | Aggregate) else None
            if ttl is not None and ttl < within and not _is_fresh(term):
                assert isinstance(term, Pattern | Pick | Aggregate)  # noqa: S101 - it has a ttl
                message = (
                    f"'{what}' of {name} may take {within} ms, but a '{term.kind.name}' is gone after {ttl} ms: told"
                    " while the daemon was down, or before the rest of its evidence, it does not count"
                )
                complain(problems, term.span, "W609", message, "give the kind 'keep: while_used', or a longer ttl")


def _is_fresh(term: Term) -> bool:
    """Who asks for what is fresh does not want what is old."""
    return getattr(term, "fresh_ms", None) is not None


def _warn_of_one_evidence_both_ways(step: Step, undo: Action, problems: list[Problem]) -> None:
    there, back = step.action.confirmed, undo.confirmed
    if there is None or back is None or not is_same_evidence(there, back):
        return
    message = f"'{step.name}' and its undo wait for the same evidence: an arrival would pass for a return"
    complain(problems, back.span, "W606", message, "add what tells them apart to 'where', as in 't.target == i.source'")


# -- waiting that nothing ends ---------------------------------------------------------
def _warn_of_endless_waiting(plan: Plan, step: Step, problems: list[Problem]) -> None:
    """Alternatives that call or hold and decide nothing, in a plan without a deadline."""
    if plan.deadline is not None:
        return
    for cause, alternatives in step.action.otherwise:
        waits = cause in ("failed", "refused", "timeout") and alternatives
        if waits and not any(_decides(alternative) for alternative in alternatives):
            message = f"after '{cause}' of '{step.name}' nothing ends the waiting: people are called at most"
            hint = "add an alternative that undoes, retries, accepts or ends, or a 'deadline' to the plan"
            complain(problems, alternatives[-1].span, "W610", message, hint)


def _decides(alternative: Alternative) -> bool:
    a = alternative
    return bool(a.retry or a.undo or a.action is not None or a.accept or a.end is not None)


# -- amounts -------------------------------------------------------------------------------
def _warn_of_words_for_amounts(step: Step, given: frozenset[str], problems: list[Problem]) -> None:
    """What arrived is read from what was wanted, though the evidence says how much it was."""
    action = step.action
    if action.moves is None or action.confirmed is None:
        return
    for portion in action.moves.gets:
        read = aliases_read(portion.amount)
        told = [term for term in action.confirmed.terms if isinstance(term, Pattern) and _tells_amount(term)]
        is_word = isinstance(portion.amount, FieldRef) and read <= given and not locals_read(portion.amount)
        if is_word and told and not _is_compared(action.confirmed, portion.amount):
            name = next(field.name for field in told[0].kind.fields if field.type.name == "amount")
            message = f"'{step.name}' books as arrived what was wanted, though '{told[0].kind.name}' says how much did"
            hint = f"write 'amount: ={told[0].alias}.{name}', or compare the two in 'where'"
            complain(problems, told[0].span, "W611", message, hint)


def _tells_amount(term: Pattern) -> bool:
    return sum(field.type.name == "amount" for field in term.kind.fields) == 1


def _is_compared(condition: Condition, amount: Expr) -> bool:
    """The evidence counts only if it says that amount (or no less)."""
    for expression in _expressions(condition.terms):
        for node in walk(expression):
            if isinstance(node, Compare) and amount in (*walk(node.left), *walk(node.right)):
                return True
    return False
