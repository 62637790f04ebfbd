"""JMESPath over exact JSON. The only importer of jmespath.

Its functions that compute with floats are not there; ``to_number`` gives integers alone; and a few are added that
status APIs ask for: ``units``, ``hex``, ``lower_hex`` and ``cut``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import jmespath
from jmespath import exceptions, functions

from connectors.poll.exact import AnswerError, Fraction, Json

_MAX_CHARS: Final = 2_000
#: Functions that are about fractions, or make them.
_GONE: Final = frozenset({"avg", "ceil", "floor"})
_WHOLE: Final = re.compile(r"-?\d{1,1000}", re.ASCII)
_DECIMAL: Final = re.compile(r"(-?)(\d{1,80})(?:\.(\d{1,80}))?(?:[eE]([+-]?\d{1,3}))?", re.ASCII)
_HEX: Final = re.compile(r"(?:0x)?([0-9a-fA-F]+)", re.ASCII)
_MAX_DECIMALS: Final = 80
#: Nodes of the syntax whose first child is read where they stand; what follows is read inside of that.
_STEPS: Final = frozenset({"subexpression", "index_expression", "projection", "value_projection", "pipe"})


class QueryError(Exception):
    """An expression is written wrongly; says how."""


class _Exact(functions.Functions):
    """JMESPath's functions without floats, and some more."""

    @functions.signature({"types": []})
    def _func_to_number(self, value: Json) -> int | None:
        """The integer that a text writes; null for anything else."""
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else None

    @functions.signature({"types": []})
    def _func_to_string(self, value: Json) -> Json:
        """A fraction becomes its characters, which may then be told."""
        return str(value) if isinstance(value, str) else json.dumps(value, separators=(",", ":"))

    @functions.signature({"types": []}, {"types": ["number"]})
    def _func_units(self, value: Json, decimals: int) -> int | None:
        """A decimal number in units of 10^-decimals, exactly; null stays null."""
        return None if value is None else _units(value, decimals)

    @functions.signature({"types": []})
    def _func_hex(self, value: Json) -> str | None:
        """Hex digits, with or without 0x, as 0x and lower case; null for what is no hex."""
        match = _HEX.fullmatch(value) if isinstance(value, str) else None
        return None if match is None else "0x" + match[1].lower()

    @functions.signature({"types": []})
    def _func_lower_hex(self, value: Json) -> Json:
        """What begins with 0x in lower case; anything else as it is."""
        if isinstance(value, str) and value.startswith("0x") and _HEX.fullmatch(value):
            return value.lower()
        return value

    @functions.signature({"types": []}, {"types": ["number"]})
    def _func_cut(self, value: Json, characters: int) -> Json:
        """The first characters of a text; anything else as it is."""
        return value[:characters] if isinstance(value, str) and not is_fraction(value) else value


_OPTIONS: Final = jmespath.Options(custom_functions=_Exact())


class Query:
    """One expression, compiled."""

    def __init__(self, text: str, names: Collection[str], members: Mapping[str, Collection[str]]) -> None:
        """Compiles it.

        Args:
            text: JMESPath.
            names: what stands in its scope.
            members: of some of these names, all that they have.

        Raises:
            QueryError: it is no JMESPath, calls what is not there, or reads what is not in its scope.
        """
        if len(text) > _MAX_CHARS:
            raise QueryError(f"an expression of {len(text)} characters; at most {_MAX_CHARS}")
        try:
            self._compiled = jmespath.compile(text)
        except (exceptions.JMESPathError, ValueError, RecursionError) as error:
            raise QueryError(f"'{text}' is no JMESPath: {_first_line(error)}") from error
        self.text = text
        tree = self._compiled.parsed
        _check_calls(tree)
        _check_names(tree, names, members)

    def read(self, scope: Mapping[str, Json]) -> Json:
        """Its value there.

        Raises:
            AnswerError: it cannot be evaluated on this answer (C182).
        """
        try:
            return self._compiled.search(scope, options=_OPTIONS)
        except RecursionError as error:
            raise AnswerError("C182", f"'{self.text}' runs too deep on this answer") from error
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
            raise AnswerError("C182", f"'{self.text}': {_first_line(error)}") from error

    def holds(self, scope: Mapping[str, Json]) -> bool:
        """It is anything but false, null, or an empty text, list or object.

        Raises:
            AnswerError: it cannot be evaluated on this answer (C182).
        """
        found = self.read(scope)
        return not (found is None or found is False or (isinstance(found, str | list | dict) and not found))


def _units(value: Json, decimals: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("units() takes a number or a text of digits")
    if not isinstance(decimals, int) or not 0 <= decimals <= _MAX_DECIMALS:
        raise ValueError(f"units() takes 0 to {_MAX_DECIMALS} decimals")
    match = _DECIMAL.fullmatch(str(value))
    if match is None:
        raise ValueError(f"units(): '{str(value)[:80]}' is no decimal number")
    sign, whole, fraction, exponent = match[1], match[2], match[3] or "", int(match[4] or 0)
    shift = decimals - len(fraction) + exponent
    digits: int = int(whole + fraction)
    if shift < 0:
        digits, rest = divmod(digits, 10**-shift)
        if rest:
            raise ValueError(f"units(): '{str(value)[:80]}' has more than {decimals} decimals, and nothing is rounded")
    else:
        digits *= 10**shift
    return -digits if sign else digits


def _first_line(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text.splitlines()[0][:200]


def _walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node["children"]:
        if isinstance(child, dict):
            yield from _walk(child)


def _check_calls(tree: Mapping[str, Any]) -> None:
    known = sorted(set(_Exact.FUNCTION_TABLE) - _GONE)
    for node in _walk(tree):
        if node["type"] == "function_expression" and node["value"] not in known:
            raise QueryError(f"there is no function '{node['value']}'; there are {', '.join(known)}")
        if node["type"] == "literal" and _has_float(node["value"]):
            raise QueryError("a literal with a fraction; write it as a text")


def _has_float(value: Json) -> bool:
    if isinstance(value, dict):
        return any(map(_has_float, value.values()))
    return any(map(_has_float, value)) if isinstance(value, list) else isinstance(value, float)


def _check_names(tree: Mapping[str, Any], names: Collection[str], members: Mapping[str, Collection[str]]) -> None:
    for root, member in _roots(tree):
        if root not in names:
            raise QueryError(f"'{root}' is not there; there is {', '.join(sorted(names))}")
        among = members.get(root)
        if member is not None and among is not None and member not in among:
            raise QueryError(f"'{root}' has no '{member}'; it has {', '.join(sorted(among)) or 'nothing'}")


def _roots(node: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """The names that are read from the scope itself, each with the member that is read of it, if that is plain."""
    children = [child for child in node["children"] if isinstance(child, dict)]
    if node["type"] == "field":
        yield node["value"], None
    elif node["type"] in ("flatten", "filter_projection"):
        yield from _roots(children[0])
    elif node["type"] in _STEPS:
        is_member = node["type"] == "subexpression" and all(child["type"] == "field" for child in children[:2])
        if is_member:
            yield children[0]["value"], children[1]["value"]
        else:
            yield from _roots(children[0])
    elif node["type"] != "expref":
        for child in children:
            yield from _roots(child)


def is_fraction(value: Json) -> bool:
    """A number that is no integer: as read, or as something computed it."""
    return isinstance(value, Fraction | float)
