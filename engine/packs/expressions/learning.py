"""Finds the equalities a rule states, before anything is type-checked."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from engine.packs.expressions.equalities import AssetTerm
from engine.packs.expressions.parsing import parse


def equalities_in(text: str) -> Iterator[tuple[AssetTerm, AssetTerm]]:
    """Pairs a condition equates at its top: ``a.f == b.g``, ``== "X"``, ``== params.p``, ``in ["X"]``."""
    parsed = parse(text)
    if not isinstance(parsed, ast.expr):
        return
    pending = [parsed]
    while pending:
        node = pending.pop()
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                pending.extend(values)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                for op, (one, other) in zip(ops, pairwise([left, *comparators]), strict=True):
                    yield from _equated(op, one, other)


def _equated(op: ast.cmpop, one: ast.expr, other: ast.expr) -> Iterator[tuple[AssetTerm, AssetTerm]]:
    if isinstance(op, ast.In) and isinstance(other, ast.List) and len(other.elts) == 1:
        other = other.elts[0]
    elif not isinstance(op, ast.Eq):
        return
    left, right = _term(one), _term(other)
    if left is not None and right is not None:
        yield left, right


def _term(node: ast.expr) -> AssetTerm | None:
    match node:
        case ast.Attribute(value=ast.Name(id="params"), attr=name):
            return AssetTerm("param", "", name)
        case ast.Attribute(value=ast.Name(id=alias), attr=name):
            return AssetTerm("field", alias, name)
        case ast.Name(id=name):
            return AssetTerm("local", "", name)
        case ast.Constant(value=str(value)):
            return AssetTerm("const", "", value)
        case _:
            return None
