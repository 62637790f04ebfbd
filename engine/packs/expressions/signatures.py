"""The functions of the language: how many arguments they take, and how they are written."""

from __future__ import annotations

from typing import Final, NamedTuple


class Signature(NamedTuple):
    """How a function is called.

    Attributes:
        least: fewest arguments.
        most: most arguments.
        form: as in the manual; shown in hints.
    """

    least: int
    most: int
    form: str


#: Arguments of ``min`` and ``max`` are bounded by the size of an expression anyway.
_MANY: Final = 64

SIGNATURES: Final[dict[str, Signature]] = {
    "floor_div": Signature(2, 2, "floor_div(a, b)"),
    "ceil_div": Signature(2, 2, "ceil_div(a, b)"),
    "mul_div_floor": Signature(3, 3, "mul_div_floor(a, b, c): a * b / c"),
    "mul_div_ceil": Signature(3, 3, "mul_div_ceil(a, b, c): a * b / c"),
    "floor_bps": Signature(2, 2, "floor_bps(amount, rate)"),
    "ceil_bps": Signature(2, 2, "ceil_bps(amount, rate)"),
    "mod": Signature(2, 2, "mod(a, b)"),
    "pow10": Signature(1, 1, "pow10(n)"),
    "min": Signature(2, _MANY, "min(a, b, …)"),
    "max": Signature(2, _MANY, "max(a, b, …)"),
    "abs": Signature(1, 1, "abs(a)"),
    "age": Signature(1, 1, "age(alias)"),
    "has": Signature(1, 1, "has(alias.field)"),
    "default": Signature(2, 2, "default(alias.field, value)"),
    "raw": Signature(1, 1, "raw(a)"),
    "free": Signature(1, 1, "free(alias.field)"),
    "disputed": Signature(1, 1, "disputed(alias)"),
    "gwei": Signature(1, 1, "gwei(30)"),
    "ether": Signature(1, 1, "ether(1)"),
    "seconds": Signature(1, 1, "seconds(60)"),
    "minutes": Signature(1, 1, "minutes(15)"),
    "hours": Signature(1, 1, "hours(12)"),
    "days": Signature(1, 1, "days(30)"),
    "bps": Signature(1, 1, "bps(50)"),
}

#: What a coordination's ledger says; only plans have one.
LEDGER: Final[dict[str, Signature]] = {
    "delivered": Signature(2, 2, "delivered(place, asset)"),
    "received": Signature(2, 2, "received(place, asset)"),
    "holding": Signature(2, 2, "holding(place, asset)"),
    "remaining": Signature(1, 1, "remaining(asset)"),
}

#: Unit functions: the type they make, and by what they multiply.
UNITS: Final[dict[str, tuple[str, int]]] = {
    "gwei": ("wei", 10**9),
    "ether": ("wei", 10**18),
    "seconds": ("duration", 1_000),
    "minutes": ("duration", 60_000),
    "hours": ("duration", 3_600_000),
    "days": ("duration", 86_400_000),
    "bps": ("bps", 1),
}

#: Functions people try, and what does the same here.
ELSEWHERE: Final[dict[str, str]] = {
    "int": "all numbers are integers already",
    "float": "there are no floats; use bps or base units",
    "round": "name the rounding: floor_div or ceil_div",
    "sum": "bind it by a term: - sum: name",
    "len": "count facts by a term: - count: name",
    "count": "bind it by a term: - count: name",
    "any": "write a pattern",
    "all": "write without:",
    "str": "write a text with {expr} in it",
    "pow": "write pow10(n)",
    "exists": "write has(alias.field)",
    "delivered": "only plans have it",
    "received": "only plans have it",
    "holding": "only plans have it",
    "remaining": "only plans have it",
    "milliseconds": "a bare number beside a duration is milliseconds",
}
