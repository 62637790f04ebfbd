"""What one answer says: the facts that its mapping makes of it, exactly, or that it does not fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from connectors.poll.exact import AnswerError, Json
from connectors.poll.mapping import ApiMapping, FactRule
from connectors.poll.query import is_fraction
from engine.limits import MAX_DATA_BYTES

#: Facts of one answer; one write of the notebook takes 500.
MAX_FACTS: Final = 400


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact as it is told, but for when it was seen."""

    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer says.

    Attributes:
        facts: in the order of the items, and of the mapping's facts.
        is_final: the subject need not be asked any more.
    """

    facts: tuple[Fact, ...]
    is_final: bool


def tell(mapping: ApiMapping, subject: Mapping[str, str], status: int, answer: Json) -> Told:
    """Reads an answer by its mapping; all of it, or nothing.

    Args:
        mapping: the API's.
        subject: whom it was asked about.
        status: of HTTP.
        answer: its JSON; null where a status that may come without any did.

    Raises:
        AnswerError: it is not what the mapping expects (C181), an expression cannot be evaluated on it (C182), a value
            cannot be told (C183), or it has too many facts (C185).
    """
    scope: dict[str, Json] = {"answer": answer, "status": status, "subject": dict(subject)}
    if mapping.expect is not None and not mapping.expect.holds(scope):
        hint = "is the URL right, and has the API changed? See what it answers with curl"
        raise AnswerError("C181", "the answer is not what the mapping expects", hint)
    items = [answer] if mapping.items is None else mapping.items.read(scope)
    if not isinstance(items, list):
        raise AnswerError("C181", f"`items` is {_kind_of(items)}, not a list", "write `items` so that it is always one")
    facts: list[Fact] = []
    for index, item in enumerate(items):
        each = scope | {"item": item, "index": index}
        facts += [_fact(rule, each) for rule in mapping.facts if rule.when is None or rule.when.holds(each)]
        if len(facts) > MAX_FACTS:
            raise AnswerError("C185", f"more than {MAX_FACTS} facts in one answer", "ask for less, or map less of it")
    is_final = mapping.finished is not None and mapping.finished.holds(scope | {"items": items})
    return Told(tuple(facts), is_final)


def _fact(rule: FactRule, scope: Mapping[str, Json]) -> Fact:
    data = {}
    for field in rule.fields:
        place = f"{rule.kind}.{field.name}"
        value = _plain(field.read(scope), place)
        if value is not None:
            data[field.name] = value
        elif not field.is_optional:
            raise AnswerError("C183", f"{place} is null", f"write `{field.name}?` if it may be absent")
    if len(json.dumps(data, ensure_ascii=False).encode()) > MAX_DATA_BYTES:
        raise AnswerError("C183", f"{rule.kind}: larger than {MAX_DATA_BYTES} bytes", "map less of it")
    return Fact(rule.kind, data)


def _plain(value: Json, place: str) -> Any:  # noqa: ANN401 - JSON
    """As a fact's data carries it: integers as decimal texts, at any depth, and nothing that is not exact."""
    if value is None or isinstance(value, bool):
        return value
    if is_fraction(value):
        hint = "facts hold integers: units(…, `6`) counts it in units of 10^-6, exactly; `as: text` tells it as it is"
        raise AnswerError("C183", f"{place} is {value}, a number with decimals or an exponent", hint)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        if not _is_unicode(value):
            raise AnswerError("C183", f"{place} holds half of a character", "the API sends a broken text")
        return value
    if isinstance(value, dict):
        return {str(_plain(name, place)): _plain(each, place) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, place) for each in value]
    raise AnswerError("C183", f"{place} is {_kind_of(value)}, which cannot be told")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind_of(value: Json) -> str:
    return "null" if value is None else {"dict": "an object", "str": "a text"}.get(type(value).__name__, "a number")
