"""One rule: its ``when``, its timing, its effects."""

from __future__ import annotations

from typing import Final

from engine.errors import Problem
from engine.limits import MAX_PATTERNS, ONCE_KEEP_MS
from engine.model.expr import Expr
from engine.model.kinds import Type
from engine.model.rules import Once, Pattern, Repeat, Rule, Schedule, Term, Throttle
from engine.packs.complaints import complain
from engine.packs.effects import read_effects
from engine.packs.expressions import Scope, bind_local
from engine.packs.forms import Form, as_map
from engine.packs.joins import check_joins
from engine.packs.names import check_dashed
from engine.packs.nodes import MapNode, Node, ScalarNode
from engine.packs.old_names import read_old_name
from engine.packs.rulescope import PackNames, RuleScope
from engine.packs.termchecks import check_schedule_names, read_priority, read_window, warn_of_samples
from engine.packs.terms import read_terms

_KEYS: Final = (
    "rule",
    "doc",
    "was",
    "when",
    "for",
    "per",
    "window",
    "once",
    "throttle",
    "repeat",
    "exhausted",
    "priority",
    "then",
    "ended",
    "stage",
)
_MOST_REPEATS: Final = 10_000


def read_rule(node: Node, names: PackNames, schedules: dict[str, Schedule], problems: list[Problem]) -> Rule | None:
    """One rule, typed, or None if it is broken (the problems are noted).

    Args:
        node: the item of ``rules``.
        names: what the pack offers.
        schedules: of all packs, by ``pack.schedule``.
        problems: takes what is wrong.
    """
    body = as_map(node, "rule", problems)
    if body is None:
        return None
    named = body.get("rule")
    what = f"the rule '{named.text}'" if isinstance(named, ScalarNode) else "a rule"
    form = Form(body, what, _KEYS, problems, names.params)
    if not form.need("rule", "when", "then"):
        return None
    return _RuleReader(form, names, schedules, problems).read()


class _RuleReader:
    """Reads the parts of one rule in the order in which they build on each other."""

    def __init__(self, form: Form, names: PackNames, schedules: dict[str, Schedule], problems: list[Problem]) -> None:
        self._form = form
        self._names = names
        self._schedules = schedules
        self._problems = problems
        self._rule = RuleScope(names, problems, Scope(params=names.params))

    def read(self) -> Rule | None:
        form = self._form
        named = form.scalar("rule")
        name = check_dashed(named, "rule", self._problems) if named else None
        when = form.list("when")
        if named is None or when is None:
            return None
        full_name = f"{self._names.pack}.{name or '?'}"
        terms = read_terms(when, self._rule)
        self._check_patterns(terms, is_whole=len(terms) == len(when.items))
        check_schedule_names(terms, self._schedules, self._problems)
        for_ms, per = form.ms("for") or 0, self._rule.term_value(form.scalar("per"))
        if "for" in form and "per" not in form:
            warn_of_samples(terms, self._problems, has_per=True)
        inner = self._rule.scope.child()
        bind_local(inner, "attempt", Type("int"))
        repeat = self._repeat()
        if "exhausted" in form and "repeat" not in form:
            hint = "add 'repeat: {every: 15s, times: 3}', or delete it"
            self._complain("exhausted", "E350", "'exhausted' without 'repeat'", hint)
        facts = ("assert", "retract")
        made = Rule(
            full_name,
            terms,
            read_effects(form.node("then"), "then", ("command", *facts, "conclude"), self._rule, inner),
            named.span,
            was=read_old_name(form, "rule", full_name),
            doc=form.doc(),
            for_ms=for_ms,
            per=per,
            window=read_window(form, self._names.pack, self._schedules),
            once=self._once(full_name),
            throttle=self._throttle(),
            repeat=repeat,
            exhausted=read_effects(form.node("exhausted"), "exhausted", ("command", *facts), self._rule, inner),
            priority=read_priority(form, self._rule),
            ended=read_effects(form.node("ended"), "ended", facts, self._rule, inner),
            is_live=form.word("stage", ("live", "shadow")) != "shadow",
        )
        return made if name else None

    def _complain(self, key: str, code: str, message: str, hint: str) -> None:
        complain(self._problems, self._form.at(key), code, message, hint)

    def _check_patterns(self, terms: tuple[Term, ...], *, is_whole: bool) -> None:
        patterns = tuple(term for term in terms if isinstance(term, Pattern))
        if not patterns and is_whole:
            hint = "add one, as in '- intent: i'; a match is a tuple of facts"
            self._complain("when", "E328", "no pattern", hint)
        if len(patterns) > MAX_PATTERNS:
            message = f"{len(patterns)} patterns; a rule may have {MAX_PATTERNS}"
            self._complain("when", "E329", message, "split the rule")
        elif not self._rule.broken:
            check_joins(patterns, self._problems)

    def _once(self, full_name: str) -> Once | None:
        given = self._form.node("once")
        if given is None:
            return None
        if not isinstance(given, MapNode):
            key = self._rule.term_value(self._form.scalar("once"))
            return None if key is None else Once(key, full_name, ONCE_KEEP_MS)
        inner = Form(given, "'once'", ("key", "as", "keep"), self._problems, self._names.params)
        shared = inner.scalar("as")
        name = check_dashed(shared, "memory", self._problems) if shared else None
        keep_ms = inner.ms("keep") if "keep" in inner else ONCE_KEEP_MS
        key = self._rule.term_value(inner.scalar("key")) if inner.need("key") else None
        if key is None or keep_ms is None:
            return None
        return Once(key, f"{self._names.pack}.{name}" if name else full_name, keep_ms)

    def _throttle(self) -> Throttle | None:
        given = self._form.map("throttle")
        if given is None:
            return None
        inner = Form(given, "'throttle'", ("per", "every"), self._problems, self._names.params)
        every_ms = inner.ms("every") if inner.need("every") else None
        per: Expr | None = self._rule.term_value(inner.scalar("per"))
        return None if every_ms is None else Throttle(per, every_ms)

    def _repeat(self) -> Repeat | None:
        given = self._form.map("repeat")
        if given is None:
            return None
        inner = Form(given, "'repeat'", ("every", "times"), self._problems, self._names.params)
        if not inner.need("every", "times"):
            return None
        every_ms, times = inner.ms("every"), inner.count("times", 1, _MOST_REPEATS)
        return None if every_ms is None or times is None else Repeat(every_ms, times)
