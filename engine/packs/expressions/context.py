"""What every part of the checker shares: the text, where it stands, the scope, and where problems go."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from engine.errors import Problem
from engine.model.expr import Expr
from engine.model.kinds import Type
from engine.model.rules import Span
from engine.packs.expressions.scanning import Flaw
from engine.packs.expressions.scope import Scope

BOOL = Type("bool")
INT = Type("int")
TEXT = Type("text")
TIMESTAMP = Type("timestamp")
DURATION = Type("duration")


class Use(Enum):
    """Where an expression stands, which decides what ``now`` may do in it."""

    #: Its truth is watched: ``now`` stands only in terms that change once, at a known instant.
    CONDITION = "condition"
    #: A match depends on its value: no ``now`` at all.
    TERM = "term"
    #: Evaluated once, at the firing: ``now`` is a plain value.
    EFFECT = "effect"


class Operand(NamedTuple):
    """A checked sub-expression with the syntax it came from."""

    expr: Expr
    node: ast.expr


@dataclass
class Context:
    """One expression being checked.

    Attributes:
        text: the expression as written.
        span: where its first character stands.
        scope: what names mean; never changed here.
        problems: where to report.
        use: see ``Use``.
        present: optional fields known to be there at this point of the expression.
    """

    text: str
    span: Span
    scope: Scope
    problems: list[Problem]
    use: Use
    present: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.present |= self.scope.present
        # Syntax offsets count UTF-8 bytes; a text literal in another script would shift every column after it.
        self._bytes = None if self.text.isascii() else self.text.encode("utf-8", "surrogatepass")

    def source(self, node: ast.expr) -> str:
        """The text of a part, as the author wrote it."""
        end = len(self.text) if node.end_col_offset is None else self._offset(node.end_col_offset)
        return self.text[self._offset(node.col_offset) : end]

    def error(self, node: ast.expr, code: str, message: str, hint: str = "") -> None:
        """Report a problem at the first character of ``node``."""
        self.flaw(Flaw(self._offset(node.col_offset), code, message, hint))

    def flaw(self, flaw: Flaw) -> None:
        """Report a problem at an offset of the text."""
        self.problems.append(problem_at(self.text, self.span, flaw))

    def _offset(self, column: int) -> int:
        if self._bytes is None:
            return column
        return len(self._bytes[:column].decode("utf-8", "ignore"))


def problem_at(text: str, span: Span, flaw: Flaw) -> Problem:
    """A flaw as a problem with its place in the file.

    In a text over several lines the first line's indentation is gone, so columns of later lines are those of the text.
    """
    before = text[: flaw.offset]
    lines = before.count("\n")
    column = span.column + flaw.offset if lines == 0 else flaw.offset - before.rfind("\n")
    return Problem(span.file, span.line + lines, column, flaw.code, flaw.message, flaw.hint)
