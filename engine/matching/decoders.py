"""Decoders compiled per kind: JSON bytes in, a tuple of exact values in the kind's field order out.

Facts are the hot path, so each kind gets a generated Python function that tests the common case of every field in line
(``type(v) is str and v.isascii() …``) and calls the complete reader in ``scalars`` for anything else. Field names enter
the source as string literals only, and every variable is named by position.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from engine.errors import FactRejectedError
from engine.limits import MAX_DIGITS, MAX_ID_BYTES, MAX_JSON_INT, MAX_TEXT_CHARS
from engine.matching.code import code_of
from engine.matching.encoders import compile_encoder
from engine.matching.scalars import Reader, checker, reader
from engine.matching.strict_json import JsonObject, parse_fields, shown
from engine.model.kinds import Field, Kind, Value

Values = tuple[Value, ...]

#: Unknown fields named in one message.
_NAMED_UNKNOWN: Final = 3
#: Length to which a field name is cut before similar names are looked for (that search is quadratic in it).
_COMPARED_CHARS: Final = 64

_ID_TEST: Final = f"type(v) is not str or not 0 < len(v) <= {MAX_ID_BYTES} or not v.isascii() or not v.isprintable()"
_HEX_TEST: Final = f"type(v) is not str or len(v) > {MAX_ID_BYTES} or not is_hex(v)"
#: Type name → condition under which ``v`` is not the common case (and the complete reader is called).
_UNCOMMON: Final[dict[str, str]] = {
    "id": _ID_TEST,
    "text": f"type(v) is not str or len(v) > {MAX_TEXT_CHARS}",
    "bool": "v is not True and v is not False",
    "int": f"type(v) is not int or not {-MAX_JSON_INT} <= v <= {MAX_JSON_INT}",
    "bps": f"type(v) is not int or not 0 <= v <= {MAX_JSON_INT}",
    "hash": _HEX_TEST,
    "address": _HEX_TEST,
}
for _name in ("ppm", "timestamp", "duration"):
    _UNCOMMON[_name] = _UNCOMMON["bps"]

#: A decimal string that is surely in range: fewer digits than 2^256 - 1 has, and no leading zero.
_COMMON_DECIMAL: Final = (
    f'type(v) is str and v.isdecimal() and v.isascii() and (v[0] != "0" or v == "0") and len(v) < {MAX_DIGITS}'
)


def _field_line(i: int, field: Field) -> str:
    """The statement that turns ``v`` (as JSON gave it) into ``v{i}``."""
    name = field.type.name
    if name in ("uint256", "amount", "wei"):
        return f"v{i} = int(v) if {_COMMON_DECIMAL} else read{i}(v, where{i})"
    if name == "enum":
        return f"v{i} = v if type(v) is str and v in options{i} else read{i}(v, where{i})"
    test = _UNCOMMON.get(name)
    return f"v{i} = read{i}(v, where{i}) if {test} else v" if test else f"v{i} = read{i}(v, where{i})"


def _source(kind: Kind) -> str:
    """Source of ``decode(data)`` for a kind."""
    needed = [i for i, f in enumerate(kind.fields) if not _may_be_absent(f)]
    lines = ["def decode(data):", " d = parse(data)", f" n = {len(needed)}", " try:"]
    lines += [f"  v{i} = d[{kind.fields[i].name!r}]" for i in needed]
    lines += ["  pass", " except KeyError:", "  missing(d)"]
    for i, field in enumerate(kind.fields):
        if i in needed:
            lines += [f" v = v{i}", f" {_field_line(i, field)}"]
            continue
        lines += [f" v{i} = default{i}", f" if {field.name!r} in d:", "  n += 1", f"  v = d[{field.name!r}]"]
        if field.optional:
            lines += ["  if v is not None:", f"   {_field_line(i, field)}"]
        else:
            lines.append(f"  {_field_line(i, field)}")
    lines += [" if len(d) != n: unknown(d)", f" return {_tuple(f'v{i}' for i in range(len(kind.fields)))}"]
    return "\n".join(lines)


def _tuple(parts: Iterable[str]) -> str:
    words = list(parts)
    return f"({', '.join(words)},)" if words else "()"


def _may_be_absent(field: Field) -> bool:
    return field.optional or field.default is not None


def _compile(source: str, name: str, scope: dict[str, object]) -> object:
    exec(code_of(source, f"<decoder {name}>"), scope)  # noqa: S102  # our own template, names as literals only
    return scope[name]


@lru_cache(maxsize=1_024)
def _picker(positions: tuple[int, ...]) -> Callable[[Values], Values]:
    """Like ``operator.itemgetter``, but always a tuple."""
    made = eval(f"lambda v: {_tuple(f'v[{i}]' for i in positions)}")  # noqa: S307  # positions are our own integers
    picker: Callable[[Values], Values] = made
    return picker


#: Lower-case hex: the form that is kept as it is.
_is_hex: Final = re.compile("0x[0-9a-f]++").fullmatch


class KindDecoder:
    """Reads, checks and writes the facts of one kind.

    Attributes:
        kind: the schema.
        decode: ``data`` of an assertion → values in field order.
        key_of: values → the key, in the order of ``kind.key``.
        order_of: values → the order fields, in the order of ``kind.order``; empty if the kind is ordered by time.
        to_json: values → the canonical wire form, fields in order; ``decode`` of it gives the values back.
    """

    __slots__ = ("_checkers", "_names", "_readers", "decode", "key_of", "kind", "order_of", "to_json")

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._names = frozenset(kind.positions)
        self._readers: dict[str, tuple[Reader, str]] = {
            f.name: (reader(f.type), f"{kind.name}.{f.name}") for f in kind.fields
        }
        self._checkers: tuple[tuple[Field, Reader, str], ...] = tuple(
            (f, checker(f.type), f"{kind.name}.{f.name}") for f in kind.fields
        )
        self.decode: Callable[[bytes], Values] = self._compile_decode()
        self.key_of: Callable[[Values], Values] = _picker(kind.key_positions)
        self.order_of: Callable[[Values], Values] = _picker(kind.order_positions)
        self.to_json: Callable[[Values], str] = compile_encoder(kind)

    def _compile_decode(self) -> Callable[[bytes], Values]:
        scope: dict[str, object] = {
            "parse": parse_fields,
            "missing": self._refuse_missing,
            "unknown": self._refuse_unknown,
            "is_hex": _is_hex,
        }
        for position, field in enumerate(self.kind.fields):
            scope[f"read{position}"], scope[f"where{position}"] = self._readers[field.name]
            scope[f"options{position}"] = frozenset(field.type.options)
            scope[f"default{position}"] = field.default
        made: Callable[[bytes], Values] = _compile(_source(self.kind), "decode", scope)  # type: ignore[assignment]
        return made

    def decode_retract(self, data: bytes) -> tuple[Values, Values | None]:
        """A retraction's ``data``: the key fields, and all of the order fields (that must not be absent) or none.

        Returns:
            The key, and the order in the order of ``kind.order`` (None: not given, or the kind is ordered by time).

        Raises:
            FactRejectedError: F201 to F231; F232 for part of the order or a field that is neither key nor order.
        """
        parsed = parse_fields(data)
        kind = self.kind
        if not self._names.issuperset(parsed):
            self._refuse_unknown(parsed)
        extra = [name for name in parsed if name not in kind.key and name not in kind.order]
        if extra:
            raise FactRejectedError(
                "F232",
                f"a retraction of {kind.name} takes no field {', '.join(map(shown, extra[:_NAMED_UNKNOWN]))}",
                f"send the key ({', '.join(kind.key)})"
                + (f" and the order ({', '.join(kind.order)})" * bool(kind.order)),
            )
        key = tuple([self._read_key(parsed, name) for name in kind.key])
        beside_key = [name for name in kind.order if name not in kind.key]
        given = [name for name in beside_key if name in parsed]
        needed = [name for name in beside_key if name in given or not _may_be_absent(kind.field(name))]
        if not kind.order or (beside_key and not given):
            return key, None
        if len(given) != len(needed):
            raise FactRejectedError(
                "F232",
                f"a retraction of {kind.name} has a part of its order only: {', '.join(given)}",
                f"send all of {', '.join(kind.order)}, or none",
            )
        return key, tuple([self._read_order(parsed, name) for name in kind.order])

    def from_values(self, mapping: Mapping[str, Value]) -> Values:
        """Values that a rule computed, checked as strictly as the wire's.

        Args:
            mapping: field name → int, str, bool, tuple, or None for an absent optional field.

        Raises:
            FactRejectedError: F220 to F231.
        """
        if not self._names.issuperset(mapping):
            self._refuse_unknown(mapping)
        made: list[Value] = []
        for field, check, where in self._checkers:
            value = mapping.get(field.name)
            if value is not None:
                made.append(check(value, where))
            elif field.name in mapping and not field.optional:
                made.append(check(None, where))
            elif _may_be_absent(field):
                made.append(field.default)
            else:
                self._refuse_missing(mapping)
        return tuple(made)

    def _read(self, parsed: JsonObject, name: str) -> Value:
        read, where = self._readers[name]
        return read(parsed[name], where)

    def _read_key(self, parsed: JsonObject, name: str) -> Value:
        if name in parsed:
            return self._read(parsed, name)
        default = self.kind.field(name).default
        if default is None:
            self._refuse_missing(parsed, self.kind.key)
        return default

    def _read_order(self, parsed: JsonObject, name: str) -> Value:
        field = self.kind.field(name)
        if name not in parsed or (parsed[name] is None and field.optional):
            return field.default
        return self._read(parsed, name)

    def _refuse_missing(self, given: Mapping[str, object], needed: tuple[str, ...] = ()) -> None:
        if not self._names.issuperset(given):  # a misspelt field is both: say the one that helps
            self._refuse_unknown(given)
        wanted = [self.kind.field(n) for n in needed] or list(self.kind.fields)
        absent = [f for f in wanted if f.name not in given and not _may_be_absent(f)]
        raise FactRejectedError(
            "F220",
            f"{self.kind.name}: missing {', '.join(f.name for f in absent)}",
            "; ".join(f"{f.name} is {f.type}" for f in absent[:_NAMED_UNKNOWN]),
        )

    def _refuse_unknown(self, given: Mapping[str, object]) -> None:
        names = sorted(self._names)
        extra = [name for name in given if name not in self._names]
        close = get_close_matches(extra[0][:_COMPARED_CHARS], names, 1)
        hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(f.name for f in self.kind.fields)}"
        raise FactRejectedError(
            "F221", f"{self.kind.name} has no field {', '.join(map(shown, extra[:_NAMED_UNKNOWN]))}", hint
        )


def to_json(kind: Kind, values: Values) -> str:
    """``KindDecoder(kind).to_json(values)`` for callers that write rarely: it compiles the kind each time."""
    return compile_encoder(kind)(values)
