"""The functions at run time."""

from __future__ import annotations

import pytest

from engine.errors import EvaluationError
from engine.limits import MAX_POW10, MAX_RESULT_BITS, MAX_TEXT_CHARS
from engine.matching import functions
from engine.matching.functions import FUNCTIONS, OPERATORS, join_text, render


@pytest.mark.parametrize(
    ("name", "args", "result"),
    [
        ("floor_div", (7, 2), 3),
        ("floor_div", (-7, 2), -4),
        ("ceil_div", (7, 2), 4),
        ("ceil_div", (-7, 2), -3),
        ("mod", (-7, 2), 1),
        ("mod", (7, -2), -1),
        ("floor_bps", (999, 30), 2),
        ("ceil_bps", (999, 30), 3),
        ("mul_div_floor", (2**255, 3, 7), 2**255 * 3 // 7),
        ("pow10", (77,), 10**77),
        ("min", (3, -1, 2), -1),
        ("max", (3, -1, 2), 3),
        ("abs", (-3,), 3),
    ],
)
def test_the_result_of_a_function(name: str, args: tuple[int, ...], result: int) -> None:
    assert FUNCTIONS[name](*args) == result


def test_a_swap_of_a_real_pool_is_exact_to_the_last_unit() -> None:
    """74,962.5 USDC into a pool of 48 M USDC and 16,000 WETH at 30 bps; neither number fits a double."""
    paid = 74_962_500_000 * 9_970
    out = FUNCTIONS["mul_div_floor"](paid, 16_000 * 10**18, 48_000_000_000_000 * 10_000 + paid)
    assert out == 24_873_808_145_113_565_803
    assert FUNCTIONS["floor_bps"](out, 9_950) == 24_749_439_104_387_997_973


@pytest.mark.parametrize(
    ("name", "args", "code"),
    [
        ("floor_div", (1, 0), "X101"),
        ("ceil_div", (1, 0), "X101"),
        ("mod", (1, 0), "X101"),
        ("mul_div_ceil", (1, 1, 0), "X101"),
        ("mul_div_floor", (2**300, 2**300, 2**300), "X102"),
        ("pow10", (MAX_POW10 + 1,), "X103"),
        ("pow10", (-1,), "X103"),
    ],
)
def test_what_cannot_be_computed_is_an_error_with_a_code(name: str, args: tuple[int, ...], code: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        FUNCTIONS[name](*args)
    assert caught.value.code == code


@pytest.mark.parametrize("op", ["+", "*"])
def test_results_are_bounded(op: str) -> None:
    most = 2**MAX_RESULT_BITS - 1
    assert functions.bounded(most) == most
    with pytest.raises(EvaluationError, match="X102"):
        OPERATORS[op](most, 2)


def test_the_product_of_two_uint256_fits() -> None:
    most = 2**256 - 1
    assert OPERATORS["*"](most, most) == most**2


def test_values_as_they_stand_in_a_text() -> None:
    assert [render(each) for each in (-5, True, False, "a", (1, "b"), 10**80)] == [
        "-5",
        "true",
        "false",
        "a",
        "1, b",
        "1" + "0" * 80,
    ]


def test_a_text_is_bounded() -> None:
    assert join_text(["a", "b"]) == "ab"
    with pytest.raises(EvaluationError, match="X104"):
        join_text(["a"] * (MAX_TEXT_CHARS + 1))
