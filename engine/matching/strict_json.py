"""JSON as facts need it: exact integers, every key once, bounded, and a message that says where it went wrong.

The standard library's C scanner does the work; its hooks and a few checks at C speed make it strict. It is used instead
of a faster parser because those turn integers above 64 bits into floats and keep the last of two equal keys, which
would lose money silently.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from json import JSONDecodeError, JSONDecoder, JSONEncoder
from json.scanner import make_scanner
from typing import Any, Final, NoReturn

from engine.errors import FactRejectedError
from engine.limits import MAX_DATA_BYTES, MAX_DATA_DEPTH, MAX_DIGITS

#: A parsed JSON object; its values are str, int, bool, None, list or dict, never float.
JsonObject = dict[str, Any]
_Scan = Callable[[str, int], tuple[Any, int]]

_SPACE: Final = " \t\n\r"
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_NESTING: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)
_NUMBERS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|-?[0-9][0-9.eE+-]*|-?Infinity|NaN', re.DOTALL)
_VALUE_STARTS: Final = frozenset('["-0123456789tfn')
_SHOWN_CHARS: Final = 80


class _BadNumberError(ValueError):
    """A number that must not be read; carries it as written, for the scanner's caller to locate."""


class _DuplicateKeyError(ValueError):
    """A key that stands twice in one object."""


def _refuse_number(numeral: str) -> NoReturn:
    raise _BadNumberError(numeral)


def _bounded_int(numeral: str) -> int:
    if len(numeral) > MAX_DIGITS:  # int() takes time quadratic in the digits
        raise _BadNumberError(numeral)
    return int(numeral)


def _once_each(pairs: list[tuple[str, Any]]) -> JsonObject:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        raise _DuplicateKeyError(next(name for i, name in enumerate(names) if name in names[:i]))
    return made


def _scanner(parse_int: Callable[[str], int]) -> _Scan:
    decoder = JSONDecoder(
        parse_float=_refuse_number,
        parse_int=parse_int,
        parse_constant=_refuse_number,
        object_pairs_hook=_once_each,
    )
    scan: _Scan = make_scanner(decoder)  # type: ignore[arg-type]  # it takes any object with the hooks
    return scan


#: ``int`` itself is called by the scanner without leaving C; the interpreter bounds it to 4,300 digits.
_scan_fast: Final = _scanner(int)
_scan_bounded: Final = _scanner(_bounded_int)

_canonical_encoder: Final = JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)


def canonical(value: object) -> str:
    """JSON text with sorted keys and no spaces: equal values give equal text."""
    return _canonical_encoder.encode(value)


def shown(value: object) -> str:
    """A value as its sender wrote it, cut to a bound, for messages."""
    try:
        text = _canonical_encoder.encode(value)
    except (TypeError, ValueError):
        text = repr(value)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}… ({len(text)} characters)"


def parse_object(data: bytes) -> JsonObject:
    """One JSON object, strictly.

    Args:
        data: UTF-8 text of at most ``MAX_DATA_BYTES`` bytes, nested at most ``MAX_DATA_DEPTH`` deep.

    Returns:
        The object; its integers have at most ``MAX_DIGITS`` digits.

    Raises:
        FactRejectedError: F201 to F209, see ``docs/facts.md``.
    """
    return parse_fields(data, _scan_bounded)


def parse_fields(data: bytes, scan: _Scan = _scan_fast) -> JsonObject:
    """``parse_object`` for callers that check the range of each integer themselves; a fifth faster.

    Raises:
        FactRejectedError: F201 to F209, see ``docs/facts.md``.
    """
    if len(data) > MAX_DATA_BYTES:
        raise FactRejectedError(
            "F208",
            f"data has {len(data)} bytes, at most {MAX_DATA_BYTES} are taken",
            "send a reference to the large part instead",
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise FactRejectedError("F201", f"data is not UTF-8 at byte {error.start}", "encode JSON as UTF-8") from None
    start = 0
    if text[:1] != "{":
        start = _start_of_object(text)
    if "[" in text or text.find("{", start + 1) > 0:
        _check_depth(text)
    try:
        made, end = scan(text, start)
    except (ValueError, StopIteration, RecursionError) as error:
        _explain(text, error)
    if end != len(text) and text[end:].strip(_SPACE):
        raise FactRejectedError(
            "F202",
            f"something follows the JSON object at character {end}: {shown(text[end : end + 40])}",
            "send exactly one object",
        )
    if "\\" in text and _SURROGATE.search(text):
        _check_surrogates(made)
    result: JsonObject = made
    return result


def parse_value(text: str) -> object:
    """Any JSON value from text that may already have lost its surrounding object; same strictness and codes."""
    wrapped: JsonObject = parse_fields(b'{"value":' + text.encode("utf-8", "surrogatepass") + b"}", _scan_bounded)
    if len(wrapped) != 1:
        raise FactRejectedError("F202", f"not one JSON value: {shown(text)}", "send exactly one value")
    return wrapped["value"]


def _start_of_object(text: str) -> int:
    """Where the object begins; all that does not begin with ``{`` comes here, so that the common case pays nothing."""
    if text.startswith("\ufeff"):
        raise FactRejectedError("F201", "data begins with a byte order mark", "send UTF-8 without it")
    body = text.lstrip(_SPACE)
    if body.startswith("{"):
        return len(text) - len(body)
    if body[:1] in _VALUE_STARTS:
        raise FactRejectedError(
            "F203", f"data is not a JSON object but {shown(body[:40])}", 'send the fields as {"name": value, …}'
        )
    what = f"at character {len(text) - len(body)}: {shown(body[:40])}" if body else "it is empty"
    raise FactRejectedError("F202", f"data is not JSON, {what}", 'send the fields as {"name": value, …}')


def _check_depth(text: str) -> None:
    """Refuses deep nesting before the recursive scanner sees it."""
    if text.count("{") + text.count("[") <= MAX_DATA_DEPTH:
        return
    depth = 0
    for token in _NESTING.finditer(text):
        mark = token.group()
        if mark in "{[":
            depth += 1
            if depth > MAX_DATA_DEPTH:
                raise FactRejectedError(
                    "F207",
                    f"data is nested deeper than {MAX_DATA_DEPTH} levels at character {token.start()}",
                    "flatten it, or send the inner part as text",
                )
        elif mark in "}]":
            depth -= 1


def _check_surrogates(made: JsonObject) -> None:
    for name, value in made.items():
        try:
            canonical({name: value}).encode()
        except UnicodeEncodeError:
            raise FactRejectedError(
                "F209",
                f"half of a surrogate pair in {shown(name)}: {shown(value)}",
                "write both halves, or the character itself in UTF-8",
            ) from None


def _locate(text: str, numeral: str) -> str:
    for token in _NUMBERS.finditer(text):
        if token.group() == numeral:
            return f"at character {token.start()}"
    return "in data"


def _explain(text: str, error: BaseException) -> NoReturn:
    """Translates what the scanner said into a rejection with a place and a remedy."""
    if isinstance(error, _DuplicateKeyError):
        raise FactRejectedError(
            "F204", f"the key {shown(error.args[0])} stands twice in one object", "send each key once"
        ) from None
    if isinstance(error, _BadNumberError):
        _explain_number(text, error.args[0])
    if isinstance(error, JSONDecodeError):
        rest = shown(text[error.pos : error.pos + 40])
        raise FactRejectedError(
            "F202",
            f"data is not JSON: {error.msg.removesuffix(' at')}, at character {error.pos}: {rest}",
            "names and text in double quotes, no comma after the last value, no comments",
        ) from None
    if isinstance(error, StopIteration):
        at = int(error.value)
        raise FactRejectedError(
            "F202",
            f"data is not JSON: a value is missing at character {at}: {shown(text[at : at + 40])}",
            "write text, an integer, true, false, null, a list or an object there",
        ) from None
    if isinstance(error, RecursionError):
        raise FactRejectedError("F207", f"data is nested deeper than {MAX_DATA_DEPTH} levels", "flatten it") from None
    raise FactRejectedError(
        "F206", f"an integer in data has more than {MAX_DIGITS} digits", "no number here needs that many"
    ) from None


def _explain_number(text: str, numeral: str) -> NoReturn:
    where = _locate(text, numeral)
    if numeral.lstrip("-").isdigit():
        raise FactRejectedError(
            "F206",
            f"an integer of {len(numeral)} digits {where}, at most {MAX_DIGITS} are taken",
            "no number here needs that many",
        ) from None
    if numeral in ("NaN", "Infinity", "-Infinity"):
        raise FactRejectedError(
            "F205", f"{numeral} {where} is not a number", "leave the field out when there is no value"
        ) from None
    raise FactRejectedError(
        "F205",
        f"the number {shown(numeral)} {where} has a fraction or an exponent",
        'send an integer in base units as a decimal string, e.g. "1500000"',
    ) from None
