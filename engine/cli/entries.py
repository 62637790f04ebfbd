"""Journal entries from what a user types or a file holds; numbers stay exactly as written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import Exit, LockstepError
from engine.model.kinds import Kind

#: What a line of a facts file may say.
LINE_KEYS = frozenset({"kind", "data", "source", "observed_at", "seq", "op", "id"})
_OPS = frozenset({"assert", "retract", "reorg", "report"})
DEFAULT_SOURCE = "cli"


class EntryError(LockstepError):
    """What was typed, or a line of a file, is no entry (exit 2)."""

    exit_code = Exit.USAGE


def _no_fraction(text: str) -> Any:  # noqa: ANN401  json's hook: it returns whatever stands for the number
    raise EntryError(
        "U102", f"{text} is a fraction; the engine is exact", f'write a whole number of base units, as text: "{text}"'
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise EntryError("U103", f"'{twice}' is given twice", "keep one of them")
    return made


def read_json(text: str | bytes) -> Any:  # noqa: ANN401  any JSON document
    """JSON without floats, without duplicate keys, integers of any size kept exactly.

    Raises:
        EntryError: it is not (U101), holds a fraction (U102) or a key twice (U103).
    """
    try:
        return json.loads(text, parse_float=_no_fraction, parse_constant=_no_fraction, object_pairs_hook=_unique)
    except ValueError as error:
        raise EntryError("U101", f"not JSON: {error}", 'write an object, like {"id":"x"}') from error
    except RecursionError as error:
        raise EntryError("U101", "not usable JSON: it is nested too deeply", "flatten it") from error


def _value(name: str, text: str, kind: Kind | None) -> Any:  # noqa: ANN401  any JSON value
    """The JSON value a field's type asks for; numbers go as decimal strings, which every numeric type takes."""
    declared = kind.positions.get(name) if kind else None
    if kind is None or declared is None:
        return {"true": True, "false": False}.get(text, text)
    match kind.fields[declared].type.name:
        case "bool":
            words = {"true": True, "false": False}
            if text not in words:
                raise EntryError("U104", f"{kind.name}.{name} is a bool, not '{text}'", "write true or false")
            return words[text]
        case "list" | "json":
            return read_json(text)
        case _:
            return text


def data_of(words: Sequence[str], kind: Kind | None) -> dict[str, Any]:
    """The data of one entry from ``field=value`` words, ``field:=JSON`` words, or one JSON object.

    Args:
        words: as typed.
        kind: types bare values by its fields; None (not known yet): ``true`` and ``false`` are bools, all else text.

    Raises:
        EntryError: a word is none of these.
    """
    if len(words) == 1 and words[0].lstrip().startswith("{"):
        whole = read_json(words[0])
        if not isinstance(whole, dict):
            raise EntryError("U101", "the data must be a JSON object", 'write {"field": value, …}')
        return whole
    pairs: list[tuple[str, Any]] = []
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.rstrip(":"):
            hint = 'write field=value, field:=JSON, or one JSON object like \'{"id":"x"}\''
            raise EntryError("U100", f"'{word}' is no field", hint)
        if name.endswith(":"):
            pairs.append((name[:-1], read_json(text)))
        else:
            pairs.append((name, _value(name, text, kind)))
    return _unique(pairs)


def fields_of(
    op: str, data: Mapping[str, Any], kind: str = "", source: str = DEFAULT_SOURCE, **optional: int | str | None
) -> dict[str, str | bytes]:
    """The fields of a journal entry; absent optional ones (``observed_at``, ``seq``, ``id``) are left out."""
    fields: dict[str, str | bytes] = {"op": op, "source": source, "data": json.dumps(data, separators=(",", ":"))}
    if kind:
        fields["kind"] = kind
    for name, value in optional.items():
        if value is not None:
            fields[name] = str(value)
    return fields


def fields_of_line(line: bytes, number: int, path: str) -> dict[str, str | bytes]:
    """The fields of the entry one line of a facts file describes.

    Raises:
        EntryError: it describes none; the message names the file and the line.
    """
    try:
        said = read_json(line)
        if not isinstance(said, dict) or not isinstance(said.get("data"), dict):
            raise EntryError("U105", "a line is an object with 'data'", '{"kind":"network","data":{"id":"base"}}')
        unknown = sorted(said.keys() - LINE_KEYS)
        if unknown:
            raise EntryError("U106", f"'{unknown[0]}' is not known", f"known: {', '.join(sorted(LINE_KEYS))}")
        op = said.get("op", "assert")
        if op not in _OPS:
            raise EntryError("U107", f"op '{op}' cannot be injected", f"write one of: {', '.join(sorted(_OPS))}")
        if op in ("assert", "retract") and not isinstance(said.get("kind"), str):
            raise EntryError("U108", f"'{op}' needs a kind", 'add "kind"')
    except EntryError as error:
        raise EntryError(error.code, f"{path}:{number}: {error.message}", error.hint) from error
    optional = {name: said.get(name) for name in ("observed_at", "seq", "id")}
    return fields_of(op, said["data"], said.get("kind", ""), said.get("source", DEFAULT_SOURCE), **optional)
