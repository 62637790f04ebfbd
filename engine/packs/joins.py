"""Which patterns an equality ties together, and how many rows the rest may multiply to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from math import prod
from typing import Any

from engine.errors import Problem
from engine.limits import MAX_PRODUCT, MAX_VARIANTS
from engine.model.expr import Compare, Expr, FieldRef, In
from engine.model.kinds import Kind
from engine.model.rules import Pattern
from engine.packs.complaints import complain

#: Facts a kind is taken to have where only a guess is possible: enough to make a product hurt.
_USUAL_FACTS = 1_000


def aliases_in(expr: Expr) -> set[str]:
    """Every alias an expression reads."""
    found: set[str] = set()
    pending: list[Any] = [expr]
    while pending:
        node = pending.pop()
        if isinstance(node, tuple):
            pending.extend(node)
        elif is_dataclass(node) and not isinstance(node, type):
            alias = getattr(node, "alias", None)
            if isinstance(alias, str):
                found.add(alias)
            pending.extend(getattr(node, each.name) for each in fields(node) if each.name not in {"type", "alias"})
    return found


def has_outer_equality(alias: str, where: Iterable[Expr]) -> bool:
    """Whether one of the conditions is ``alias.field == e`` (or ``in [e, …]``) with ``e`` free of the alias."""
    return any(True for each in where for _ in _tied(each, alias))


def _tied(condition: Expr, alias: str) -> Iterator[tuple[FieldRef, tuple[Expr, ...]]]:
    """The field of ``alias`` and what it must equal, once for each way to read the condition."""
    pairs: list[tuple[Expr, tuple[Expr, ...]]] = []
    if isinstance(condition, Compare) and condition.op == "==":
        pairs = [(condition.left, (condition.right,)), (condition.right, (condition.left,))]
    elif isinstance(condition, In):
        pairs = [(condition.item, condition.options)]
    for one, others in pairs:
        is_own = isinstance(one, FieldRef) and one.alias == alias
        if is_own and not any(alias in aliases_in(other) for other in others):
            assert isinstance(one, FieldRef)  # noqa: S101 - is_own said so
            yield one, others


def _partners(pattern: Pattern) -> Iterator[tuple[set[str], int]]:
    """Aliases that each equality of a pattern ties it to, and how many alternatives it has."""
    for condition in pattern.where:
        for _, others in _tied(condition, pattern.alias):
            refs = [other for other in others if isinstance(other, FieldRef)]
            if refs and len(refs) == len(others):
                yield {ref.alias for ref in refs}, len(others)


def _is_one_fact(pattern: Pattern) -> bool:
    """Whether constants and parameters fix the whole key."""
    fixed = {
        ref.field
        for condition in pattern.where
        for ref, others in _tied(condition, pattern.alias)
        if isinstance(condition, Compare) and not any(aliases_in(other) for other in others)
    }
    return set(pattern.kind.key) <= fixed


def _rows(kind: Kind) -> int:
    return min(kind.limit, _USUAL_FACTS) if kind.limit else _USUAL_FACTS


def check_joins(patterns: tuple[Pattern, ...], problems: list[Problem]) -> None:
    """Warns of patterns that join nothing, and refuses what would multiply beyond the limit."""
    group: dict[str, str] = {pattern.alias: pattern.alias for pattern in patterns}

    def root(alias: str) -> str:
        while group[alias] != alias:
            alias = group[alias]
        return alias

    variants = 1
    for pattern in patterns:
        for others, alternatives in _partners(pattern):
            variants *= alternatives
            for other in others & group.keys():
                group[root(other)] = root(pattern.alias)
    _check_variants(patterns, variants, problems)
    sizes: dict[str, int] = {}
    for pattern in patterns:
        size = 1 if _is_one_fact(pattern) else _rows(pattern.kind)
        own = root(pattern.alias)
        if own not in sizes and sizes and size > 1 and prod(sizes.values()) > 1:
            _complain_of_product(pattern, prod(sizes.values()) * size, problems)
        sizes[own] = max(sizes.get(own, 1), size)


def _check_variants(patterns: tuple[Pattern, ...], variants: int, problems: list[Problem]) -> None:
    if variants > MAX_VARIANTS:
        message = f"the joins by 'in [a, b]' unfold into {variants} variants; a rule may have {MAX_VARIANTS}"
        complain(problems, patterns[0].span, "E326", message, "split the rule")


def _complain_of_product(pattern: Pattern, rows: int, problems: list[Problem]) -> None:
    message = f"nothing joins '{pattern.alias}' to the patterns before it: with the usual number of facts {rows:,} rows"
    hint = f"add an equality to 'where', as in '{pattern.alias}.{pattern.kind.key[0]} == …', or use 'latest' or 'best'"
    if rows > MAX_PRODUCT:
        complain(problems, pattern.span, "E327", f"{message}; {MAX_PRODUCT:,} are allowed", hint)
    else:
        complain(problems, pattern.span, "W301", message, hint)
