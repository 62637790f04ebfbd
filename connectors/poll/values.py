"""Values of facts, requests and headers as a mapping writes them: constants, expressions, tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from connectors.poll.exact import AnswerError, Fraction, Json
from connectors.poll.query import Query, QueryError, is_fraction

#: Reads a value from a scope: ``answer``, ``item``, ``index``, ``status``, ``subject``.
Reading: TypeAlias = Callable[[Mapping[str, Json]], Json]
Tables: TypeAlias = Mapping[str, Mapping[str, str]]
_PARTS: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_INTEGER: Final = re.compile(r"-?\d{1,78}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Names:
    """What expressions may read at one place of a mapping.

    Attributes:
        names: of the scope.
        members: of some of these names, all that they have.
        tables: names of tables.
    """

    names: Collection[str]
    members: Mapping[str, Collection[str]]
    tables: Collection[str]

    def query(self, text: str) -> Query:
        """That expression, compiled.

        Raises:
            QueryError: it is written wrongly.
        """
        return Query(text, self.names, self.members)


class ValueModel(BaseModel):
    """One value: a constant, text with ``{expressions}``, ``=expression``, or an expression and what to make of it.

    Attributes:
        text: the short forms.
        from: an expression.
        map: of its value, as text, to a constant; a row that ends in ``*`` is for all that begin so and have no other.
        else: the constant for a value that has no row; without it that is an answer which does not fit.
        table: a table of the options; what it does not list stays as it is.
        as: what it must be: ``integer`` (digits, as number or text), ``bool``, or ``text`` (whatever number it is).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)

    text: str | None = None
    source: str | None = Field(default=None, alias="from")
    rows: dict[str, str] | None = Field(default=None, alias="map")
    otherwise: str | None = Field(default=None, alias="else")
    table: str | None = None
    kind: Literal["integer", "bool", "text"] | None = Field(default=None, alias="as")

    @model_validator(mode="after")
    def _whole(self) -> ValueModel:
        if self.text is None and self.source is None:
            raise ValueError("give an expression as `from`")
        if self.rows is not None and self.table is not None:
            raise ValueError("`map` or `table`, not both")
        if self.otherwise is not None and self.rows is None:
            raise ValueError("`else` belongs to `map`")
        return self


Value = Annotated[ValueModel, BeforeValidator(lambda given: {"text": given} if isinstance(given, str) else given)]


def compile_value(model: ValueModel, names: Names, tables: Tables) -> Reading:
    """What reads it.

    Args:
        model: as written.
        names: what its expressions may read.
        tables: the options' tables.

    Raises:
        QueryError: an expression is written wrongly, or there is no such table.
    """
    if model.source is None:
        return _text(model.text or "", names)
    reading: Reading = names.query(model.source).read
    if model.rows is not None:
        reading = _mapped(reading, model.rows, model.otherwise, model.source)
    if model.table is not None:
        if model.table not in names.tables:
            known = ", ".join(sorted(names.tables)) or "none"
            raise QueryError(f"there is no table '{model.table}'; there are: {known}")
        reading = _listed(reading, tables.get(model.table, {}))
    if model.kind is not None:
        reading = _typed(reading, model.kind, model.source)
    return reading


def _text(text: str, names: Names) -> Reading:
    if text.startswith("="):
        return names.query(text[1:].strip()).read
    parts: list[str | Query] = []
    position = 0
    for match in _PARTS.finditer(text):
        parts.append(text[position : match.start()])
        position = match.end()
        if match[0] in ("{{", "}}"):
            parts.append(match[0][0])
        elif match[1] is not None:
            parts.append(names.query(match[1].strip()))
        else:
            raise QueryError(f"'{text}': a brace stands alone; write {{{{ or }}}} for a brace itself")
    parts.append(text[position:])
    constant = "".join(part for part in parts if isinstance(part, str))
    if all(isinstance(part, str) for part in parts):
        return lambda _scope: constant
    return lambda scope: "".join(part if isinstance(part, str) else _inside(part, scope) for part in parts)


def _inside(query: Query, scope: Mapping[str, Json]) -> str:
    found = shown(query.read(scope))
    if found is None:
        raise AnswerError("C183", f"'{query.text}' is null, a list or an object, inside a text")
    return found


def _mapped(reading: Reading, rows: Mapping[str, str], otherwise: str | None, source: str) -> Reading:
    starts = sorted((key[:-1] for key in rows if key.endswith("*")), key=len, reverse=True)

    def row_of(key: str) -> str | None:
        if key in rows:
            return rows[key]
        start = next((start for start in starts if key.startswith(start)), None)
        return otherwise if start is None else rows[start + "*"]

    def read(scope: Mapping[str, Json]) -> Json:
        found = reading(scope)
        key = shown(found)
        row = otherwise if key is None else row_of(key)
        if row is None and found is not None:
            raise AnswerError(
                "C183", f"'{source}' is '{str(found)[:80]}', for which there is no row", "add one, or `else`"
            )
        return row

    return read


def _listed(reading: Reading, table: Mapping[str, str]) -> Reading:
    rows = {key.lower(): value for key, value in table.items()}

    def read(scope: Mapping[str, Json]) -> Json:
        found = reading(scope)
        key = shown(found)
        return found if key is None else rows.get(key.lower(), key)

    return read


def _typed(reading: Reading, kind: str, source: str) -> Reading:
    def read(scope: Mapping[str, Json]) -> Json:
        found = reading(scope)
        if found is None:
            return None
        made = _TYPED[kind](found)
        if made is None:
            raise AnswerError("C183", f"'{source}' is '{str(found)[:80]}', which is no {kind}", _TYPED_HINT[kind])
        return made

    return read


def _as_integer(value: Json) -> Json:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    # A fraction is a text in here, but never digits alone.
    return str(int(value)) if isinstance(value, str) and _INTEGER.fullmatch(value) else None


def _as_bool(value: Json) -> Json:
    return (
        value
        if isinstance(value, bool)
        else {"true": True, "false": False}.get(value if isinstance(value, str) else "")
    )


_TYPED: Final[Mapping[str, Callable[[Json], Json]]] = {
    "integer": _as_integer,
    "bool": _as_bool,
    "text": lambda value: shown(str(value) if isinstance(value, Fraction) else value),
}
_TYPED_HINT: Final[Mapping[str, str]] = {
    "integer": "for a number with decimals write units(…, `6`), which is exact",
    "bool": "true or false are expected",
    "text": "a number or a text is expected",
}


def shown(value: Json) -> str | None:
    """A text, an integer or a truth as text; None for what has no such form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return value if isinstance(value, str) and not is_fraction(value) else None
