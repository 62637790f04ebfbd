"""What a rule does: ``command``, ``assert``, ``retract``, ``conclude``."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final

from engine.errors import Problem
from engine.model.expr import Const, Expr, ListOf, MapOf, Template
from engine.model.kinds import Kind, Type
from engine.model.rules import AssertEffect, CommandEffect, ConcludeEffect, Effect, RetractEffect
from engine.packs.complaints import complain, did_you_mean, listed, quoted
from engine.packs.expressions import Scope, check_template, literal
from engine.packs.forms import Form, as_map, as_scalar
from engine.packs.nodes import Entry, ListNode, MapNode, Node, ScalarNode
from engine.packs.rulescope import RuleScope

_SIBLINGS: Final[dict[str, tuple[str, ...]]] = {
    "command": ("with", "expires"),
    "assert": ("with",),
    "retract": ("key",),
    "conclude": ("with",),
}
_VERB = re.compile(r"([a-z][a-z0-9_-]{0,63})\.([a-z][a-z0-9_]{0,63})")
_READING = re.compile(r"([A-Za-z_]\w*)\.([A-Za-z_]\w*)", re.ASCII)
_ARGUMENT = re.compile(r"[A-Za-z_][\w.-]{0,63}")
_JSON: Final = Type("json")


def read_effects(
    node: Node | None, section: str, allowed: Collection[str], rule: RuleScope, scope: Scope
) -> tuple[Effect, ...]:
    """The effects of ``then``, ``exhausted`` or ``ended``."""
    if node is None:
        return ()
    if not isinstance(node, ListNode) or not node.items:
        complain(rule.problems, node.span, "E300", f"'{section}' must be a list of effects", "begin each with '- '")
        return ()
    reader = _Effects(section, allowed, rule, scope)
    made = [reader.read(each) for each in node.items]
    return tuple(effect for effect in made if effect is not None)


def read_verb(node: ScalarNode, problems: list[Problem]) -> tuple[str, str] | None:
    """Connector and verb of a command."""
    found = _VERB.fullmatch(node.text)
    if found is None:
        hint = "write 'connector.verb', as in 'executor.bridge'"
        complain(problems, node.span, "E342", f"{quoted(node.text)} is no command", hint)
        return None
    return found[1], found[2]


def read_command(form: Form, rule: RuleScope, scope: Scope) -> CommandEffect | None:
    """The command that a form with ``command``, ``with`` and ``expires`` among its keys describes."""
    return _Effects("command", (), rule, scope).command(form)


def read_value(node: Node, name: str, kind: Type, rule: RuleScope, scope: Scope) -> Expr | None:
    """``=expr`` of the type, text with ``{expr}`` for ids and texts, else a literal."""
    return _Effects(name, (), rule, scope).field_value(node, name, kind)


def read_free_value(node: Node, name: str, rule: RuleScope, scope: Scope) -> Expr | None:
    """``=expr`` of any type, text with ``{expr}``, or lists and mappings of them."""
    return _Effects(name, (), rule, scope).free_value(node, name)


class _Effects:
    """Reads the effects of one section of one rule."""

    def __init__(self, section: str, allowed: Collection[str], rule: RuleScope, scope: Scope) -> None:
        self._section = section
        self._allowed = allowed
        self._rule = rule
        self._scope = scope
        self._problems: list[Problem] = rule.problems

    def read(self, node: Node) -> Effect | None:
        body = as_map(node, "effect", self._problems)
        if body is None:
            return None
        head = next((entry for entry in body if entry.key.text in _SIBLINGS), None)
        if head is None:
            found = body.entries[0].key if body.entries else None
            span = found.span if found else body.span
            said = f"no effect {quoted(found.text)}" if found else "an empty effect"
            complain(self._problems, span, "E340", said, did_you_mean(found.text if found else "", list(_SIBLINGS)))
            return None
        word = head.key.text
        if word not in self._allowed:
            message = f"'{word}' cannot stand in '{self._section}'"
            complain(self._problems, head.key.span, "E341", message, f"allowed there: {listed(self._allowed)}")
            return None
        form = Form(body, f"'{word}'", (word, *_SIBLINGS[word]), self._problems)
        read: dict[str, Callable[[Form, Entry], Effect | None]] = {
            "command": self._command,
            "assert": self._assert,
            "retract": self._retract,
            "conclude": self._conclude,
        }
        return read[word](form, head)

    def _command(self, form: Form, head: Entry) -> CommandEffect | None:
        return self.command(form)

    def command(self, form: Form) -> CommandEffect | None:
        target = form.scalar("command")
        found = read_verb(target, self._problems) if target else None
        args = tuple(self._argument(entry) for entry in form.map("with") or ())
        expires: Expr | None = None
        given = form.scalar("expires")
        if given is not None and not given.text.startswith("="):
            hint = "write an instant, as in '=now + seconds(60)'"
            complain(self._problems, given.span, "E343", f"'expires' cannot be {quoted(given.text)}", hint)
        elif given is not None:
            expires = self._rule.effect_value(given, self._scope, Type("timestamp"))
        if found is None:
            return None
        made = tuple((name, value) for name, value in args if value is not None)
        return CommandEffect(*found, made, form.at("command"), expires)

    def _argument(self, entry: Entry) -> tuple[str, Expr | None]:
        name = entry.key.text
        if _ARGUMENT.fullmatch(name) is None:
            hint = "use letters, digits, '_', '-' and '.'"
            complain(self._problems, entry.key.span, "E304", f"{quoted(name)} is no name for an argument", hint)
        return name, self.free_value(entry.value, name)

    def free_value(self, node: Node, name: str) -> Expr | None:
        """An argument: ``=expr``, text with ``{expr}``, or lists and mappings of them."""
        if isinstance(node, ListNode):
            items = [self.free_value(each, name) for each in node.items]
            return ListOf(tuple(each for each in items if each is not None), _JSON)
        if isinstance(node, MapNode):
            pairs = [self._argument(entry) for entry in node]
            return MapOf(tuple((key, value) for key, value in pairs if value is not None), _JSON)
        word = self._text(node, name)
        if word is None:
            return None
        if word.text.startswith("="):
            return self._rule.effect_value(word, self._scope)
        self._look_for_a_missing_sign(word)
        return self._template(word)

    def _look_for_a_missing_sign(self, word: ScalarNode) -> None:
        """``amount: i.amount`` is a text of eight letters, and hardly ever meant as one."""
        found = _READING.fullmatch(word.text) if word.is_plain else None
        if found is None:
            return
        owner, name = found.groups()
        kind = self._scope.aliases.get(owner)
        if (kind and name in kind.positions) or (owner == "params" and name in self._scope.params):
            message = f"{quoted(word.text)} without '=' is text"
            complain(self._problems, word.span, "W303", message, f"write '={word.text}'; in quotes if text is meant")

    def _text(self, node: ScalarNode, name: str) -> ScalarNode | None:
        """The scalar unless nothing is written; ``""`` is an empty text."""
        return as_scalar(node, name, self._problems)

    def _template(self, word: ScalarNode) -> Expr | None:
        if "{" in word.text and not self._rule.is_readable(_inside_braces(word.text), word.span):
            return None
        return check_template(word.text, word.inside(), self._scope, self._problems)

    def _kind(self, form: Form, word: str, *, is_concluded: bool) -> Kind | None:
        named = form.scalar(word)
        kind = self._rule.names.kind(named, self._problems) if named else None
        if kind is None or named is None:
            return None
        if kind.engine:
            hint = "rules match the engine's kinds and never make them"
            complain(self._problems, named.span, "E344", f"'{word}' of the engine's own kind '{kind.name}'", hint)
            return None
        if kind.concluded and not is_concluded:
            hint = f"write 'conclude: {kind.name}'; it goes by itself when its rules no longer hold"
            complain(self._problems, named.span, "E345", f"'{word}' of the concluded kind '{kind.name}'", hint)
            return None
        if is_concluded and not kind.concluded:
            hint = f"write 'assert: {kind.name}', or add 'concluded: true' to the kind"
            complain(self._problems, named.span, "E346", f"'{kind.name}' is not a concluded kind", hint)
            return None
        return kind

    def _assert(self, form: Form, head: Entry) -> AssertEffect | None:
        kind = self._kind(form, "assert", is_concluded=False)
        values = self._fact(form, kind) if kind else None
        return AssertEffect(kind, values, head.key.span) if kind and values is not None else None

    def _conclude(self, form: Form, head: Entry) -> ConcludeEffect | None:
        kind = self._kind(form, "conclude", is_concluded=True)
        values = self._fact(form, kind) if kind else None
        return ConcludeEffect(kind, values, head.key.span) if kind and values is not None else None

    def _fact(self, form: Form, kind: Kind) -> tuple[tuple[str, Expr], ...] | None:
        """The values of a whole fact: every field that may not be absent."""
        body = form.map("with") if form.need("with") else None
        if body is None:
            return None
        made = self._fields(body, kind, list(kind.positions))
        missing = [f.name for f in kind.fields if not f.optional and f.default is None and body.get(f.name) is None]
        if missing:
            message = f"'{kind.name}' needs {listed([quoted(name) for name in missing])}"
            complain(self._problems, form.at("with"), "E348", message, "add them to 'with'")
        return tuple(made.items())

    def _retract(self, form: Form, head: Entry) -> RetractEffect | None:
        kind = self._kind(form, "retract", is_concluded=False)
        body = form.map("key") if form.need("key") else None
        if kind is None or body is None:
            return None
        made = self._fields(body, kind, kind.key)
        missing = [name for name in kind.key if body.get(name) is None]
        if missing:
            message = f"the key of '{kind.name}' needs {listed([quoted(name) for name in missing])}"
            complain(self._problems, form.at("key"), "E348", message, "add them to 'key'")
        if len(made) < len(kind.key):
            return None
        return RetractEffect(kind, tuple(made[name] for name in kind.key), head.key.span)

    def _fields(self, body: MapNode, kind: Kind, allowed: Collection[str]) -> dict[str, Expr]:
        made: dict[str, Expr] = {}
        for entry in body:
            name = entry.key.text
            if name not in allowed:
                hint = did_you_mean(name, allowed, "fields")
                complain(self._problems, entry.key.span, "E347", f"'{kind.name}' has no {quoted(name)} here", hint)
                continue
            value = self.field_value(entry.value, name, kind.field(name).type)
            if value is not None:
                made[name] = value
        return made

    def field_value(self, node: Node, name: str, kind: Type) -> Expr | None:
        """A field's value: ``=expr`` of its type, text with ``{expr}`` for ids and texts, else a literal."""
        if isinstance(node, ListNode) and kind.name == "list" and kind.item is not None:
            items = [self.field_value(each, name, kind.item) for each in node.items]
            return ListOf(tuple(each for each in items if each is not None), kind)
        word = as_scalar(node, name, self._problems)
        if word is None:
            return None
        if word.text.startswith("="):
            return self._rule.effect_value(word, self._scope, kind)
        if kind.name in {"list", "json"}:
            hint = "write a list" if kind.name == "list" else "write '=alias.field' of another json field"
            complain(self._problems, word.span, "E349", f"'{name}' is of type {kind}", hint)
            return None
        if kind.name in {"text", "id"}:
            made = self._template(word)
            if isinstance(made, Template):
                return replace(made, type=kind)
            if kind.name == "text" or not isinstance(made, Const):
                return made
        value = literal(word.text, kind, word.span, self._problems)
        return None if value is None else Const(value, kind)


def _inside_braces(text: str) -> str:
    """The expressions of a template, for their names alone."""
    return " ".join(re.findall(r"\{([^{}]*)\}", text))
