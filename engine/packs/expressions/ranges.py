"""What each numeric type holds. The decoders of facts hold the same table; a test keeps the two equal."""

from __future__ import annotations

from typing import Final

from engine.limits import MAX_JSON_INT, MAX_UINT256

_UNSIGNED: Final = (0, MAX_UINT256)
_JSON: Final = (0, MAX_JSON_INT)

#: Numeric type → least and largest value.
RANGES: Final[dict[str, tuple[int, int]]] = {
    "int": (-(2**255), 2**255 - 1),
    "uint256": _UNSIGNED,
    "amount": _UNSIGNED,
    "wei": _UNSIGNED,
    "quantity": _UNSIGNED,
    "bps": _JSON,
    "ppm": _JSON,
    "timestamp": _JSON,
    "duration": _JSON,
}


def range_hint(name: str) -> str:
    """The range of a type, for people."""
    low, high = RANGES[name]
    if low < 0:
        return "from -2^255 to 2^255 - 1"
    return f"{name} goes from 0 to {'2^256 - 1' if high == MAX_UINT256 else '2^53 - 1'}"
