"""Type texts: ``amount(asset)``, ``enum(open, closed)``, ``hash?``."""

from __future__ import annotations

import re
from typing import Final

from engine.errors import Problem
from engine.model.kinds import TYPE_NAMES, Type
from engine.packs.complaints import complain, did_you_mean, quoted
from engine.packs.nodes import ScalarNode

#: Types by which facts can be told apart and joined: short, and equal only when they are the same.
KEYABLE: Final = TYPE_NAMES - {"text", "list", "json", "amount", "wei"}

_FORM = re.compile(r"([A-Za-z_]\w*)\s*(?:\((.*)\))?")
_FIELD = re.compile(r"[A-Za-z_][\w.:/-]{0,255}")
_OPTION = re.compile(r"[A-Za-z0-9_][\w.-]{0,63}")
_OTHER_NAMES: Final = {
    "string": "text",
    "str": "text",
    "integer": "int",
    "number": "int",
    "float": "int",
    "decimal": "uint256",
    "boolean": "bool",
    "uint": "uint256",
    "datetime": "timestamp",
    "time": "timestamp",
    "bytes": "hash",
    "array": "list",
    "object": "json",
}


def parse_type(node: ScalarNode, problems: list[Problem], *, may_be_absent: bool = True) -> tuple[Type, bool] | None:
    """The type a text names, and whether the field may be absent (``?``)."""
    text = node.text.strip()
    is_optional = text.endswith("?")
    if is_optional and not may_be_absent:
        complain(problems, node.span, "E405", "'?' has no meaning here", "delete the '?'")
    made = _parse(text.removesuffix("?").strip(), node, problems)
    return None if made is None else (made, is_optional)


def _parse(text: str, node: ScalarNode, problems: list[Problem]) -> Type | None:
    found = _FORM.fullmatch(text)
    name = found[1] if found else text
    if found is None or name not in TYPE_NAMES:
        meant = _OTHER_NAMES.get(name.lower())
        known = sorted(TYPE_NAMES)
        hint = f"write '{meant}'" if meant else did_you_mean(name, known, "types")
        complain(problems, node.span, "E404", f"no type {quoted(text)}", hint)
        return None
    inside = found[2]
    if name == "amount":
        return _amount(inside, node, problems)
    if name == "enum":
        return _enum(inside, node, problems)
    if name == "list":
        return _list(inside, node, problems)
    if inside is not None:
        complain(problems, node.span, "E404", f"'{name}' takes nothing in parentheses", f"write '{name}'")
        return None
    return Type(name)


def _amount(inside: str | None, node: ScalarNode, problems: list[Problem]) -> Type | None:
    if inside is None:
        return Type("amount")  # of whatever asset the reader of the fact knows it to be
    field = inside.strip()
    if _FIELD.fullmatch(field):
        return Type("amount", asset_field=field)
    hint = "write 'amount(asset)' with the field that names the asset; a bare number is a 'uint256'"
    complain(problems, node.span, "E404", "an amount of what?", hint)
    return None


def _enum(inside: str | None, node: ScalarNode, problems: list[Problem]) -> Type | None:
    options = tuple(word.strip() for word in (inside or "").split(","))
    bad = next((word for word in options if not _OPTION.fullmatch(word)), None)
    if bad is not None:
        hint = "write 'enum(open, closed)'"
        complain(problems, node.span, "E404", f"{quoted(bad)} is no option of an enum", hint)
        return None
    if len(set(options)) < len(options):
        complain(problems, node.span, "E404", "an option of the enum stands twice", "delete one")
        return None
    return Type("enum", options=options)


def _list(inside: str | None, node: ScalarNode, problems: list[Problem]) -> Type | None:
    if not (inside or "").strip():
        complain(problems, node.span, "E404", "a list of what?", "write 'list(id)'")
        return None
    item = _parse((inside or "").strip(), node, problems)
    if item is None:
        return None
    if item.name in {"list", "json", "amount"}:
        complain(problems, node.span, "E404", f"a list cannot hold '{item.name}'", "lists hold plain values")
        return None
    return Type("list", item=item)
