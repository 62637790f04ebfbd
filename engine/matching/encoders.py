"""Values back to their wire form: canonical JSON with the fields in the kind's order."""

from __future__ import annotations

from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Final

from engine.limits import MAX_JSON_INT
from engine.model.kinds import JSON_INTEGER, TEXTUAL, Kind, Type, Value

Writer = Callable[[Value], str]


def _write_text(value: Value) -> str:
    text: str = encode_basestring(value)  # type: ignore[arg-type]
    return text


def _write_bool(value: Value) -> str:
    return "true" if value else "false"


def _write_integer(value: Value) -> str:
    """A JSON integer while every receiver can hold it exactly, else a decimal string."""
    assert isinstance(value, int)  # noqa: S101  # decoders yield nothing else
    return f"{value}" if -MAX_JSON_INT <= value <= MAX_JSON_INT else f'"{value}"'


def _write_decimal(value: Value) -> str:
    return f'"{value}"'


def _write_quantity(value: Value) -> str:
    return f'"{value:#x}"'


def _write_json(value: Value) -> str:
    return str(value)


_SPECIAL: Final[dict[str, Writer]] = {"bool": _write_bool, "quantity": _write_quantity, "json": _write_json}


def _list_writer(item: Writer) -> Writer:
    def write(value: Value) -> str:
        assert isinstance(value, tuple)  # noqa: S101  # decoders yield nothing else
        return f"[{','.join([item(v) for v in value])}]"

    return write


def writer(type_: Type) -> Writer:
    """Writes a value of that type as JSON."""
    if type_.name == "list":
        assert type_.item is not None  # noqa: S101  # the model's invariant
        return _list_writer(writer(type_.item))
    if type_.name in TEXTUAL:
        return _write_text
    if type_.name in JSON_INTEGER:
        return _write_integer
    return _SPECIAL.get(type_.name, _write_decimal)


def compile_encoder(kind: Kind) -> Callable[[tuple[Value, ...]], str]:
    """A function from values, in field order, to canonical JSON; absent fields are left out."""
    parts = [(f"{_write_text(f.name)}:", writer(f.type)) for f in kind.fields]

    def to_json(values: tuple[Value, ...]) -> str:
        return f"{{{','.join([n + write(v) for (n, write), v in zip(parts, values, strict=True) if v is not None])}}}"

    return to_json
