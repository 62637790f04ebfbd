"""Effects: what a firing makes, evaluated before anything is applied. See *Effects* in docs/semantics.md."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence

from engine.limits import MAX_ID_BYTES, MAX_JSON_INT, MAX_LIST_ITEMS, MAX_TEXT_CHARS, MAX_UINT256
from engine.model import expr as x
from engine.model.kinds import JSON_INTEGER, NUMERIC, Kind, Type, Value
from engine.model.rules import AssertEffect, CommandEffect, ConcludeEffect, Effect, RetractEffect
from tests.support.reference.evaluate import EvaluationFailedError, Scope, evaluate, number
from tests.support.reference.ids import canonical, command_id
from tests.support.reference.records import CommandMade, EffectMade, FactAsserted, FactConcluded, FactRetracted

#: What numbers of a type may be; all others are unsigned, of 256 bits.
RANGES = {
    "int": (-(2**255), 2**255 - 1),
    **dict.fromkeys(("bps", "ppm", "timestamp", "duration"), (0, MAX_JSON_INT)),
}


def evaluate_effects(
    effects: Sequence[Effect], scope: Scope, activation: str, attempt: int, base: int = 0
) -> list[EffectMade]:
    """All effects of one firing, numbered from ``base``.

    Raises:
        EvaluationFailedError: one of them failed, so there are none.
    """
    made: list[EffectMade] = []
    for index, effect in enumerate(effects, base):
        match effect:
            case CommandEffect():
                args = canonical({name: json_value(e, scope) for name, e in effect.args})
                expires = None if effect.expires is None else number(effect.expires, scope)
                which = command_id(activation, index, attempt)
                made.append(CommandMade(which, effect.connector, effect.verb, args, expires))
            case AssertEffect():
                made.append(FactAsserted(effect.kind.name, fact_values(effect.kind, effect.values, scope)))
            case ConcludeEffect():
                made.append(FactConcluded(effect.kind.name, fact_values(effect.kind, effect.values, scope)))
            case RetractEffect():
                types = [effect.kind.field(name).type for name in effect.kind.key]
                key = tuple(fit(t, evaluate(e, scope)) for t, e in zip(types, effect.key, strict=True))
                made.append(FactRetracted(effect.kind.name, key))
    return made


def fact_values(kind: Kind, given: Sequence[tuple[str, x.Expr]], scope: Scope) -> tuple[Value, ...]:
    """Every field of a fact: the value given, or the default, or absent."""
    named = dict(given)
    return tuple(fit(f.type, evaluate(named[f.name], scope)) if f.name in named else f.default for f in kind.fields)


def fit(t: Type, value: Value) -> Value:
    """A value as a field of that type keeps it.

    Raises:
        EvaluationFailedError: it cannot be one.
    """
    if t.name in NUMERIC:
        assert isinstance(value, int), value
        least, most = RANGES.get(t.name, (0, MAX_UINT256))
        return value if least <= value <= most else failure(f"{value} is no {t}")
    if t.name == "list":
        assert isinstance(value, tuple), value
        assert t.item is not None
        if len(value) > MAX_LIST_ITEMS:
            return failure("too many items")
        return tuple(item for item in (fit(t.item, v) for v in value) if isinstance(item, int | str))
    if t.name == "bool":
        return value
    assert isinstance(value, str), value
    if t.name in ("hash", "address"):
        return value.lower()
    if t.name == "enum" and value not in t.options:
        return failure(f"{value} is no {t}")
    if t.name == "id":
        value = unicodedata.normalize("NFC", value)
        return value if len(value.encode()) <= MAX_ID_BYTES else failure("the id is too long")
    return value if len(value) <= MAX_TEXT_CHARS else failure("the text is too long")


def failure(why: str) -> Value:
    """Never returns; its type lets it stand where a value is wanted."""
    raise EvaluationFailedError(why)


def json_value(e: x.Expr, scope: Scope) -> object:
    """An argument of a command, as it leaves."""
    match e:
        case x.MapOf():
            return {name: json_value(item, scope) for name, item in e.items}
        case x.ListOf():
            return [json_value(item, scope) for item in e.items]
    return json_of(e.type, evaluate(e, scope))


def json_of(t: Type, value: Value) -> object:
    """A value of a type as JSON: most numbers as decimal strings."""
    if t.name in NUMERIC:
        assert isinstance(value, int), value
        return value if t.name in JSON_INTEGER and abs(value) <= MAX_JSON_INT else str(value)
    if t.name == "list":
        assert isinstance(value, tuple), value
        assert t.item is not None
        return [json_of(t.item, v) for v in value]
    if t.name == "json":
        assert isinstance(value, str), value
        return json.loads(value)
    return value
