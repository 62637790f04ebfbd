"""What contracts mean: signatures, arguments, events. The only module that imports eth_abi and eth_utils.

Values are integers, texts, bools and lists; addresses and bytes are lower-case hex, never anything with a fraction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from eth_abi.abi import decode as _decode
from eth_abi.abi import encode as _encode
from eth_abi.exceptions import DecodingError, EncodingError, ParseError
from eth_abi.grammar import normalize, parse
from eth_utils.abi import function_signature_to_4byte_selector
from eth_utils.address import is_checksum_address, to_checksum_address
from eth_utils.crypto import keccak

from connectors.evm.signature import Parameter, parse_signature

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,77})|0x[0-9a-fA-F]{1,64}")
_BYTES: Final = re.compile(r"0x([0-9a-fA-F]{2})*")
#: Characters of a text, and items of a list, that are told of what a contract says.
_MAX_TOLD: Final = 1_024
_MAX_LISTED: Final = 64
#: Whatever a parameter's type makes of it: an integer, a bool, a text, or lists and mappings of such.
Value: TypeAlias = Any


class AbiError(Exception):
    """A signature, or a value for it, is wrong; or a contract answered what it does not say."""


@dataclass(frozen=True, slots=True)
class Event:
    """One contract event.

    Attributes:
        name: of the event.
        topic: the first topic of its logs, ``0x…``.
        parameters: in order, as declared.
    """

    name: str
    topic: str
    parameters: tuple[Parameter, ...]

    @classmethod
    def of(cls, text: str) -> Event:
        """From ``Transfer(address indexed from, address indexed to, uint256 value)``, with or without ``event``.

        Raises:
            AbiError: it is no such signature, or names a type that does not exist.
        """
        name, parameters = _signature(text, "event")
        signature = f"{name}({','.join(p.type for p in parameters)})"
        if sum(p.indexed for p in parameters) > 3:
            raise AbiError(f"'{text}' has more than three indexed parameters")
        return cls(name, "0x" + keccak(text=signature).hex(), parameters)

    def decode(self, topics: Sequence[str], data: str) -> dict[str, Any]:
        """The arguments by name; indexed ones of dynamic type are their hash.

        Raises:
            AbiError: the log does not fit (another contract's event with the same signature, say).
        """
        indexed = [p for p in self.parameters if p.indexed]
        if len(topics) != len(indexed) + 1 or topics[0].lower() != self.topic:
            raise AbiError(f"a log with {len(topics)} topics is no {self.name}")
        values: dict[str, Any] = {}
        for parameter, topic in zip(indexed, topics[1:], strict=True):
            if parameter.is_word:
                values[parameter.name] = decode_values([parameter], topic)[0]
            else:
                values[parameter.name] = topic.lower()
        plain = [p for p in self.parameters if not p.indexed]
        for parameter, value in zip(plain, decode_values(plain, data), strict=True):
            values[parameter.name] = value
        return {p.name: values[p.name] for p in self.parameters}

    def topic_of(self, name: str, value: str) -> str:
        """The topic that an indexed parameter has when it equals a value (given as text).

        Raises:
            AbiError: no such indexed parameter, or the value is none of its type.
        """
        for parameter in self.parameters:
            if parameter.name == name and parameter.indexed and parameter.is_word:
                return "0x" + encode_values([parameter], [value]).hex()
        raise AbiError(f"event {self.name} has no indexed parameter '{name}' of a plain type")


@dataclass(frozen=True, slots=True)
class Function:
    """One contract function.

    Attributes:
        name: of the function.
        inputs, outputs: its parameters in order; outputs may be none.
    """

    name: str
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...] = ()

    @classmethod
    def of(cls, text: str) -> Function:
        """From ``balanceOf(address) returns (uint256)``, with or without ``function``.

        Raises:
            AbiError: it is no such signature, or names a type that does not exist.
        """
        head, separator, tail = text.partition(" returns ")
        name, inputs = _signature(head, "function")
        outputs = _signature("returns" + tail.strip(), "function")[1] if separator else ()
        return cls(name, inputs, outputs)

    @property
    def canonical(self) -> str:
        """``transfer(address,uint256)``: what names it on a chain."""
        return f"{self.name}({','.join(p.type for p in self.inputs)})"

    @property
    def selector(self) -> str:
        """The first four bytes of its calls, as hex; of an error, of its reverts."""
        return "0x" + function_signature_to_4byte_selector(self.canonical).hex()

    def call_data(self, values: Sequence[Any]) -> str:
        """Selector and arguments as hex, for ``eth_call`` or a transaction.

        Args:
            values: in the order of ``inputs``; numbers as integers or decimal texts, bytes and addresses as hex.

        Raises:
            AbiError: a value does not fit its type.
        """
        return self.selector + encode_values(self.inputs, values).hex()

    def decode_result(self, data: str) -> tuple[Any, ...]:
        """The outputs of a call.

        Raises:
            AbiError: the contract answered something else, or nothing (there is no contract at that address).
        """
        return decode_values(self.outputs, data)


def checksum_address(address: object) -> str:
    """The mixed-case form that people compare.

    Raises:
        AbiError: it is no address, or mixes cases and its checksum is wrong: then a digit is.
    """
    if not isinstance(address, str) or _ADDRESS.fullmatch(address) is None:
        raise AbiError(f"'{address}' is no address: 0x and 40 hex digits are")
    digits = address[2:]
    if digits not in (digits.lower(), digits.upper()) and not is_checksum_address(address):
        raise AbiError(f"'{address}' has a wrong checksum, so a digit of it is wrong")
    return str(to_checksum_address(address))


def keccak_hex(content: bytes) -> str:
    """Keccak-256, as hex."""
    return "0x" + keccak(content).hex()


def told(value: Value) -> Value:
    """A decoded value as JSON may carry it: numbers as decimal texts, and texts no longer than anybody reads."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return value[:_MAX_TOLD]
    if isinstance(value, Mapping):
        return {name: told(each) for name, each in value.items()}
    return [told(each) for each in value[:_MAX_LISTED]]


def decode_values(parameters: Sequence[Parameter], data: str) -> tuple[Any, ...]:
    """ABI-encoded hex as values: integers, bools, texts, hex, lists of such; tuples as mappings by name.

    Raises:
        AbiError: it does not fit.
    """
    try:
        raw = _decode([p.type for p in parameters], bytes.fromhex(data.removeprefix("0x")))
    except (DecodingError, ValueError, OverflowError, TypeError) as error:
        raise AbiError(f"{len(data) // 2 - 1} bytes are no ({','.join(p.type for p in parameters)})") from error
    return tuple(_plain(p, value) for p, value in zip(parameters, raw, strict=True))


def encode_values(parameters: Sequence[Parameter], values: Sequence[Any]) -> bytes:
    """Values as ABI-encoded bytes; the reverse of ``decode_values``, taking decimal texts for numbers too.

    Raises:
        AbiError: one does not fit its type, or there are too many or too few.
    """
    if len(values) != len(parameters):
        raise AbiError(f"{len(parameters)} arguments are needed, not {len(values)}")
    exact = [_exact(p, p.type, value) for p, value in zip(parameters, values, strict=True)]
    try:
        return _encode([p.type for p in parameters], exact)
    except (EncodingError, ValueError, OverflowError, TypeError) as error:
        raise AbiError(str(error)[:200]) from error


def _signature(text: str, word: str) -> tuple[str, tuple[Parameter, ...]]:
    try:
        name, parameters = parse_signature(text.strip().removeprefix(word + " "))
        for parameter in parameters:
            parse(str(normalize(parameter.type))).validate()  # type: ignore[no-untyped-call]
    except (ValueError, ParseError) as error:
        raise AbiError(f"'{text}' is no {word}: {str(error).splitlines()[0][:160]}") from error
    return name, parameters


def _plain(parameter: Parameter, value: Value) -> Value:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple | list):
        if parameter.components and not parameter.type.endswith("]"):
            return {c.name: _plain(c, v) for c, v in zip(parameter.components, value, strict=True)}
        return [_plain(parameter.item(), v) for v in value]
    if isinstance(value, str) and parameter.type.startswith("address"):
        return value.lower()
    return value


def _exact(parameter: Parameter, kind: str, value: Value) -> Value:
    if kind.endswith("]"):
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise AbiError(f"{parameter.name}: a list is needed for {kind}, not {value!r}")
        return [_exact(parameter.item(), parameter.item().type, v) for v in value]
    if parameter.components:
        if not isinstance(value, Mapping) or set(value) != {c.name for c in parameter.components}:
            raise AbiError(f"{parameter.name}: {', '.join(c.name for c in parameter.components)} are needed")
        return tuple(_exact(c, c.type, value[c.name]) for c in parameter.components)
    return _exact_scalar(parameter.name, kind, value)


def _exact_scalar(name: str, kind: str, value: Value) -> Value:
    try:
        if kind.startswith(("uint", "int")):
            return _exact_number(kind, value)
        if kind.startswith("bytes"):
            return _exact_bytes(kind, value)
        if kind == "address":
            return checksum_address(value)
    except AbiError as error:
        raise AbiError(f"{name}: {error}") from None
    if kind == "bool":
        if isinstance(value, bool):
            return value
        if value in ("true", "false"):  # as a configuration has it
            return value == "true"
        raise AbiError(f"{name}: '{value}' is neither true nor false")
    if not isinstance(value, str):
        raise AbiError(f"{name}: a text is needed for {kind}, not {value!r}")
    return value


def _exact_number(kind: str, value: Value) -> int:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value, 16 if value.startswith("0x") else 10)
    if isinstance(value, bool) or not isinstance(value, int):
        raise AbiError(f"{value!r} is no whole number")
    bits = int(kind.lstrip("uint"))
    low, high = (0, 1 << bits) if kind.startswith("u") else (-(1 << bits - 1), 1 << bits - 1)
    if not low <= value < high:
        raise AbiError(f"{value} does not fit in {kind}")
    return int(value)


def _exact_bytes(kind: str, value: Value) -> bytes:
    if not isinstance(value, str) or _BYTES.fullmatch(value) is None:
        raise AbiError(f"{value!r} is no hex: 0x and an even number of digits")
    raw = bytes.fromhex(value[2:])
    if kind != "bytes" and len(raw) != int(kind[5:]):
        # Silent padding on either side would make another value of it.
        raise AbiError(f"{kind} has {kind[5:]} bytes, '{value}' has {len(raw)}")
    return raw
