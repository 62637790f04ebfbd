"""Typed expressions: what the checker makes of expression text and what the matcher compiles.

Trees are frozen and already type- and unit-checked. Every node has a ``type``. Time terms in conditions are
normalised to ``TimeTest`` so that each changes at most once, at a known instant.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.kinds import Type, Value


@dataclass(frozen=True, slots=True)
class Const:
    """A literal (its unit already applied: ``30 gwei`` is 30_000_000_000)."""

    value: Value
    type: Type


@dataclass(frozen=True, slots=True)
class Param:
    """``params.name`` with the value in force."""

    name: str
    value: Value
    type: Type


@dataclass(frozen=True, slots=True)
class FieldRef:
    """``alias.field`` of a fact bound by a pattern, ``latest``, ``best``, ``without`` or an aggregate.

    Reading an absent optional field outside ``Default``/``Has`` raises at run time (the checker prevents it).
    """

    alias: str
    field: str
    position: int
    type: Type
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Local:
    """A number bound by ``sum count min max`` or a value bound by ``let``; also ``attempt`` in effects."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Now:
    """The time of the decision, in a value (never inside a condition; there it is a TimeTest)."""

    type: Type


@dataclass(frozen=True, slots=True)
class Age:
    """``age(alias)`` as a value: now - observed_at of the bound claim, in ms."""

    alias: str
    type: Type


@dataclass(frozen=True, slots=True)
class ObservedAt:
    """When the bound claim was observed, unix ms; made by normalising ``age(x) OP e``."""

    alias: str
    type: Type


@dataclass(frozen=True, slots=True)
class TimeTest:
    """``now OP bound`` with OP in ``< <= > >=``; ``bound`` is free of now, in ms."""

    op: str
    bound: Expr
    type: Type


@dataclass(frozen=True, slots=True)
class Unary:
    """``-x`` or ``not x`` (op is ``-`` or ``not``)."""

    op: str
    operand: Expr
    type: Type


@dataclass(frozen=True, slots=True)
class Arith:
    """``left OP right`` with OP in ``+ - *`` on integers."""

    op: str
    left: Expr
    right: Expr
    type: Type


@dataclass(frozen=True, slots=True)
class Compare:
    """``left OP right`` with OP in ``== != < <= > >=``; a chain ``a < b < c`` is an ``and`` of two."""

    op: str
    left: Expr
    right: Expr
    type: Type


@dataclass(frozen=True, slots=True)
class In:
    """``item in [a, b]``: one or more options, or exactly one of list type. ``not in`` is a Unary ``not`` around it."""

    item: Expr
    options: tuple[Expr, ...]
    type: Type


@dataclass(frozen=True, slots=True)
class BoolOp:
    """``and`` / ``or`` of two or more, short-circuiting from the left."""

    op: str
    items: tuple[Expr, ...]
    type: Type


@dataclass(frozen=True, slots=True)
class IfElse:
    """``then if condition else otherwise``."""

    condition: Expr
    then: Expr
    otherwise: Expr
    type: Type


@dataclass(frozen=True, slots=True)
class Call:
    """A function of values.

    ``name`` is one of: floor_div ceil_div mul_div_floor mul_div_ceil floor_bps ceil_bps mod pow10 min max abs. Units
    (``gwei(3)``, ``seconds(60)``) are unfolded to Const or Arith by the checker, and ``raw(x)`` to x with type int.
    """

    name: str
    args: tuple[Expr, ...]
    type: Type


@dataclass(frozen=True, slots=True)
class Has:
    """``has(alias.field)``: the optional field is present."""

    ref: FieldRef
    type: Type


@dataclass(frozen=True, slots=True)
class Default:
    """``default(alias.field, otherwise)``."""

    ref: FieldRef
    otherwise: Expr
    type: Type


@dataclass(frozen=True, slots=True)
class Free:
    """``free(alias.field)``: the reported amount less living reservations on that fact; may be negative."""

    ref: FieldRef
    type: Type


@dataclass(frozen=True, slots=True)
class Disputed:
    """``disputed(alias)``: claims of equal order on that key differ."""

    alias: str
    type: Type


@dataclass(frozen=True, slots=True)
class LedgerRead:
    """In plans: ``delivered(place, asset)``, ``received``, ``holding``, ``remaining(asset)`` of this coordination."""

    name: str
    args: tuple[Expr, ...]
    type: Type


@dataclass(frozen=True, slots=True)
class Template:
    """Text with ``{expr}`` in it: literal strings and expressions in turn."""

    parts: tuple[str | Expr, ...]
    type: Type


@dataclass(frozen=True, slots=True)
class ListOf:
    """A YAML list in a command's arguments or a ``list(T)`` field."""

    items: tuple[Expr, ...]
    type: Type


@dataclass(frozen=True, slots=True)
class MapOf:
    """A YAML mapping in a command's arguments."""

    items: tuple[tuple[str, Expr], ...]
    type: Type


Expr = (
    Const
    | Param
    | FieldRef
    | Local
    | Now
    | Age
    | ObservedAt
    | TimeTest
    | Unary
    | Arith
    | Compare
    | In
    | BoolOp
    | IfElse
    | Call
    | Has
    | Default
    | Free
    | Disputed
    | LedgerRead
    | Template
    | ListOf
    | MapOf
)
