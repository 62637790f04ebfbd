"""What a mined call said: the configured events among the logs of its receipt, and which of them are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connectors.evm.abi import (
    AbiError,
    Event,
    Function,
    Value,
    checksum_address,
    decode_values,
    encode_values,
    keccak_hex,
    told,
)
from connectors.evm.chain import Log
from connectors.evm.signature import Parameter

_LITERAL: Final = "literal"
_SENDER, _COMMAND = "@sender", "@command"
#: A call's data begins with ``0x`` and the function's selector.
_SELECTOR_LENGTH: Final = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """An event to be told of.

    Attributes:
        name: in the detail of the command's report.
        address: who emits it, lower case.
        event: what it is.
        where: (argument of the event, what it must be: a parameter of the call, ``@sender``, ``@command``, a literal).
        must: without it nobody knows what the call did.
    """

    name: str
    address: str
    event: Event
    where: tuple[tuple[Parameter, Any], ...] = ()
    must: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """The call as it was signed.

    Attributes:
        command: its id.
        sender: the account.
        to: the called address.
        value: wei that went along.
        data: hex.
    """

    command: str
    sender: str
    to: str
    value: int
    data: str

    def given(self, function: Function | None) -> dict[str, Value]:
        """The parameters by name; of a transfer of the native coin ``to`` and ``value``.

        Raises:
            AbiError: it is no call of that function: the verb was configured anew.
        """
        if function is None:
            return {"to": self.to.lower(), "value": self.value}
        if not self.data.startswith(function.selector):
            raise AbiError(f"{self.data[:_SELECTOR_LENGTH]} is no call of {function.canonical}")
        values = decode_values(function.inputs, self.data[_SELECTOR_LENGTH:])
        return {p.name: value for p, value in zip(function.inputs, values, strict=True)}


def wanted_event(
    name: str, address: str, event: Event, where: Mapping[str, Any], function: Function | None, *, must: bool
) -> Wanted:
    """An event to be told of, checked against the function whose call emits it.

    Raises:
        ValueError: ``where`` names what is not there.
        AbiError: a literal does not fit its argument.
    """
    known = {p.name: p for p in event.parameters}
    given = [p.name for p in function.inputs] if function is not None else ["to", "value"]
    conditions = []
    for argument, source in where.items():
        place = f"events.{name}.where.{argument}"
        parameter = known.get(argument)
        if parameter is None or not (parameter.is_word or (parameter.is_plain and not parameter.indexed)):
            raise ValueError(f"{place}: the event has no plain argument of that name; it has {', '.join(known)}")
        if isinstance(source, Mapping) and set(source) == {_LITERAL}:
            _same(parameter, source[_LITERAL])
        elif source not in (_SENDER, _COMMAND, *given):
            hint = f"a parameter of the call ({', '.join(given)}), {_SENDER}, {_COMMAND} or {{literal: …}}"
            raise ValueError(f"{place}: '{source}' is none of: {hint}")
        conditions.append((parameter, source))
    return Wanted(name, address, event, tuple(conditions), must)


def said(
    wanted: Sequence[Wanted], logs: Sequence[Log], sent: Sent, function: Function | None
) -> tuple[dict[str, Any], list[str]]:
    """What is told of the configured events, and the names of those that must be there and are not.

    Args:
        wanted: configured.
        logs: of the receipt.
        sent: whose receipt it is.
        function: that the verb calls.
    """
    found: dict[str, Any] = {}
    for each in wanted:
        first = next((values for log in logs if (values := _read(each, log, sent, function)) is not None), None)
        if first is not None:
            found[each.name] = told(first)
    return found, [each.name for each in wanted if each.must and each.name not in found]


def _read(wanted: Wanted, log: Log, sent: Sent, function: Function | None) -> dict[str, Value] | None:
    if log.address != wanted.address or log.topics[:1] != (wanted.event.topic,):
        return None
    try:
        values = wanted.event.decode(log.topics, log.data)
        fits = all(values[p.name] == _same(p, _meant(source, p, sent, function)) for p, source in wanted.where)
    except AbiError:
        return None  # a contract may say what it likes under a name that others have
    return values if fits else None


def _meant(source: Any, parameter: Parameter, sent: Sent, function: Function | None) -> Any:  # noqa: ANN401 - a source
    if isinstance(source, Mapping):
        return source[_LITERAL]
    if source == _SENDER:
        return checksum_address(sent.sender)
    if source == _COMMAND:
        return sent.command if parameter.type == "string" else keccak_hex(sent.command.encode())
    return sent.given(function)[source]


def _same(parameter: Parameter, value: Any) -> Value:  # noqa: ANN401 - of the parameter's type, or as text
    """The value as it comes out of a log."""
    plain = Parameter(parameter.name, parameter.type)
    return decode_values([plain], "0x" + encode_values([plain], [value]).hex())[0]
