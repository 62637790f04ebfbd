"""Which names a pack may give, and which are taken."""

from __future__ import annotations

import keyword
import re
from typing import Final

from engine.errors import Problem
from engine.packs.complaints import complain, quoted
from engine.packs.expressions import RESERVED_NAMES
from engine.packs.nodes import ScalarNode

#: Words that begin a term or say something about it; a kind of that name could not be matched.
TERM_HEADS: Final = ("latest", "best", "without", "sum", "count", "min", "max", "let", "check")
TERM_SIBLINGS: Final = ("where", "fresh", "for_distinct", "quorum", "reason", "as", "of", "over", "by", "be")

_DASHED = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,63}")
_REASON = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


def check_dashed(node: ScalarNode, what: str, problems: list[Problem]) -> str | None:
    """The name of a pack, rule or schedule: lower-case words with ``-``; it becomes part of ids that last."""
    if _DASHED.fullmatch(node.text):
        return node.text
    hint = "use a-z, 0-9, '-' and '_', as in 'bridge-when-ready'"
    complain(problems, node.span, "E304", f"{quoted(node.text)} is no name for a {what}", hint)
    return None


def check_identifier(node: ScalarNode, what: str, problems: list[Problem]) -> str | None:
    """A name that expressions use: an alias, a field, a parameter."""
    hint = "use letters, digits and '_', not beginning with a digit"
    if _IDENTIFIER.fullmatch(node.text) is None:
        complain(problems, node.span, "E304", f"{quoted(node.text)} is no name for a {what}", hint)
        return None
    if keyword.iskeyword(node.text):
        complain(problems, node.span, "E304", f"'{node.text}' is a word of the expression language", "rename it")
        return None
    return node.text


def check_alias(node: ScalarNode, what: str, problems: list[Problem]) -> str | None:
    """A name bound in a rule: an identifier that means nothing else."""
    name = check_identifier(node, what, problems)
    if name in RESERVED_NAMES:
        complain(problems, node.span, "E304", f"'{name}' has a meaning of its own in expressions", "rename it")
        return None
    return name


def check_kind_name(node: ScalarNode, problems: list[Problem]) -> str | None:
    """The name of a kind: it stands as a key in ``when``, so it must not be a word that means something there."""
    if _KIND.fullmatch(node.text) is None:
        hint = "use a-z, 0-9 and '_', beginning with a letter"
        complain(problems, node.span, "E304", f"{quoted(node.text)} is no name for a kind", hint)
        return None
    if node.text in TERM_HEADS or node.text in TERM_SIBLINGS:
        complain(problems, node.span, "E304", f"'{node.text}' has a meaning of its own in 'when'", "rename the kind")
        return None
    return node.text


def check_reason(node: ScalarNode, problems: list[Problem]) -> str | None:
    """A reason is a word that programs compare."""
    if _REASON.fullmatch(node.text):
        return node.text
    complain(problems, node.span, "E304", f"{quoted(node.text)} is no reason", "use one word, as in GAS_CAP")
    return None
