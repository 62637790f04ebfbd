"""Values in tests: YAML texts by the kind's types, as JSON for the wire or as an argument that leaves."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from engine.errors import Problem
from engine.insight.scenario.moments import after, moment
from engine.limits import MAX_JSON_INT
from engine.model.kinds import JSON_INTEGER, NUMERIC, Scalar, Type, Value
from engine.packs.forms import as_list
from engine.packs.nodes import ListNode, MapNode, Node, ScalarNode
from engine.packs.values import read_literal

_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,15})", re.ASCII)
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@+-]+", re.ASCII)
_YEAR_MS: Final = 366 * 86_400_000
_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}


def read_value(node: Node, kind: Type, start_ms: int, what: str, problems: list[Problem]) -> Value | None:
    """The value a node spells, by type; a timestamp may be a duration from the start. None after a problem."""
    if kind.name == "list" and kind.item is not None:
        return _read_list(node, kind.item, start_ms, what, problems)
    if kind.name == "json" and not isinstance(node, ScalarNode):
        return canonical(free_json(node))
    if kind.name == "timestamp" and isinstance(node, ScalarNode) and not node.is_empty:
        return moment(node.text, start_ms, node.span, problems)
    return read_literal(node, kind, what, problems)


def read_argument(node: Node, kind: Type, start_ms: int, what: str, problems: list[Problem]) -> Value | None:
    """The value of an argument that leaves: as ``read_value``, but what was computed may be below zero."""
    if kind.name in NUMERIC - {"timestamp"} and isinstance(node, ScalarNode) and node.text.startswith("-"):
        value = read_literal(ScalarNode(node.text[1:], node.style, node.span), kind, what, problems)
        return -value if isinstance(value, int) else None
    return read_value(node, kind, start_ms, what, problems)


def _read_list(node: Node, item: Type, start_ms: int, what: str, problems: list[Problem]) -> Value | None:
    found = as_list(node, what, problems)
    if found is None:
        return None
    values: list[Scalar] = []
    for each in found.items:
        value = read_value(each, item, start_ms, what, problems)
        if value is None or isinstance(value, tuple):
            return None
        values.append(value)
    return tuple(values)


def free_json(node: Node) -> Any:  # noqa: ANN401 - any JSON
    """JSON of a node without a declared type: unquoted integers, true, false and null are such, all else is text."""
    if isinstance(node, MapNode):
        return {entry.key.text: free_json(entry.value) for entry in node}
    if isinstance(node, ListNode):
        return [free_json(item) for item in node.items]
    if not node.is_plain:
        return node.text
    if node.text in _WORDS or node.is_empty:
        return _WORDS.get(node.text)
    if _INTEGER.fullmatch(node.text) and abs(int(node.text)) <= MAX_JSON_INT:
        return int(node.text)
    return node.text


def argument_form(value: Value, kind: Type) -> Any:  # noqa: ANN401 - any JSON
    """A value as a command's argument leaves: see *Rules* in docs/language.md, on arguments of commands."""
    if isinstance(value, tuple):
        item = kind.item or Type("text")
        return [argument_form(each, item) for each in value]
    if isinstance(value, bool) or not isinstance(value, int):
        return json.loads(value) if kind.name == "json" and isinstance(value, str) else value
    if kind.name in JSON_INTEGER and abs(value) <= MAX_JSON_INT:
        return value
    return str(value) if kind.name in NUMERIC else value


def canonical(value: object) -> str:
    """JSON text by which values are compared and shown: 1 is not true, and the order of names does not count."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def spelled(value: object) -> str:
    """A JSON value as a test spells it: words and numbers without quotes."""
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {spelled(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(spelled(each) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def spelled_field(value: object, kind: Type, start_ms: int) -> str:
    """A fact's value as a test spells it: a moment within a year of the start as a duration from it."""
    if kind.name == "timestamp" and isinstance(value, int) and abs(value - start_ms) < _YEAR_MS:
        return after(value - start_ms)
    return spelled(value)
