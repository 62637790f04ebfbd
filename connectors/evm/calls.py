"""Verbs as calls of contracts: what the configuration says, checked once, and filled in from each command."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from connectors.base import OutgoingCommand
from connectors.evm.abi import (
    AbiError,
    Event,
    Function,
    checksum_address,
    decode_values,
    encode_values,
    keccak_hex,
    told,
)
from connectors.evm.amounts import wei_of
from connectors.evm.chain import Log
from connectors.evm.said import Sent, Wanted, said, wanted_event
from connectors.evm.sending_options import CallOptions, ContractOptions, SendingOptions, ToldEventOptions
from connectors.evm.signature import Parameter
from engine.errors import ConfigError

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_BYTES_OF: Final = re.compile(r"bytes\((.+)\)")
_FIXED: Final = re.compile(r"bytes([0-9]{1,2})")
_SENDER, _COMMAND, _EXPIRES = "@sender", "@command", "@expires"
_LITERAL: Final = "literal"
_MAX_ABI_BYTES: Final = 4 * 1024 * 1024
_NAMED: Final = ("function", "event", "error")
_DIGITS: Final = re.compile(r"0|[1-9][0-9]{0,77}")


@dataclass(frozen=True, slots=True)
class Deed:
    """What a transaction does: the called address, the wei that go along, the call's data in hex."""

    to: str
    value: int
    data: str


@dataclass(frozen=True, slots=True)
class Contract:
    """A configured contract.

    Attributes:
        address: where it is.
        known: what its ABI has: (``function``, ``event`` or ``error``, signature).
        errors: its own errors.
    """

    address: str
    known: tuple[tuple[str, str], ...] = ()
    errors: tuple[Function, ...] = ()

    def named(self, kind: str, text: str) -> str:
        """The signature of the function or event of that name in the ABI, or the text, if it is a signature.

        Raises:
            ValueError: neither.
        """
        if "(" in text:
            return text
        found = [signature for of, signature in self.known if of == kind and signature.partition("(")[0] == text]
        if len(found) != 1:
            count = "several" if found else "no"
            raise ValueError(f"the contract's ABI has {count} {kind} '{text}'; write its signature with its types")
        return found[0]


@dataclass(frozen=True, slots=True)
class Call:
    """What a verb does.

    Attributes:
        verb: in packs.
        address: of the contract; None: the receiver comes from ``to``.
        function: what is called; None: the native coin is transferred.
        sources: where each argument comes from.
        to: where the receiver comes from.
        value: where the wei come from; None: none go along.
        gas: fixed limit; None: estimated.
        errors: that a revert may carry.
        events: told from the receipt.
        returns: what it must return, tried before it is signed; None: anything.
    """

    verb: str
    address: str | None
    function: Function | None
    sources: tuple[Any, ...]
    to: Any
    value: Any
    gas: int | None
    errors: tuple[Function, ...]
    events: tuple[Wanted, ...]
    returns: tuple[Any, ...] | None = None

    def deed(self, command: OutgoingCommand, sender: str) -> Deed:
        """The call with this command's arguments.

        Raises:
            ValueError: an argument is missing.
            AbiError: one does not fit its parameter; says which.
        """
        given = _Given(command, sender)
        value = 0 if self.value is None else _wei(given.take(self.value, ""))
        if self.function is None:
            return Deed(checksum_address(given.take(self.to, "address")), value, "0x")
        pairs = zip(self.function.inputs, self.sources, strict=True)
        data = self.function.call_data([given.take(source, param.type) for param, source in pairs])
        return Deed(str(self.address), value, data)

    def said(self, logs: Sequence[Log], sent: Sent) -> tuple[dict[str, Any], list[str]]:
        """The configured events among the logs of its receipt, and which of those that must be there are missing."""
        return said(self.events, logs, sent, self.function)

    def unexpected(self, answer: str) -> str:
        """Why what the call would return is not what the configuration expects; empty: it is.

        Args:
            answer: hex.
        """
        if self.function is None or self.returns is None:
            return ""
        try:
            found = self.function.decode_result(answer)
        except AbiError:
            return f"it would return {(len(answer) - 2) // 2} bytes that are no {_outputs(self.function)}"
        if found != self.returns:
            shown = ", ".join(str(told(each)) for each in found)
            return f"it would return {shown}, not {', '.join(str(told(each)) for each in self.returns)}"
        return ""


class _Given:
    """The values a command gives."""

    def __init__(self, command: OutgoingCommand, sender: str) -> None:
        self._command = command
        self._args = command.arguments()
        self._sender = sender

    def take(self, source: Any, kind: str) -> Any:  # noqa: ANN401 - any JSON value
        """What the source means now, for a parameter of that type.

        Raises:
            ValueError: the command has no such argument.
        """
        if isinstance(source, list):
            return [self.take(item, "") for item in source]
        if isinstance(source, Mapping):
            if set(source) == {_LITERAL}:
                return source[_LITERAL]
            return {name: self.take(item, "") for name, item in source.items()}
        if source == _SENDER:
            return self._sender
        if source == _COMMAND:
            return self._command.id if kind == "string" else keccak_hex(self._command.id.encode())
        if source == _EXPIRES:
            if self._command.expires_ms is None:
                raise ValueError("the command never expires, and the call needs an instant")
            return str(self._command.expires_ms // 1000)
        if wrapped := _BYTES_OF.fullmatch(str(source)):
            return _text_bytes(str(self._argument(wrapped[1])), wrapped[1], kind)
        return self._argument(str(source))

    def _argument(self, name: str) -> Any:  # noqa: ANN401 - any JSON value
        found: Any = self._args
        for part in name.split("."):
            if not isinstance(found, Mapping) or part not in found:
                raise ValueError(f"the command has no argument '{name}'")
            found = found[part]
        if found is None:
            raise ValueError(f"the command's argument '{name}' is nothing")
        return found


def _text_bytes(text: str, name: str, kind: str) -> str:
    """A text as a parameter of bytes takes it, in hex: filled up with zeros behind, never cut.

    Raises:
        ValueError: it does not fit, or would not be read back as it is.
    """
    raw = text.encode()
    fixed = _FIXED.fullmatch(kind)
    size = len(raw) if fixed is None else int(fixed[1])
    if len(raw) > size:
        raise ValueError(f"the command's argument '{name}' has {len(raw)} bytes, and {kind} holds {size}")
    if fixed is not None and raw.endswith(b"\0"):
        raise ValueError(f"the command's argument '{name}' ends with a zero byte, like what it would be filled up with")
    return "0x" + raw.ljust(size, b"\0").hex()


def compile_calls(options: SendingOptions, place: str) -> dict[str, Call]:
    """Every verb's call.

    Args:
        options: as configured.
        place: where they stand, for errors.

    Raises:
        ConfigError: C141, with the place.
    """
    contracts = {
        name: _at(f"{place}.contracts.{name}", _contract, contract) for name, contract in options.contracts.items()
    }
    return {verb: _at(f"{place}.calls.{verb}", _call, verb, call, contracts) for verb, call in options.calls.items()}


def _at(place: str, make: Any, *inputs: Any) -> Any:  # noqa: ANN401 - passes through
    try:
        return make(*inputs)
    except (AbiError, ValueError) as error:
        raise ConfigError("C141", f"{place}: {error}", "docs/evm.md shows calls by example") from None


def _contract(options: ContractOptions) -> Contract:
    known = () if options.abi is None else _read_abi(Path(options.abi))
    errors = (*(signature for kind, signature in known if kind == "error"), *options.errors)
    return Contract(checksum_address(options.address), known, tuple(map(_error, errors)))


def _error(signature: str) -> Function:
    """An error is encoded as a call is."""
    return Function.of(signature.strip().removeprefix("error "))


def _read_abi(file: Path) -> tuple[tuple[str, str], ...]:
    try:
        with file.open("rb") as opened:
            content = json.loads(opened.read(_MAX_ABI_BYTES))
        entries = content["abi"] if isinstance(content, dict) else content
        return tuple((each["type"], _spelled(each)) for each in entries if each["type"] in _NAMED)
    except OSError as error:
        raise ValueError(f"abi: {file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"abi: {file} holds no ABI: {type(error).__name__}: {error}") from None


def _spelled(entry: Mapping[str, Any]) -> str:
    """An entry of a compiler's JSON as a signature."""
    return f"{entry['name']}({', '.join(map(_spelled_input, entry['inputs']))})"


def _spelled_input(entry: Mapping[str, Any]) -> str:
    kind = entry["type"]
    if kind.startswith("tuple"):
        kind = f"({', '.join(map(_spelled_input, entry['components']))}){kind.removeprefix('tuple')}"
    return " ".join([kind, *(["indexed"] if entry.get("indexed") else []), entry.get("name", "")]).strip()


def _call(verb: str, options: CallOptions, contracts: Mapping[str, Contract]) -> Call:
    extra = tuple(map(_error, options.errors))
    if options.function is None:
        _check_source(options.to, "to")
        value = _value(options.value)
        events = tuple(_event(n, e, None, None, contracts) for n, e in options.events.items())
        return Call(verb, None, None, (), options.to, value, options.gas, extra, events)
    contract = _find(options.contract or "", contracts)
    function = Function.of(contract.named("function", options.function))
    sources = _sources(function, options.args)
    value = None if options.value is None else _value(options.value)
    events = tuple(_event(n, e, contract, function, contracts) for n, e in options.events.items())
    errors = contract.errors + extra
    returns = None if options.returns is None else _returns(function, options.returns)
    return Call(verb, contract.address, function, sources, None, value, options.gas, errors, events, returns)


def _find(name: str, contracts: Mapping[str, Contract]) -> Contract:
    if name in contracts:
        return contracts[name]
    if not name.startswith("0x"):
        raise ValueError(f"no contract '{name}' is configured; known: {', '.join(sorted(contracts)) or 'none'}")
    return Contract(checksum_address(name))


def _event(
    name: str,
    options: ToldEventOptions,
    called: Contract | None,
    function: Function | None,
    contracts: Mapping[str, Contract],
) -> Wanted:
    contract = called if options.contract is None else _find(options.contract, contracts)
    if contract is None:
        raise ValueError(f"events.{name}: say whose it is with `contract`")
    event = Event.of(contract.named("event", options.event))
    return wanted_event(name, contract.address.lower(), event, options.where, function, must=options.must)


def _returns(function: Function, wanted: str | list[Any]) -> tuple[Any, ...]:
    if not function.outputs:
        raise ValueError(f"returns: say in `function` what {function.name} returns: '… returns (bool)'")
    values = wanted if isinstance(wanted, list) else [wanted]
    try:
        return decode_values(function.outputs, "0x" + encode_values(function.outputs, values).hex())
    except AbiError as error:
        raise ValueError(f"returns: {error}") from None


def _outputs(function: Function) -> str:
    return f"({','.join(p.type for p in function.outputs)})"


def _sources(function: Function, given: Mapping[str, Any] | Sequence[Any]) -> tuple[Any, ...]:
    """One source for each parameter."""
    if isinstance(given, Mapping):
        names = [p.name for p in function.inputs]
        if unknown := sorted(set(given) - set(names)):
            raise ValueError(f"args: {function.canonical} has no parameter '{unknown[0]}'; it has {', '.join(names)}")
        if missing := [name for name in names if name not in given]:
            raise ValueError(f"args: parameter '{missing[0]}' of {function.canonical} is not given")
        given = [given[name] for name in names]
    if len(given) != len(function.inputs):
        raise ValueError(f"args: {function.canonical} takes {len(function.inputs)}, {len(given)} are given")
    for param, source in zip(function.inputs, given, strict=True):
        if isinstance(source, str) and (wrapped := _BYTES_OF.fullmatch(source)):
            if param.type != "bytes" and _FIXED.fullmatch(param.type) is None:
                raise ValueError(f"args.{param.name}: '{source}' makes bytes of a text, and {param.type} is none")
            _check_source(wrapped[1], f"args.{param.name}")
            continue
        _check_source(source, f"args.{param.name}")
        _check_literal(param, source)
    return tuple(given)


def _check_source(source: object, where: str) -> None:
    if isinstance(source, list):
        for n, item in enumerate(source):
            _check_source(item, f"{where}[{n}]")
    elif isinstance(source, Mapping):
        if set(source) != {_LITERAL}:
            for name, item in source.items():
                _check_source(item, f"{where}.{name}")
    elif not isinstance(source, str) or (
        source not in (_SENDER, _COMMAND, _EXPIRES) and _NAME.fullmatch(source) is None
    ):
        hint = f"an argument of the command, {{literal: …}}, {_SENDER}, {_COMMAND} or {_EXPIRES}"
        raise ValueError(f"{where}: '{source}' is none of: {hint}")


def _check_literal(param: Parameter, source: object) -> None:
    """A literal that does not fit is found when the configuration is read, not when money is to move."""
    if isinstance(source, Mapping) and set(source) == {_LITERAL}:
        Function("literal", (param,)).call_data([source[_LITERAL]])


def _value(source: Any) -> Any:  # noqa: ANN401 - a source, as the configuration has it
    """Units are for literals; what a command gives is whole wei."""
    _check_source(source, "value")
    if isinstance(source, Mapping) and set(source) == {_LITERAL}:
        return {_LITERAL: str(wei_of(source[_LITERAL]))}
    return source


def _wei(value: object) -> int:
    number = int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 1 << 256:
        raise ValueError(f"value: {value!r:.80} is no number of wei: write a whole number, as a decimal string")
    return number
