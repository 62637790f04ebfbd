"""Why a contract said no: the words, the panic or the custom error in a revert's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from connectors.evm.abi import AbiError, Function, decode_values, told

_ERROR: Final = Function.of("Error(string reason)")
_PANIC: Final = Function.of("Panic(uint256 code)")
#: What the compilers' panics mean, https://docs.soliditylang.org/en/latest/control-structures.html#panic-via-assert
_PANICS: Final[Mapping[int, str]] = {
    0x01: "an assertion failed",
    0x11: "an arithmetic overflow",
    0x12: "a division by zero",
    0x21: "a value that the enum has not",
    0x22: "a wrongly encoded byte array in storage",
    0x31: "pop of an empty array",
    0x32: "an index out of bounds",
    0x41: "too much memory",
    0x51: "a call of a function that is not set",
}
#: ``0x`` and four bytes.
_SELECTOR_LENGTH: Final = 10
#: A reason longer than this is cut: a contract may say what it likes.
_MAX_REASON: Final = 512


def reason_of(data: str, errors: Sequence[Function] = ()) -> dict[str, Any]:
    """What revert data says, as detail for people and audit.

    Args:
        data: hex, may be empty.
        errors: the contract's own errors.

    Returns:
        ``reason``, and for the contract's own errors ``error`` (its name) and ``fields``; ``data`` if nobody knows it.
    """
    data = data.lower()
    if len(data) < _SELECTOR_LENGTH:
        return {"reason": "reverted without a reason"}
    for known in (_ERROR, _PANIC, *errors):
        if not data.startswith(known.selector):
            continue
        try:
            values = decode_values(known.inputs, data[_SELECTOR_LENGTH:])
        except AbiError:
            break
        if known is _ERROR:
            return {"reason": str(values[0])[:_MAX_REASON]}
        if known is _PANIC:
            return {"reason": f"panic {values[0]:#x}: {_PANICS.get(values[0], 'unknown')}"}
        fields = {p.name: told(value) for p, value in zip(known.inputs, values, strict=True)}
        said = ", ".join(f"{name}={value}" for name, value in fields.items())
        return {"reason": f"{known.name}({said})"[:_MAX_REASON], "error": known.name, "fields": fields}
    reason = f"reverted with {data[:_SELECTOR_LENGTH]}, which no configured error has"
    return {"reason": reason, "data": data[:_MAX_REASON]}
