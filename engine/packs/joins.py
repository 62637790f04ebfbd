"""Which patterns an equality ties together, and how many rows the rest may multiply to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from math import prod

from engine.errors import Problem
from engine.limits import MAX_PRODUCT, MAX_VARIANTS
from engine.model.expr import Compare, Const, Expr, FieldRef, In, Local
from engine.model.exprtools import aliases_read
from engine.model.kinds import Kind, Value
from engine.model.rules import Aggregate, Pattern, Pick, Without
from engine.packs.complaints import complain

#: Facts a kind is taken to have where only a guess is possible: enough to make a product hurt.
_USUAL_FACTS = 1_000
#: Stands for the facts that are given outside; no alias is spelled so.
_OUTER = ""
#: Names that a plan's coordination and step go by: equal to one of them is tied to what is given.
_CASE = frozenset({"coordination", "step"})


#: The terms that read facts of a kind.
Reading = Pattern | Pick | Without | Aggregate


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
        if not isinstance(one, FieldRef) or one.alias != alias:
            continue
        if not any(alias in aliases_read(other) for other in others):
            yield one, others


def _partners(pattern: Pattern, outer: Set[str]) -> Iterator[tuple[set[str], int]]:
    """Aliases that each equality of a pattern ties it to, and how many alternatives it has."""
    for condition in pattern.where:
        for _, others in _tied(condition, pattern.alias):
            if outer and any(isinstance(other, Local) and other.name in _CASE for other in others):
                yield {_OUTER}, 1
            refs = [other for other in others if isinstance(other, FieldRef)]
            if refs and len(refs) == len(others):
                yield {_OUTER if ref.alias in outer else ref.alias for ref in refs}, len(others)


def _is_one_fact(pattern: Pattern, outer: Set[str]) -> bool:
    """Whether constants, parameters and facts that are given fix the whole key."""
    fixed = {
        ref.field
        for condition in pattern.where
        for ref, others in _tied(condition, pattern.alias)
        if isinstance(condition, Compare) and not any(aliases_read(other) - outer for other in others)
    }
    return set(pattern.kind.key) <= fixed


def constants_of(term: Reading) -> Iterator[tuple[str, Value]]:
    """The fields of the term's facts that ``where`` fixes to a constant."""
    for condition in term.where:
        if isinstance(condition, Compare):
            for ref, others in _tied(condition, term.alias):
                if isinstance(others[0], Const):
                    yield ref.field, others[0].value


def _rows(kind: Kind) -> int:
    return min(kind.limit, _USUAL_FACTS) if kind.limit else _USUAL_FACTS


def check_joins(patterns: tuple[Pattern, ...], problems: list[Problem], outer: Set[str] = frozenset()) -> None:
    """Warns of patterns that join nothing, and refuses what would multiply beyond the limit.

    Args:
        patterns: of one rule, or of one condition of a plan.
        problems: takes what is wrong.
        outer: aliases of facts that are given where these patterns are matched: what a plan is ``for``.
    """
    group: dict[str, str] = {alias: alias for alias in (*(p.alias for p in patterns), *([_OUTER] if outer else []))}

    def root(alias: str) -> str:
        while group[alias] != alias:
            alias = group[alias]
        return alias

    variants = 1
    for pattern in patterns:
        for others, alternatives in _partners(pattern, outer):
            variants *= alternatives
            for other in others & group.keys():
                group[root(other)] = root(pattern.alias)
    _check_variants(patterns, variants, problems)
    sizes: dict[str, int] = {root(_OUTER): 1} if outer else {}
    for pattern in patterns:
        size = 1 if _is_one_fact(pattern, outer) else _rows(pattern.kind)
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
