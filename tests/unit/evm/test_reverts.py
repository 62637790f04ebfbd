from __future__ import annotations

import pytest

from connectors.evm.abi import Function
from connectors.evm.reverts import reason_of

SHORT = Function.of("TooLittle(uint256 wanted, address by)")


def data(signature: str, *values: object) -> str:
    return Function.of(signature).call_data(values)


def test_the_words_of_a_revert_are_its_reason() -> None:
    assert reason_of(data("Error(string)", "above the limit")) == {"reason": "above the limit"}


def test_a_panic_is_told_in_words() -> None:
    assert reason_of(data("Panic(uint256)", 0x11)) == {"reason": "panic 0x11: an arithmetic overflow"}


def test_an_error_of_the_contract_is_told_by_its_fields() -> None:
    by = "0x" + "AB" * 20
    told = reason_of(data("TooLittle(uint256,address)", str(2**255), by), [SHORT])
    assert told["error"] == "TooLittle"
    assert told["fields"] == {"wanted": str(2**255), "by": by.lower()}
    assert told["reason"] == f"TooLittle(wanted={2**255}, by={by.lower()})"


@pytest.mark.parametrize("known", [[], [SHORT]])
def test_an_error_that_nobody_knows_is_told_as_it_came(known: list[Function]) -> None:
    told = reason_of("0x12345678" + "00" * 32, known)
    assert told["reason"] == "reverted with 0x12345678, which no configured error has"
    assert told["data"].startswith("0x12345678")


def test_a_lie_in_an_error_of_the_contract_does_not_hide_the_revert() -> None:
    assert "reverted with" in reason_of(SHORT.selector + "00", [SHORT])["reason"]


def test_a_revert_without_words_is_said_to_be_one() -> None:
    assert reason_of("") == reason_of("0x") == {"reason": "reverted without a reason"}
