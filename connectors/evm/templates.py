"""Fields of facts as the configuration writes them: ``transfer``, ``=event.amount``, ``bridge-{log.tx}``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from connectors.evm.abi import Value
from connectors.evm.signature import Parameter

#: What can be said of a log beside the event's arguments.
LOG_NAMES: Final = ("network", "address", "block_hash", "height", "time", "tx", "index", "depth", "id")

Reading: TypeAlias = Callable[[Mapping[str, Value], Mapping[str, Value]], Value]
_CALL: Final = re.compile(r"(\w+)\((.*)\)\Z", re.DOTALL)
_LOOKUP: Final = re.compile(r"([\w-]+)\[(.*)\]\Z", re.DOTALL)
_PATH: Final = re.compile(r"(event|log)((?:\.[A-Za-z_$][\w$]*)+)\Z")


class TemplateError(Exception):
    """A field is written wrongly, or cannot be read from a log."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a template may name.

    Attributes:
        parameters: the event's.
        tables: for lookups, by name.
    """

    parameters: Sequence[Parameter]
    tables: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Template:
    """One field, compiled.

    Attributes:
        read: event arguments and log values to a JSON value; integers as decimal texts.
        reads_depth: it changes as blocks come.
    """

    read: Reading
    reads_depth: bool

    @classmethod
    def of(cls, text: str, scope: Scope) -> Template:
        """Compiles it.

        Raises:
            TemplateError: it names what is not there; with what is.
        """
        if text.startswith("="):
            reading = _expression(text[1:].strip(), scope)
            return cls(lambda event, log: plain(reading(event, log)), "log.depth" in text)
        parts = _parts(text, scope)
        if all(isinstance(part, str) for part in parts):
            constant = "".join(part for part in parts if isinstance(part, str))
            return cls(lambda _event, _log: constant, False)

        def joined(event: Mapping[str, Value], log: Mapping[str, Value]) -> Value:
            return "".join(part if isinstance(part, str) else _shown(part(event, log)) for part in parts)

        return cls(joined, "log.depth" in text)


def plain(value: Value) -> Value:
    """As a fact's data carries it: integers as decimal texts, at any depth."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(each) for each in value]
    return value


def _shown(value: Value) -> str:
    shown = plain(value)
    if isinstance(shown, bool):
        return "true" if shown else "false"
    if not isinstance(shown, str):
        raise TemplateError("a list or a tuple cannot stand inside a text; read one of its parts")
    return shown


def _parts(text: str, scope: Scope) -> list[str | Reading]:
    """Text and ``{expressions}`` by turns; ``{{`` and ``}}`` are braces."""
    parts: list[str | Reading] = []
    position = 0
    for match in re.finditer(r"\{\{|\}\}|\{([^{}]*)\}|[{}]", text):
        parts.append(text[position : match.start()])
        position = match.end()
        if match[0] in ("{{", "}}"):
            parts.append(match[0][0])
        elif match[1] is not None:
            parts.append(_expression(match[1].strip(), scope))
        else:
            raise TemplateError(f"'{text}': a brace stands alone; write {{{{ or }}}} for a brace itself")
    parts.append(text[position:])
    return parts


def _expression(text: str, scope: Scope) -> Reading:
    if text in ("true", "false"):
        return lambda _event, _log: text == "true"
    if path := _PATH.match(text):
        return _path(path[1], path[2][1:].split("."), scope)
    if call := _CALL.match(text):
        function = _FUNCTIONS.get(call[1])
        if function is None:
            raise TemplateError(f"there is no function '{call[1]}'; there are {', '.join(_FUNCTIONS)}")
        inner = _expression(call[2].strip(), scope)
        return lambda event, log: function(inner(event, log))
    if lookup := _LOOKUP.match(text):
        return _lookup(lookup[1], lookup[2].strip(), scope)
    raise TemplateError(f"'{text}' is neither event.NAME, log.NAME, a function of one, nor TABLE[…]")


def _path(root: str, names: list[str], scope: Scope) -> Reading:
    if root == "log":
        if len(names) != 1 or names[0] not in LOG_NAMES:
            raise TemplateError(f"log has no '{'.'.join(names)}'; it has {', '.join(LOG_NAMES)}")
        name = names[0]
        return lambda _event, log: log[name]
    among: Sequence[Parameter] = scope.parameters
    for name in names:
        found = next((p for p in among if p.name == name), None)
        if found is None:
            known = ", ".join(p.name for p in among) or "nothing"
            raise TemplateError(f"event has no '{'.'.join(names)}'; there it has {known}")
        # The parts of a list have no names, and of an indexed tuple only the hash is known.
        among = () if found.type.endswith("]") or found.indexed else found.components

    def read(event: Mapping[str, Value], _log: Mapping[str, Value]) -> Value:
        value: Value = event
        for name in names:
            value = value[name]
        return value

    return read


def _lookup(table: str, inside: str, scope: Scope) -> Reading:
    if table not in scope.tables:
        known = ", ".join(scope.tables) or "none"
        raise TemplateError(f"there is no table '{table}' under `lookup`; there are: {known}")
    rows = {key.lower(): value for key, value in scope.tables[table].items()}
    inner = _expression(inside, scope)

    def read(event: Mapping[str, Value], log: Mapping[str, Value]) -> Value:
        key = _shown(inner(event, log))
        found = rows.get(key.lower(), rows.get("*"))
        if found is None:
            raise TemplateError(f"table '{table}' has no row '{key}' (and no '*')")
        return found

    return read


def _text(value: Value) -> Value:
    """Bytes as the text they hold, without the zeros they are filled up with."""
    try:
        return bytes.fromhex(str(value).removeprefix("0x")).rstrip(b"\0").decode("utf-8")
    except ValueError as error:
        raise TemplateError(f"{value} holds no text") from error


def _whole(value: Value) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TemplateError(f"{value!r} is no number")
    return value


def _hex(value: Value) -> Value:
    return hex(_whole(value))


def _ms(value: Value) -> Value:
    return _whole(value) * 1_000


def _number(value: Value) -> Value:
    """Bytes as the unsigned number they spell."""
    try:
        return int(str(value).removeprefix("0x"), 16) if isinstance(value, str) else _whole(value)
    except ValueError as error:
        raise TemplateError(f"{value} is no bytes") from error


_FUNCTIONS: Final[Mapping[str, Callable[[Value], Value]]] = {
    "text": _text,
    "hex": _hex,
    "ms": _ms,
    "number": _number,
}
