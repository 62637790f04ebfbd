"""Reads what a test expects: YAML nodes to typed expectations, each name and value checked against the packs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, TypeVar

from engine.errors import Problem
from engine.insight.scenario.moments import moment
from engine.insight.scenario.values import argument_form, canonical, free_json, read_argument, read_value, spelled
from engine.insight.scenario.vocabulary import Shape, Vocabulary, shape_of
from engine.insight.scenario.wanted import (
    Checks,
    Items,
    Leaf,
    Parts,
    Wanted,
    WantedCommand,
    WantedFact,
    WantedOutcome,
    WantedRefusal,
    WantedRejection,
)
from engine.model.expr import ListOf, MapOf
from engine.model.kinds import Kind, Type
from engine.model.plans import VERDICTS
from engine.packs.complaints import complain, did_you_mean, quoted
from engine.packs.forms import Form, as_map, as_scalar
from engine.packs.nodes import ListNode, MapNode, Node, ScalarNode

_OUTCOME: Final = (
    "coordination",
    "plan",
    "verdict",
    "reason",
    "at",
    "provisional",
    "ledger",
    "delivered",
    "refunded",
    "fees",
    "surplus",
    "report",
)
CHECKS: Final = ("outcome", "facts", "rejected", "refused")
T = TypeVar("T")


class Wanting:
    """Reads expectations of one test.

    Attributes:
        vocabulary: the names it may use.
        start_ms: its 0s.
        problems: takes what is wrong.
    """

    def __init__(self, vocabulary: Vocabulary, start_ms: int, problems: list[Problem]) -> None:
        self.vocabulary = vocabulary
        self.start_ms = start_ms
        self.problems = problems

    # -- commands ----------------------------------------------------------------
    def commands(self, form: Form, key: str) -> list[WantedCommand]:
        """The commands under a key, one or a list."""
        return self._each(form, key, lambda node: self._command(node, key))

    def _command(self, node: Node, what: str) -> WantedCommand | None:
        body = as_map(node, what, self.problems)
        if body is None:
            return None
        return self.command(Form(body, f"'{what}'", ("command", "with"), self.problems))

    def command(self, form: Form) -> WantedCommand | None:
        """``command`` and ``with`` of a mapping."""
        named = form.scalar("command") if form.need("command") else None
        if named is None:
            return None
        known = self.vocabulary.commands.get(named.text)
        if known is None:
            hint = did_you_mean(named.text, sorted(self.vocabulary.commands), "commands")
            complain(self.problems, named.span, "E707", f"no rule or plan makes the command {quoted(named.text)}", hint)
            return None
        given = form.map("with")
        args = []
        for entry in given or ():
            name = entry.key.text
            if name not in known:
                hint = did_you_mean(name, sorted(known), "arguments")
                complain(self.problems, entry.key.span, "E708", f"{named.text} has no argument {quoted(name)}", hint)
                continue
            wanted = self._wanted(entry.value, known[name], name)
            if wanted is not None:
                args.append((name, wanted))
        return WantedCommand(named.text, tuple(args), named.span)

    def _wanted(self, node: Node, shapes: list[Shape], what: str) -> Wanted | None:
        """One argument, by what is known of it."""
        if isinstance(node, MapNode):
            entries = []
            for entry in node:
                inner = [_part(shape, entry.key.text) for shape in shapes]
                wanted = self._wanted(entry.value, inner, f"{what}.{entry.key.text}")
                if wanted is None:
                    return None
                entries.append((entry.key.text, wanted))
            return Parts(tuple(entries))
        if isinstance(node, ListNode):
            made = [self._wanted(each, [_item(s, n) for s in shapes], what) for n, each in enumerate(node.items)]
            items = tuple(wanted for wanted in made if wanted is not None)
            return Items(items) if len(items) == len(made) else None
        return self._leaf(node, shapes, what)

    def _leaf(self, node: ScalarNode, shapes: list[Shape], what: str) -> Leaf | None:
        forms: set[str] = set()
        wrong: list[Problem] = []
        for shape in shapes:
            if isinstance(shape, Type):
                value = read_argument(node, shape, self.start_ms, what, wrong)
                if value is not None:
                    forms.add(canonical(argument_form(value, shape)))
        if not forms and (not shapes or None in shapes):
            forms = {canonical(node.text), canonical(free_json(node))}
        if not forms:
            if not wrong:
                complain(wrong, node.span, "E708", f"'{what}' is no single value", "write its entries in { } or [ ]")
            self.problems.append(wrong[0])
            return None
        return Leaf(frozenset(forms), spelled(json.loads(min(forms, key=len))))

    # -- checks --------------------------------------------------------------------
    def checks(self, form: Form) -> Checks:
        """Everything but commands that a step or a test expects."""
        return Checks(
            self._each(form, "outcome", self._outcome),
            self._facts(form),
            self._each(form, "rejected", self._rejection),
            self._each(form, "refused", self._refusal),
        )

    def _each(self, form: Form, key: str, read: Callable[[Node], T | None]) -> list[T]:
        node = form.node(key)
        if node is None:
            return []
        items = node.items if isinstance(node, ListNode) else (node,)
        return [made for item in items if (made := read(item)) is not None]

    def _rejection(self, node: Node) -> WantedRejection | None:
        body = as_map(node, "rejected", self.problems)
        if body is None:
            return None
        form = Form(body, "'rejected'", ("code",), self.problems)
        code = form.scalar("code") if form.need("code") else None
        return None if code is None else WantedRejection(code.text, code.span)

    def _refusal(self, node: Node) -> WantedRefusal | None:
        body = as_map(node, "refused", self.problems)
        if body is None:
            return None
        form = Form(body, "'refused'", ("cancel", "reason"), self.problems)
        reason = form.scalar("reason")
        given = form.node("cancel") if form.need("cancel") else None
        if given is None:
            return None
        return WantedRefusal(self._subject(given, "cancel"), reason.text if reason else None, given.span)

    def _subject(self, node: Node, what: str) -> tuple[str, ...]:
        """The key of a fact: a text, or a list of them."""
        items = node.items if isinstance(node, ListNode) else (node,)
        words = [as_scalar(item, what, self.problems) for item in items]
        return tuple(word.text for word in words if word is not None)

    # -- facts ------------------------------------------------------------------------
    def _facts(self, form: Form) -> list[WantedFact]:
        wanted: list[WantedFact] = []
        node = form.node("facts")
        items = node.items if isinstance(node, ListNode) else (node,) if node is not None else ()
        for item in items:
            body = as_map(item, "facts", self.problems)
            for entry in body or ():
                if entry.key.text != "without":
                    wanted += self._fact(entry.key, entry.value, is_absent=False)
                    continue
                inner = as_map(entry.value, "without", self.problems)
                for each in inner or ():
                    wanted += self._fact(each.key, each.value, is_absent=True)
        return wanted

    def _fact(self, named: ScalarNode, node: Node, *, is_absent: bool) -> list[WantedFact]:
        kind = self.kind(named)
        body = as_map(node, named.text, self.problems)
        if kind is None or body is None:
            return []
        values = []
        for entry in body:
            if entry.key.text not in kind.positions:
                self.no_field(kind, entry.key)
                continue
            field = kind.field(entry.key.text)
            value = read_value(entry.value, field.type, self.start_ms, field.name, self.problems)
            if value is not None:
                values.append((field.name, value))
        return [WantedFact(kind.name, tuple(values), is_absent, named.span)]

    def kind(self, named: ScalarNode) -> Kind | None:
        """The kind of that name, or None after a problem."""
        found = self.vocabulary.kinds.get(named.text)
        if found is None:
            hint = did_you_mean(named.text, sorted(self.vocabulary.kinds), "kinds")
            complain(self.problems, named.span, "E705", f"the packs declare no kind {quoted(named.text)}", hint)
        return found

    def no_field(self, kind: Kind, named: ScalarNode) -> None:
        """Say that a kind has no such field."""
        hint = did_you_mean(named.text, list(kind.positions), "fields")
        complain(self.problems, named.span, "E706", f"{kind.name} has no field {quoted(named.text)}", hint)

    # -- outcomes ------------------------------------------------------------------------
    def _outcome(self, node: Node) -> WantedOutcome | None:
        body = as_map(node, "outcome", self.problems)
        if body is None:
            return None
        form = Form(body, "an outcome", _OUTCOME, self.problems)
        subject, at = form.node("coordination"), form.scalar("at")
        plan, reason = form.scalar("plan"), form.scalar("reason")
        if plan is not None:
            self._check_plan(plan)
        return WantedOutcome(
            body.span,
            () if subject is None else self._subject(subject, "coordination"),
            plan.text if plan else None,
            form.word("verdict", (*VERDICTS, "none")),
            reason.text if reason else None,
            None if at is None else moment(at.text, self.start_ms, at.span, self.problems),
            form.flag("provisional") if "provisional" in form else None,
            self._places(form, "ledger"),
            self._places(form, "delivered"),
            self._places(form, "refunded"),
            self._amounts(form.map("fees")),
            self._amounts(form.map("surplus")),
            self._words(form.map("report")),
        )

    def _check_plan(self, named: ScalarNode) -> None:
        plans = self.vocabulary.plans
        if named.text not in plans and named.text not in {plan.partition(".")[2] for plan in plans}:
            hint = did_you_mean(named.text, sorted(plans), "plans") or "they have rules only"
            complain(self.problems, named.span, "E709", f"the packs have no plan {quoted(named.text)}", hint)

    def _places(self, form: Form, key: str) -> dict[str, dict[str, str]] | None:
        body = form.map(key)
        if body is None:
            return None
        made = {}
        for entry in body:
            inner = as_map(entry.value, entry.key.text, self.problems)
            made[entry.key.text] = self._amounts(inner) or {}
        return made

    def _amounts(self, body: MapNode | None) -> dict[str, str] | None:
        if body is None:
            return None
        made = {}
        for entry in body:
            value = read_value(entry.value, Type("uint256"), self.start_ms, entry.key.text, self.problems)
            if value is not None:
                made[entry.key.text] = str(value)
        return made

    def _words(self, body: MapNode | None) -> dict[str, str] | None:
        if body is None:
            return None
        words = {entry.key.text: as_scalar(entry.value, entry.key.text, self.problems) for entry in body}
        return {name: word.text for name, word in words.items() if word is not None}


def _part(shape: Shape, name: str) -> Shape:
    if isinstance(shape, MapOf):
        return next((shape_of(value) for key, value in shape.items if key == name), None)
    return None


def _item(shape: Shape, number: int) -> Shape:
    if isinstance(shape, ListOf):
        return shape_of(shape.items[number]) if number < len(shape.items) else None
    return shape.item if isinstance(shape, Type) else None
