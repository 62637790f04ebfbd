"""Literal values in YAML: defaults of fields and parameters."""

from __future__ import annotations

from engine.errors import Problem
from engine.limits import MAX_LIST_ITEMS
from engine.model.kinds import Scalar, Type, Value
from engine.packs.complaints import complain
from engine.packs.expressions import literal
from engine.packs.forms import as_list, as_scalar
from engine.packs.nodes import Node, ScalarNode


def read_literal(node: Node, kind: Type, what: str, problems: list[Problem]) -> Value | None:
    """The value a node spells, by type; None if it does not (the problem is noted)."""
    if kind.name == "list" and kind.item is not None:
        return _read_list(node, kind.item, what, problems)
    if isinstance(node, ScalarNode) and not node.is_plain and not node.text and kind.name == "text":
        return ""
    scalar = as_scalar(node, what, problems)
    return None if scalar is None else literal(scalar.text, kind, scalar.span, problems)


def _read_list(node: Node, item: Type, what: str, problems: list[Problem]) -> Value | None:
    found = as_list(node, what, problems)
    if found is None:
        return None
    if len(found.items) > MAX_LIST_ITEMS:
        complain(problems, node.span, "E303", f"a list of more than {MAX_LIST_ITEMS}", "shorten it")
        return None
    values: list[Scalar] = []
    for each in found.items:
        value = read_literal(each, item, what, problems)
        if value is None or isinstance(value, tuple):
            return None
        values.append(value)
    return tuple(values)
