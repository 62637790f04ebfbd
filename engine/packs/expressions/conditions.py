"""Placeholder bodies are filled next; the signatures are the contract with the pack checker."""

from __future__ import annotations

from engine.errors import Problem
from engine.model.expr import Expr
from engine.model.kinds import Type, Value
from engine.model.rules import Span
from engine.packs.expressions.scope import Scope


def check_conditions(texts: list[tuple[str, Span]], scope: Scope, problems: list[Problem]) -> tuple[Expr, ...]:
    """Check a ``where`` or ``check``; top-level ``and`` is flattened and ``has`` is learned into the scope."""
    raise NotImplementedError


def check_value(
    text: str, span: Span, scope: Scope, problems: list[Problem], expected: Type | None = None
) -> Expr | None:
    """Check an expression of an effect (without its leading ``=``); ``now`` and ``age(x)`` are plain values here."""
    raise NotImplementedError


def check_term_value(
    text: str, span: Span, scope: Scope, problems: list[Problem], expected: Type | None = None
) -> Expr | None:
    """Check an expression a match depends on (let, by, of, per, once.key, priority): ``now`` may not stand in it."""
    raise NotImplementedError


def check_aggregated(function: str, text: str, span: Span, scope: Scope, problems: list[Problem]) -> Expr | None:
    """Check what ``sum``, ``min`` or ``max`` goes over, in the aggregate's own child scope."""
    raise NotImplementedError


def check_template(text: str, span: Span, scope: Scope, problems: list[Problem]) -> Expr:
    """Check text with ``{expr}`` in it."""
    raise NotImplementedError


def literal(text: str, type: Type, span: Span, problems: list[Problem]) -> Value | None:
    """A YAML scalar by its declared type."""
    raise NotImplementedError


def duration(text: str, span: Span, problems: list[Problem]) -> int | None:
    """``250ms``, ``12s``, ``15m``, ``1h``, ``30d`` in milliseconds."""
    raise NotImplementedError
