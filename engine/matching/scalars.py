"""How each type is read from the wire, and checked when a rule made it. Slow, complete and with messages.

The compiled decoders test the common case in line and come here for the rest. Every reader takes the value and where
it stands (``kind.field``) and returns what is kept, or raises FactRejectedError F222 to F231.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import Final, NoReturn

from engine.errors import FactRejectedError
from engine.limits import MAX_DIGITS, MAX_ID_BYTES, MAX_JSON_INT, MAX_LIST_ITEMS, MAX_TEXT_CHARS, MAX_UINT256
from engine.matching.strict_json import canonical, parse_value, shown
from engine.model.kinds import NUMERIC, Scalar, Type, Value

#: Reads or checks one value; the second argument says where it stands.
Reader = Callable[[object, str], Value]
ScalarReader = Callable[[object, str], Scalar]

#: ``int`` holds what a signed 256-bit word holds.
MAX_INT256: Final = 2**255 - 1
MIN_INT256: Final = -(2**255)

#: Least and largest value of each numeric type.
RANGES: Final[dict[str, tuple[int, int]]] = {
    "int": (MIN_INT256, MAX_INT256),
    "uint256": (0, MAX_UINT256),
    "amount": (0, MAX_UINT256),
    "wei": (0, MAX_UINT256),
    "quantity": (0, MAX_UINT256),
    "bps": (0, MAX_JSON_INT),
    "ppm": (0, MAX_JSON_INT),
    "timestamp": (0, MAX_JSON_INT),
    "duration": (0, MAX_JSON_INT),
}

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]*")
_SIGNED: Final = re.compile(r"0|-?[1-9][0-9]*")
_HEX: Final = re.compile(r"0x[0-9a-f]+")
#: Hex digits of 2^256 - 1.
_MAX_QUANTITY_DIGITS: Final = 64


def id_problem(text: str) -> str | None:
    """What keeps text from being an ``id``, or None: NFC, 1 to ``MAX_ID_BYTES`` bytes, no control characters."""
    if not text:
        return "is empty"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "holds half of a surrogate pair"
    if size > MAX_ID_BYTES:
        return f"has {size} bytes, at most {MAX_ID_BYTES} are taken"
    if _CONTROL.search(text):
        return "holds a control character"
    if not unicodedata.is_normalized("NFC", text):
        return "is not in Unicode normal form C"
    return None


def json_type(value: object) -> str:
    """A value's type in the words of JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "an object" if isinstance(value, dict) else "a list"


def _wrong(where: str, expected: str, value: object, hint: str) -> NoReturn:
    if value is None:
        raise FactRejectedError("F222", f"{where} is null", f"leave an optional field out; here {expected} is needed")
    raise FactRejectedError("F223", f"{where}: expected {expected}, got {json_type(value)}: {shown(value)}", hint)


def _out_of_range(where: str, value: int, low: int, high: int) -> NoReturn:
    limits = "0 to 2^256 - 1" if high == MAX_UINT256 else "-2^255 to 2^255 - 1" if low < 0 else "0 to 2^53 - 1"
    raise FactRejectedError("F226", f"{where}: {shown(value)} is out of range", f"{limits}")


def _read_decimal(text: str, where: str, low: int, high: int) -> int:
    pattern, form = (_SIGNED, "digits with an optional minus") if low < 0 else (_DECIMAL, "digits")
    if len(text) <= MAX_DIGITS + 1 and pattern.fullmatch(text):
        number = int(text)
        if low <= number <= high:
            return number
        _out_of_range(where, number, low, high)
    if text.isascii() and text.lstrip("-").isdigit() and len(text) > MAX_DIGITS:
        raise FactRejectedError("F226", f"{where}: a number of {len(text)} digits", f"at most {MAX_DIGITS} are taken")
    raise FactRejectedError(
        "F225",
        f"{where}: not a decimal string: {shown(text)}",
        f"{form} 0 to 9 only: no leading zeros, plus sign, point, exponent, space, underscore or 0x",
    )


def _read_unsigned(value: object, where: str) -> int:
    """``uint256``, ``amount``, ``wei``: a decimal string."""
    if type(value) is str:
        return _read_decimal(value, where, 0, MAX_UINT256)
    if type(value) is int:
        raise FactRejectedError(
            "F224",
            f"{where}: a JSON number ({shown(value)}) where a decimal string is needed",
            f'send "{shown(value)}" in quotes; as a number its sender may have rounded it already',
        )
    _wrong(where, "a decimal string", value, 'e.g. "1000000000000000000"')


def _read_integer(value: object, where: str, low: int, high: int) -> int:
    """``int``, ``bps``, ``ppm``, ``timestamp``, ``duration``: a JSON integer within ±(2^53 - 1) or a decimal string."""
    if type(value) is int:
        if not -MAX_JSON_INT <= value <= MAX_JSON_INT:
            raise FactRejectedError(
                "F224",
                f"{where}: the JSON number {shown(value)} is beyond 2^53 - 1",
                "send it as a decimal string; as a number its sender may have rounded it already",
            )
        if low <= value <= high:
            return value
        _out_of_range(where, value, low, high)
    if type(value) is str:
        return _read_decimal(value, where, low, high)
    _wrong(where, "an integer", value, "a JSON integer or a decimal string")


def _read_quantity(value: object, where: str) -> int:
    """Ethereum hex, ``0x1a``; leading zeros are taken (nodes pad words), an empty ``0x`` is not."""
    if type(value) is not str:
        _wrong(where, 'hex text such as "0x1a"', value, "send it as the node gives it")
    text = value.lower()
    if not _HEX.fullmatch(text) or len(text) > _MAX_QUANTITY_DIGITS + 2:
        raise FactRejectedError(
            "F229",
            f"{where}: not a hex quantity: {shown(value)}",
            f"0x and 1 to {_MAX_QUANTITY_DIGITS} hex digits",
        )
    return int(text, 16)


def _read_id(value: object, where: str) -> str:
    if type(value) is not str:
        _wrong(where, "text", value, "put it in double quotes")
    problem = id_problem(value)
    if problem:
        raise FactRejectedError(
            "F227",
            f"{where} {problem}: {shown(value)}",
            f"an id is 1 to {MAX_ID_BYTES} bytes of UTF-8 in normal form C without control characters",
        )
    return value


def _read_text(value: object, where: str) -> str:
    if type(value) is not str:
        _wrong(where, "text", value, "put it in double quotes")
    if len(value) > MAX_TEXT_CHARS:
        raise FactRejectedError(
            "F228", f"{where} has {len(value)} characters, at most {MAX_TEXT_CHARS} are taken", "shorten it"
        )
    return value


def _read_bool(value: object, where: str) -> bool:
    if value is True or value is False:
        return value
    _wrong(where, "true or false", value, "without quotes")


def read_hex(value: object, where: str) -> str:
    """``hash`` and ``address``: ``0x`` and hex digits, even or odd in number, kept in lower case."""
    if type(value) is not str:
        _wrong(where, 'hex text such as "0xab12"', value, "put it in double quotes")
    text = value.lower()
    if not _HEX.fullmatch(text) or len(text) > MAX_ID_BYTES:
        raise FactRejectedError(
            "F229",
            f"{where}: not hex: {shown(value)}",
            f"0x and hex digits, at most {MAX_ID_BYTES} characters; what is not hex is declared as id",
        )
    return text


def _read_enum(options: tuple[str, ...], value: object, where: str) -> str:
    if type(value) is not str:
        _wrong(where, f"one of {', '.join(options)}", value, "put it in double quotes")
    if value not in options:
        raise FactRejectedError("F230", f"{where}: {shown(value)} is not an option", f"one of {', '.join(options)}")
    return value


def _check_json_numbers(value: object, where: str) -> None:
    if type(value) is int and not -MAX_JSON_INT <= value <= MAX_JSON_INT:
        raise FactRejectedError(
            "F224", f"{where}: the JSON number {shown(value)} is beyond 2^53 - 1", "send it as a decimal string"
        )
    if isinstance(value, dict):
        for item in value.values():
            _check_json_numbers(item, where)
    elif isinstance(value, list):
        for item in value:
            _check_json_numbers(item, where)


def _read_json(value: object, where: str) -> str:
    """Carried as canonical text; its depth was bounded when the whole was parsed."""
    if value is None:
        _wrong(where, "a JSON value", value, "null is absence: leave the field out, if it is optional")
    _check_json_numbers(value, where)
    return canonical(value)


def _items(read: ScalarReader, value: object, where: str) -> tuple[Scalar, ...]:
    if not isinstance(value, (list, tuple)):
        _wrong(where, "a list", value, "put the items in [ ]")
    if len(value) > MAX_LIST_ITEMS:
        raise FactRejectedError(
            "F231", f"{where} has {len(value)} items, at most {MAX_LIST_ITEMS} are taken", "split the fact"
        )
    return tuple([read(item, f"{where}[{i}]") for i, item in enumerate(value)])


def _check_number(low: int, high: int, value: object, where: str) -> int:
    if type(value) is not int:
        _wrong(where, "an integer", value, "assign a number of the field's type")
    if not low <= value <= high:
        _out_of_range(where, value, low, high)
    return value


def _check_json(value: object, where: str) -> str:
    if type(value) is not str:
        _wrong(where, "JSON text", value, "assign the value of another json field")
    return _read_json(parse_value(value), where)


_READERS: Final[dict[str, ScalarReader]] = {
    "id": _read_id,
    "text": _read_text,
    "bool": _read_bool,
    "uint256": _read_unsigned,
    "amount": _read_unsigned,
    "wei": _read_unsigned,
    "quantity": _read_quantity,
    "hash": read_hex,
    "address": read_hex,
    "json": _read_json,
}


def _read_scalar(type_: Type) -> ScalarReader:
    if type_.name == "enum":
        return partial(_read_enum, type_.options)
    found = _READERS.get(type_.name)
    if found:
        return found
    low, high = RANGES[type_.name]
    return partial(_read_integer, low=low, high=high)


def _check_scalar(type_: Type) -> ScalarReader:
    if type_.name in NUMERIC:
        return partial(_check_number, *RANGES[type_.name])
    return _check_json if type_.name == "json" else _read_scalar(type_)


def reader(type_: Type) -> Reader:
    """Reads a value of that type as JSON gave it."""
    return _reader(type_, _read_scalar)


def checker(type_: Type) -> Reader:
    """Checks a value that a rule computed: an integer, str, bool or tuple already, but not known to be in range."""
    return _reader(type_, _check_scalar)


def _reader(type_: Type, of_scalar: Callable[[Type], ScalarReader]) -> Reader:
    """Of a list: of each of its items."""
    if type_.name == "list":
        assert type_.item is not None  # noqa: S101  # the model's invariant
        return partial(_items, of_scalar(type_.item))
    return of_scalar(type_)
