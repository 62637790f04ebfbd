"""YAML scalars by their declared type: every value is read as text and means only what its type says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from engine.errors import Problem
from engine.limits import MAX_DIGITS, MAX_JSON_INT
from engine.model.kinds import Type, Value
from engine.model.rules import Span
from engine.packs.expressions.ranges import RANGES, range_hint
from engine.packs.expressions.texts import as_text

_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_WITH_UNIT: Final = re.compile(r"(?P<number>-?[0-9][0-9_.,]*)\s*(?P<unit>[A-Za-z%]+)", re.ASCII)
_QUANTITY: Final = re.compile(r"0x[0-9a-fA-F]{1,64}", re.ASCII)
_DURATIONS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_UNITS: Final[dict[str, dict[str, int]]] = {
    "wei": {"wei": 1, "gwei": 10**9, "ether": 10**18},
    "bps": {"bps": 1},
    "ppm": {"ppm": 1},
    "duration": _DURATIONS,
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def literal(text: str, type: Type, span: Span, problems: list[Problem]) -> Value | None:
    """A YAML scalar by its declared type, in the type's base unit.

    Args:
        text: the scalar as written.
        type: what it must be.
        span: where it begins.
        problems: where to report (E230 … E239).

    Returns:
        The value, or None after a problem.
    """
    value = _READERS.get(type.name, _text)(text, type)
    if isinstance(value, _Refused):
        problems.append(Problem(span.file, span.line, span.column, value.code, value.message, value.hint))
        return None
    return value


def duration(text: str, span: Span, problems: list[Problem]) -> int | None:
    """``250ms``, ``12s``, ``15m``, ``1h`` or ``30d`` in milliseconds; a unit is required (except for 0)."""
    value = _duration(text, Type("duration"))
    if isinstance(value, _Refused):
        problems.append(Problem(span.file, span.line, span.column, value.code, value.message, value.hint))
        return None
    return value


class _Refused:
    """Why a scalar is not of its type."""

    __slots__ = ("code", "hint", "message")

    def __init__(self, code: str, message: str, hint: str) -> None:
        self.code = code
        self.message = message
        self.hint = hint


def _number(text: str, kind: Type) -> int | _Refused:
    units = _UNITS.get(kind.name, {})
    number, factor = text.strip(), 1
    if found := _WITH_UNIT.fullmatch(number):
        number, unit = found["number"], found["unit"]
        if unit not in units:
            known = (
                f"units of {kind.name} are {', '.join(units)}" if units else f"{kind} has no units: write digits only"
            )
            return _Refused("E231", f"'{text}': unknown unit '{unit}'", known)
        factor = units[unit]
    if not _INTEGER.fullmatch(number):
        return _Refused("E230", f"'{text}' is not an integer", _integer_hint(number, kind))
    if len(number) > MAX_DIGITS + 1:
        return _Refused("E238", f"a number of {len(number)} digits", f"at most {MAX_DIGITS}")
    value = int(number) * factor
    return _in_range(value, text, kind)


def _in_range(value: int, text: str, kind: Type) -> int | _Refused:
    low, high = RANGES[kind.name]
    if not low <= value <= high:
        return _Refused("E238", f"'{text}' is out of range", range_hint(kind.name))
    return value


def _integer_hint(number: str, kind: Type) -> str:
    if "_" in number or "," in number:
        return f"write {number.replace('_', '').replace(',', '')}, without separators"
    if "." in number or "e" in number.lower():
        finer = {"wei": "a smaller unit, such as gwei or wei", "duration": "ms"}.get(kind.name, "base units or bps")
        return f"there are no fractions; write it in {finer}"
    if number.lstrip("-").startswith("0") and number.lstrip("-").isdigit():
        return f"write {number.lstrip('-').lstrip('0') or '0'}, without leading zeros"
    if number.startswith("="):
        return "an expression cannot stand here"
    return "write digits only"


def _duration(text: str, kind: Type) -> int | _Refused:
    word = text.strip()
    if _INTEGER.fullmatch(word) and word != "0":
        return _Refused("E237", f"'{text}' has no unit", f"write {word}s, or ms, m, h, d")
    found = _WITH_UNIT.fullmatch(word)
    if word != "0" and (found is None or found["unit"] not in _DURATIONS):
        return _Refused("E237", f"'{text}' is not a duration", "write 250ms, 12s, 15m, 1h or 30d")
    return _number(word, kind)


def _quantity(text: str, kind: Type) -> int | _Refused:
    word = text.strip()
    if not word.startswith("0x"):
        return _number(word, kind)
    if not _QUANTITY.fullmatch(word):
        return _Refused("E230", f"'{text}' is not a quantity", "write 0x and at most 64 hex digits, or decimal digits")
    return _in_range(int(word, 16), text, kind)


def _timestamp(text: str, kind: Type) -> int | _Refused:
    word = text.strip()
    if _INTEGER.fullmatch(word):
        return _number(word, kind)
    try:
        moment = datetime.fromisoformat(word)
    except ValueError:
        return _Refused("E233", f"'{text}' is not a moment", "write 2027-01-15T08:00:00Z, or unix milliseconds")
    if moment.tzinfo is None:
        return _Refused("E233", f"'{text}' names no zone", f"write {word}Z for UTC, or an offset such as +01:00")
    since = moment - _EPOCH
    value, rest = divmod(since, timedelta(milliseconds=1))
    if rest:
        return _Refused("E233", f"'{text}' is finer than a millisecond", "write at most three decimals")
    return _in_range(value, text, kind)


def _bool(text: str, kind: Type) -> bool | _Refused:
    word = text.strip()
    if word in ("true", "false"):
        return word == "true"
    return _Refused("E232", f"'{text}' is neither true nor false", "write true or false")


_TEXT_CODES: Final = {"hash": "E234", "address": "E234", "enum": "E235"}


def _text(text: str, kind: Type) -> str | _Refused:
    value, wrong = as_text(text, kind)
    if wrong is not None:
        return _Refused(_TEXT_CODES.get(kind.name, "E236"), *wrong)
    return value or ""


def _json(text: str, kind: Type) -> str | _Refused:
    """JSON text in canonical form; what is not JSON is a JSON string, as in YAML."""
    try:
        value = json.loads(
            text, parse_float=_inexact, parse_constant=_inexact, parse_int=_integer, object_pairs_hook=_object
        )
    except _JsonFlawError as flaw:
        return _Refused("E239", f"'{text}' {flaw}", "write such a number as a text, and each name once")
    except (ValueError, RecursionError):
        value = text
    made = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    if not made.isascii() and any("\ud800" <= char <= "\udfff" for char in made):
        return _Refused("E239", "half of a surrogate pair", "write the character itself")
    return made


class _JsonFlawError(ValueError):
    """JSON that would not mean the same to every reader."""


def _inexact(text: str) -> None:
    raise _JsonFlawError("holds a number that is not whole")


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS or abs(int(text)) > MAX_JSON_INT:
        raise _JsonFlawError("holds a number beyond 2^53 - 1")
    return int(text)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _JsonFlawError("names a key twice")
    return made


def _list(text: str, kind: Type) -> _Refused:
    return _Refused("E239", f"'{text}' is not a list", "write a YAML list: [a, b]")


_READERS: Final[dict[str, Callable[[str, Type], Value | _Refused]]] = {
    **dict.fromkeys(("int", "uint256", "amount", "wei", "bps", "ppm"), _number),
    "duration": _duration,
    "quantity": _quantity,
    "timestamp": _timestamp,
    "bool": _bool,
    "json": _json,
    "list": _list,
}
