"""The functions of the expression language, exact on Python's integers.

``floor`` means towards minus infinity and ``ceil`` towards plus infinity, whatever the signs: ``floor_div(-7, 2)`` is
-4 and ``ceil_div(-7, 2)`` is -3. ``mod(a, b)`` is what ``floor_div`` leaves: ``b * floor_div(a, b) + mod(a, b) == a``,
and the result has the sign of ``b``.

Codes of ``EvaluationError``: X101 division by zero, X102 a result beyond ``MAX_RESULT_BITS``, X103 an exponent of
``pow10`` outside 0 … ``MAX_POW10``, X104 a text beyond ``MAX_TEXT_CHARS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from engine.errors import EvaluationError
from engine.limits import MAX_POW10, MAX_RESULT_BITS, MAX_TEXT_CHARS
from engine.model.kinds import Value

BPS_ONE: Final = 10_000


def bounded(number: int) -> int:
    """The number itself.

    Raises:
        EvaluationError: X102, more than ``MAX_RESULT_BITS`` bits.
    """
    if number.bit_length() > MAX_RESULT_BITS:
        raise EvaluationError(
            "X102", f"a result of {number.bit_length()} bits", f"results have at most {MAX_RESULT_BITS} bits"
        )
    return number


def add(left: int, right: int) -> int:
    """``left + right``; X102."""
    return bounded(left + right)


def subtract(left: int, right: int) -> int:
    """``left - right``; X102."""
    return bounded(left - right)


def multiply(left: int, right: int) -> int:
    """``left * right``; X102."""
    return bounded(left * right)


def negate(number: int) -> int:
    """``-number``."""
    return -number


def floor_div(dividend: int, divisor: int) -> int:
    """The largest integer not above the quotient; X101."""
    return bounded(dividend // _nonzero(divisor))


def ceil_div(dividend: int, divisor: int) -> int:
    """The smallest integer not below the quotient; X101."""
    return bounded(-(-dividend // _nonzero(divisor)))


def mul_div_floor(one: int, other: int, divisor: int) -> int:
    """``one * other / divisor``, rounded down once, at the end; X101, X102 (the product counts)."""
    return floor_div(multiply(one, other), divisor)


def mul_div_ceil(one: int, other: int, divisor: int) -> int:
    """``one * other / divisor``, rounded up once, at the end; X101, X102 (the product counts)."""
    return ceil_div(multiply(one, other), divisor)


def floor_bps(amount: int, rate_bps: int) -> int:
    """``rate_bps`` ten-thousandths of the amount, rounded down; X102."""
    return mul_div_floor(amount, rate_bps, BPS_ONE)


def ceil_bps(amount: int, rate_bps: int) -> int:
    """``rate_bps`` ten-thousandths of the amount, rounded up; X102."""
    return mul_div_ceil(amount, rate_bps, BPS_ONE)


def mod(dividend: int, divisor: int) -> int:
    """What ``floor_div`` leaves; has the divisor's sign; X101."""
    return dividend % _nonzero(divisor)


def pow10(exponent: int) -> int:
    """Ten to the power of ``exponent``; X103."""
    if not 0 <= exponent <= MAX_POW10:
        raise EvaluationError("X103", f"pow10({exponent})", f"the exponent lies in 0 … {MAX_POW10}")
    return int(10**exponent)


def smallest(*numbers: int) -> int:
    """The least of them."""
    return min(numbers)


def largest(*numbers: int) -> int:
    """The greatest of them."""
    return max(numbers)


def magnitude(number: int) -> int:
    """The number without its sign."""
    return abs(number)


def _nonzero(divisor: int) -> int:
    if divisor == 0:
        raise EvaluationError("X101", "division by zero", "guard it: check the divisor first, or read max(x, 1)")
    return divisor


#: What ``Call`` nodes name.
FUNCTIONS: Final[dict[str, Callable[..., int]]] = {
    "floor_div": floor_div,
    "ceil_div": ceil_div,
    "mul_div_floor": mul_div_floor,
    "mul_div_ceil": mul_div_ceil,
    "floor_bps": floor_bps,
    "ceil_bps": ceil_bps,
    "mod": mod,
    "pow10": pow10,
    "min": smallest,
    "max": largest,
    "abs": magnitude,
}

#: What ``Arith`` nodes name.
OPERATORS: Final[dict[str, Callable[[int, int], int]]] = {"+": add, "-": subtract, "*": multiply}


def render(value: Value) -> str:
    """A value as it stands in a text: integers in plain decimal, ``true`` or ``false``, lists comma-separated.

    An absent value is the empty text; the checker lets none get here.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(map(render, value))
    return str(value)


def join_text(parts: Iterable[str]) -> str:
    """The parts of a template as one text.

    Raises:
        EvaluationError: X104, more than ``MAX_TEXT_CHARS`` characters.
    """
    text = "".join(parts)
    if len(text) > MAX_TEXT_CHARS:
        raise EvaluationError("X104", f"a text of {len(text)} characters", f"texts have at most {MAX_TEXT_CHARS}")
    return text
