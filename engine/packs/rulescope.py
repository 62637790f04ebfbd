"""What the texts of one rule are checked against, and the way every text of it takes to the expression checker."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from engine.errors import Problem
from engine.limits import MAX_EXPRESSION_CHARS
from engine.model.expr import Expr
from engine.model.kinds import ENGINE_KINDS, Kind, Type
from engine.model.rules import Span
from engine.packs.complaints import complain, did_you_mean, quoted
from engine.packs.expressions import Scope, check_conditions, check_term_value, check_value
from engine.packs.forms import Params, as_scalar
from engine.packs.names import check_alias
from engine.packs.nodes import ListNode, Node, ScalarNode
from engine.packs.shipped import shipped_owner

_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?")
_OWNER = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\s*\.")
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")

Text = tuple[str, Span]


@dataclass(frozen=True)
class PackNames:
    """The names a pack's rules may use.

    Attributes:
        pack: its name.
        kinds: its own kinds, those of the packs it uses, and the engine's.
        elsewhere: kinds of packs it does not use → that pack.
        params: its parameters.
    """

    pack: str
    kinds: dict[str, Kind]
    elsewhere: dict[str, str]
    params: Params

    def kind(self, node: ScalarNode, problems: list[Problem]) -> Kind | None:
        """The kind a text names."""
        found = self.kinds.get(node.text)
        if found is None:
            hint = did_you_mean(node.text, [*(k for k in self.kinds if k not in ENGINE_KINDS), *ENGINE_KINDS], "kinds")
            owner = self.elsewhere.get(node.text) or shipped_owner(node.text)
            if owner is not None and owner != self.pack:
                hint = f"the pack '{owner}' has it; name that pack in 'use:', as in 'use: [{owner}]'"
            complain(problems, node.span, "E320", f"no kind {quoted(node.text)}", hint)
        return found


@dataclass
class RuleScope:
    """One rule's names as its terms bind them, in file order.

    Attributes:
        names: what the pack offers.
        problems: takes what is wrong.
        scope: what expressions may read so far.
        taken: names bound so far, those of inner terms too.
        later: names that a later term binds.
        broken: names whose term is wrong already; texts that read them are passed over, to say each thing once.
        is_doubtful: a term is wrong so that it is not known which name it would bind; facts of unknown names are passed
            over.
        beyond: names that are bound, but not for what is read here → where they are bound; for plans.
    """

    names: PackNames
    problems: list[Problem]
    scope: Scope = field(default_factory=Scope)
    taken: set[str] = field(default_factory=set)
    later: dict[str, Span] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    is_doubtful: bool = False
    beyond: dict[str, str] = field(default_factory=dict)

    def bind(self, node: ScalarNode | None, what: str) -> str | None:
        """A new name, if it is one and not taken by an earlier term."""
        if node is None:
            self.is_doubtful = True
            return None
        self.later.pop(node.text, None)
        name = check_alias(node, what, self.problems)
        if name is None:
            self.broken.add(node.text)
            self.is_doubtful = True
            return None
        if name in self.taken:
            hint = "each name of a rule is bound once; rename this one"
            complain(self.problems, node.span, "E321", f"'{name}' is bound already", hint)
            return None
        self.taken.add(name)
        self.beyond.pop(name, None)
        return name

    def is_readable(self, text: str, span: Span) -> bool:
        """Whether all names of a text are bound here; says so if one is bound only below."""
        read = set(_NAME.findall(_STRING.sub("''", text[:MAX_EXPRESSION_CHARS])))
        for name in sorted(read & self.later.keys()):
            if name not in self.taken:
                message = f"'{name}' is bound only at line {self.later[name].line}"
                complain(self.problems, span, "E322", message, "move this below, or that above")
                return False
        if read & self.broken or (self.is_doubtful and self._reads_strangers(text)):
            return False
        for name in sorted(read & self.beyond.keys()):
            complain(self.problems, span, "E623", f"'{name}' cannot be read here", self.beyond[name])
            return False
        return True

    def _reads_strangers(self, text: str) -> bool:
        """Whether a text reads a field of what nothing here is called."""
        owners = set(_OWNER.findall(_STRING.sub("''", text[:MAX_EXPRESSION_CHARS])))
        return not owners <= {"params", *self.scope.aliases, *self.scope.locals, *self.taken, *self.beyond}

    def conditions(self, node: Node | None, scope: Scope | None = None) -> tuple[Expr, ...]:
        """What a ``where`` or ``check`` says, typed."""
        if node is None:
            return ()
        readable = [each for each in condition_texts(node, self.problems) if self.is_readable(*each)]
        return check_conditions(readable, scope or self.scope, self.problems)

    def term_value(self, node: ScalarNode | None, scope: Scope | None = None) -> Expr | None:
        """An expression a match depends on; the leading ``=`` may be left out."""
        if node is None:
            return None
        text, span = bare_text(node)
        if not self.is_readable(text, span):
            return None
        return check_term_value(text, span, scope or self.scope, self.problems)

    def effect_value(self, node: ScalarNode, scope: Scope, expected: Type | None = None) -> Expr | None:
        """An expression of an effect, behind its ``=``."""
        text, span = bare_text(node)
        if not self.is_readable(text, span):
            return None
        return check_value(text, span, scope, self.problems, expected)


def bare_text(node: ScalarNode) -> Text:
    """An expression without its leading ``=``, and where it begins."""
    text = node.text.removeprefix("=")
    stripped = text.lstrip()
    return stripped.rstrip(), node.inside(len(node.text) - len(stripped))


def condition_texts(node: Node, problems: list[Problem]) -> list[Text]:
    """The texts of a ``where``: one, or a list of which all must hold."""
    items = node.items if isinstance(node, ListNode) else (node,)
    if not items:
        complain(problems, node.span, "E305", "an empty list of conditions", "write one, or delete the line")
    return [bare_text(word) for each in items if (word := as_scalar(each, "condition", problems))]
