"""JSON as APIs send it, read without rounding anything: bounded, strict, and no float in it."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn, TypeAlias

from engine.errors import LockstepError, Retry

Json: TypeAlias = Any
#: Digits of an integer in an answer. Amounts have at most 78; more is noise, or an attempt to keep the daemon busy.
_MAX_DIGITS: Final = 1_000
#: Levels of an answer.
_MAX_DEPTH: Final = 64


class AnswerError(LockstepError):
    """An answer cannot be read, or does not fit its mapping: it says nothing (codes C180 and up)."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(code, message, hint, Retry.LATER)


class Fraction(str):
    """A JSON number that is no integer, as its characters: what it is worth is for the mapping to say."""

    __slots__ = ()


def read_json(body: bytes) -> Json:
    """The document; integers of any size as they are, other numbers as ``Fraction``.

    Raises:
        AnswerError: it is no JSON (C180): also NaN, duplicate keys, and more depth or digits than anything real has.
    """
    try:
        document = json.loads(
            body.decode("utf-8"),
            parse_float=Fraction,
            parse_int=_integer,
            parse_constant=_no_constant,
            object_pairs_hook=_object,
        )
    except RecursionError as error:
        raise _unreadable("it is too deep") from error
    except ValueError as error:
        raise _unreadable(str(error)) from error
    _check_depth(document)
    return document


def _unreadable(why: str) -> AnswerError:
    return AnswerError("C180", f"the answer is no JSON: {why[:200]}", "see what the URL answers with curl")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key '{twice[:60]}' stands twice in one object")
    return found


def _check_depth(document: Json) -> None:
    level = [document]
    for _ in range(_MAX_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return
    raise _unreadable("it is too deep")


def _inside(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
