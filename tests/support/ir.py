"""Short words for building a rule base by hand: ``where(ref(i, "n"), "<", 3)`` instead of trees of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict, Unpack

from engine.model import expr as x
from engine.model.kinds import ENGINE_KINDS, Field, Kind, Type, Value
from engine.model.rules import (
    Aggregate,
    AssertEffect,
    CommandEffect,
    ConcludeEffect,
    Once,
    Pattern,
    Pick,
    Repeat,
    RetractEffect,
    Rule,
    RuleBase,
    Schedule,
    Span,
    Term,
    Throttle,
    Without,
)

SPAN = Span("made.yaml", 1, 1)
INT = Type("int")
BOOL = Type("bool")
TEXT = Type("text")
TIMESTAMP = Type("timestamp")


class KindOptions(TypedDict, total=False):
    """What else a kind may be given."""

    order: tuple[str, ...]
    per_source: bool
    ttl_ms: int | None
    permanent: bool
    limit: int | None
    chain_network: str
    chain_block: str
    event: bool
    concluded: bool


def kind(name: str, key: str, spec: str, **options: Unpack[KindOptions]) -> Kind:
    """``kind("net", "id", "id:id height:int fee:wei?", ttl_ms=30_000)``; enums as ``state:open|closed``."""
    fields = []
    for word in spec.split():
        field_name, _, written = word.partition(":")
        type_name = written.rstrip("?")
        t = Type("enum", options=tuple(type_name.split("|"))) if "|" in type_name else Type(type_name)
        fields.append(Field(field_name, t, written.endswith("?")))
    return Kind(name, tuple(fields), tuple(key.split()), **options)


def const(value: Value) -> x.Const:
    """A literal, typed by what it is."""
    if isinstance(value, bool):
        return x.Const(value, BOOL)
    return x.Const(value, INT if isinstance(value, int) else TEXT)


def as_expr(value: x.Expr | Value) -> x.Expr:
    """An expression as it is, a value as a literal."""
    return const(value) if value is None or isinstance(value, int | str | tuple) else value


def ref(k: Kind, alias: str, field: str) -> x.FieldRef:
    """``alias.field``."""
    f = k.field(field)
    return x.FieldRef(alias, field, k.positions[field], f.type, f.optional)


def local(name: str) -> x.Local:
    """A number bound by an aggregate, a value bound by ``let``, or ``attempt``."""
    return x.Local(name, INT)


def cmp(left: x.Expr | Value, op: str, right: x.Expr | Value) -> x.Compare:
    """``left op right``."""
    return x.Compare(op, as_expr(left), as_expr(right), BOOL)


def time_test(op: str, bound: x.Expr | Value) -> x.TimeTest:
    """``now op bound``."""
    return x.TimeTest(op, as_expr(bound), BOOL)


def arith(left: x.Expr | Value, op: str, right: x.Expr | Value) -> x.Arith:
    """``left op right`` as a number."""
    return x.Arith(op, as_expr(left), as_expr(right), INT)


class PatternOptions(TypedDict, total=False):
    """What else a pattern may be given."""

    fresh_ms: int | None
    quorum: int | None


def pattern(k: Kind, alias: str, *where: x.Expr, **options: Unpack[PatternOptions]) -> Pattern:
    """``- kind: alias``."""
    return Pattern(alias, k, where, SPAN, **options)


def latest(k: Kind, alias: str, *where: x.Expr, fresh_ms: int | None = None) -> Pick:
    """``- latest: alias``."""
    return Pick(alias, k, where, SPAN, None, fresh_ms)


def best(k: Kind, alias: str, by: x.Expr, *where: x.Expr, fresh_ms: int | None = None) -> Pick:
    """``- best: alias``."""
    return Pick(alias, k, where, SPAN, by, fresh_ms)


def without(k: Kind, alias: str, *where: x.Expr, fresh_ms: int | None = None) -> Without:
    """``- without: kind``."""
    return Without(alias, k, where, SPAN, fresh_ms)


def aggregate(function: str, name: str, of: x.Expr | None, k: Kind, alias: str, *where: x.Expr) -> Aggregate:
    """``- sum: name``."""
    return Aggregate(name, function, of, alias, k, where, SPAN)


def command(verb: str, expires: x.Expr | None = None, **args: x.Expr | Value) -> CommandEffect:
    """``- command: test.verb``."""
    return CommandEffect("test", verb, tuple((n, as_expr(e)) for n, e in args.items()), SPAN, expires)


def asserts(k: Kind, **values: x.Expr | Value) -> AssertEffect:
    """``- assert: kind``."""
    return AssertEffect(k, tuple((n, as_expr(e)) for n, e in values.items()), SPAN)


def retracts(k: Kind, *key: x.Expr | Value) -> RetractEffect:
    """``- retract: kind``."""
    return RetractEffect(k, tuple(as_expr(e) for e in key), SPAN)


def concludes(k: Kind, **values: x.Expr | Value) -> ConcludeEffect:
    """``- conclude: kind``."""
    return ConcludeEffect(k, tuple((n, as_expr(e)) for n, e in values.items()), SPAN)


class RuleOptions(TypedDict, total=False):
    """What else a rule may be given."""

    for_ms: int
    per: x.Expr | None
    window: str | None
    once: Once | None
    throttle: Throttle | None
    repeat: Repeat | None
    exhausted: tuple[CommandEffect | AssertEffect | RetractEffect | ConcludeEffect, ...]
    priority: x.Expr | None
    ended: tuple[CommandEffect | AssertEffect | RetractEffect | ConcludeEffect, ...]
    is_live: bool


def rule(
    name: str,
    terms: Sequence[Term],
    then: Sequence[CommandEffect | AssertEffect | RetractEffect | ConcludeEffect],
    **options: Unpack[RuleOptions],
) -> Rule:
    """A rule of pack ``p``."""
    return Rule(f"p.{name}", tuple(terms), tuple(then), SPAN, **options)


def rule_base(*rules: Rule, kinds: Sequence[Kind], schedules: Sequence[Schedule] = ()) -> RuleBase:
    """A rule base of these, and the engine's own kinds."""
    return RuleBase(
        revision="0" * 16,
        kinds={**ENGINE_KINDS, **{k.name: k for k in kinds}},
        rules=tuple(sorted(rules, key=lambda r: r.name)),
        schedules=tuple(sorted(schedules, key=lambda s: s.name)),
        packs={"p": 1},
    )
