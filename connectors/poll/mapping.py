"""A mapping file: how one API is asked, and what its answers say as facts. Read and checked whole, at start."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from connectors.base import OptionFile
from connectors.guard import target_of
from connectors.poll.exact import AnswerError, Json
from connectors.poll.query import Query, QueryError
from connectors.poll.values import Names, Reading, Tables, Value, compile_value, shown
from engine.errors import ConfigError

#: The mappings that come along.
SHIPPED: Final = Path(__file__).parents[1] / "mappings"
_NAME: Final = r"^[a-z][a-z0-9_]{0,63}$"
_ASKING: Final = ("subject",)
_ANSWERED: Final = ("answer", "status", "subject")
_EACH: Final = (*_ANSWERED, "item", "index")
_ALL: Final = (*_ANSWERED, "items")

Status = Annotated[int, BeforeValidator(lambda text: int(text) if isinstance(text, str) and text.isdigit() else text)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Request(_Part):
    url: str
    query: dict[str, Value] = {}
    headers: dict[str, str] = {}


class _Fact(_Part):
    kind: Annotated[str, Field(pattern=_NAME)]
    when: str | None = None
    fields: Annotated[dict[str, Value], Field(min_length=1)]


class _Document(_Part):
    doc: str = ""
    request: _Request
    subject: list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}\??$")]] = []
    key: list[str] | None = None
    tables: list[Annotated[str, Field(pattern=_NAME)]] = []
    answers: list[Annotated[Status, Field(ge=300, le=499)]] = []
    expect: str | None = None
    items: str | None = None
    facts: Annotated[list[_Fact], Field(min_length=1)]
    finished: str | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """What a subject of a mapping is made of.

    Attributes:
        required: fields that it must have.
        optional: fields that it may have.
        key: fields that tell one subject from another.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of its fields."""
        return (*self.required, *self.optional)


@dataclass(frozen=True, slots=True)
class FactField:
    """One field of a fact; an optional one that is null is left out."""

    name: str
    is_optional: bool
    read: Reading


@dataclass(frozen=True, slots=True)
class FactRule:
    """A kind of fact that answers tell, when they do."""

    kind: str
    when: Query | None
    fields: tuple[FactField, ...]


@dataclass(frozen=True, slots=True)
class ApiMapping:
    """One API.

    Attributes:
        name: where it was found.
        shape: what its subjects are made of.
        origin: scheme and host that it is asked at.
        path: what follows; reads to text.
        query: parameters of the URL.
        headers: constant ones.
        statuses: HTTP statuses beside 2xx whose answers are read.
        expect: what must hold of an answer for it to be one of this API.
        items: the list in an answer of which each element is told; None: the answer itself is the one item.
        facts: what is told of each item.
        finished: that a subject need not be asked any more.
    """

    name: str
    shape: Shape
    origin: str
    path: Reading
    query: Mapping[str, Reading]
    headers: Mapping[str, str]
    statuses: frozenset[int]
    expect: Query | None
    items: Query | None
    facts: tuple[FactRule, ...]
    finished: Query | None

    def url(self, subject: Mapping[str, str], base_url: str | None = None) -> str:
        """The URL that asks for that subject.

        Raises:
            AnswerError: a part of it cannot be read from the subject (C182, C183).
        """
        scope = {"subject": subject}
        parameters = [(name, shown(reading(scope))) for name, reading in self.query.items()]
        asked = "&".join(f"{_quoted(name)}={_quoted(text)}" for name, text in parameters if text is not None)
        base = self.origin if base_url is None else base_url.rstrip("/")
        return f"{base}{self.path(scope)}" + (f"?{asked}" if asked else "")


def read_mapping(option: str, read_file: Callable[[str], OptionFile], tables: Tables, owner: str) -> ApiMapping:
    """The mapping that the option names: a shipped one, or a file.

    Args:
        option: ``lifi``, or a path that ends in ``.yaml`` or ``.yml``.
        read_file: reads it.
        tables: of the options.
        owner: for messages.

    Raises:
        ConfigError: there is none (C171), it cannot be read (C100, C101), or has mistakes: all of them, each with its
            place (C172 what it is made of, C173 expressions).
    """
    if option.endswith((".yaml", ".yml")):
        file = read_file(option)
    else:
        shipped = sorted(path.stem for path in SHIPPED.glob("*.yaml"))
        if option not in shipped:
            hint = f"shipped are {', '.join(shipped)}; a file of yours ends in .yaml"
            raise ConfigError("C171", f"{owner}: there is no mapping '{option}'", hint)
        file = read_file(str(SHIPPED / f"{option}.yaml"))
    try:
        document = _Document.model_validate(file.content)
    except ValidationError as error:
        wrong = [f"{file.place(_keys(each['loc']))}: {_told(each)}" for each in error.errors()]
        raise _mistakes("C172", owner, wrong) from error
    return _Compiler(document, file, tables, owner).compiled()


def _keys(loc: tuple[int | str, ...]) -> Sequence[int | str]:
    return [part for part in loc if part != "[key]"]


def _told(error: Any) -> str:  # noqa: ANN401 - pydantic's details
    place = ".".join(map(str, _keys(error["loc"])))
    text = "is not a known key" if error["type"] == "extra_forbidden" else error["msg"].removeprefix("Value error, ")
    return f"{place}: {text}"


def _mistakes(code: str, owner: str, wrong: Sequence[str]) -> ConfigError:
    return ConfigError(code, f"{owner}: mapping: " + "; ".join(wrong[:20]), "docs/poll.md shows a whole one")


class _Compiler:
    """Turns a document into a mapping, and gathers every mistake on the way."""

    def __init__(self, document: _Document, file: OptionFile, tables: Tables, owner: str) -> None:
        self._document = document
        self._file = file
        self._tables = tables
        self._owner = owner
        self._wrong: list[str] = []
        self._shape = self._shape_of()

    def compiled(self) -> ApiMapping:
        """The whole mapping.

        Raises:
            ConfigError: it has mistakes (C173).
        """
        document, asking = self._document, self._names(_ASKING)
        origin, path = self._url(document.request.url, asking)
        query = {
            name: self._value(value, asking, "request", "query", name) for name, value in document.request.query.items()
        }
        facts = tuple(self._fact(fact, index) for index, fact in enumerate(document.facts))
        expect = self._query(document.expect, _ANSWERED, "expect")
        items = self._query(document.items, _ANSWERED, "items")
        finished = self._query(document.finished, _ALL, "finished")
        if self._wrong:
            raise _mistakes("C173", self._owner, self._wrong)
        return ApiMapping(
            self._file.name,
            self._shape,
            origin,
            path,
            query,
            dict(document.request.headers),
            frozenset(document.answers),
            expect,
            items,
            facts,
            finished,
        )

    def _shape_of(self) -> Shape:
        given = self._document.subject
        required = tuple(name for name in given if not name.endswith("?"))
        optional = tuple(name[:-1] for name in given if name.endswith("?"))
        key = tuple(required if self._document.key is None else self._document.key)
        for name in key:
            if name not in required:
                self._note(f"'{name}' is no field that each subject has", "key")
        return Shape(required, optional, key)

    def _names(self, names: Collection[str]) -> Names:
        return Names(names, {"subject": self._shape.names}, {"networks", "assets", *self._document.tables})

    def _url(self, url: str, asking: Names) -> tuple[str, Reading]:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        try:
            target_of(origin, self._owner)
        except ConfigError as error:
            self._note(error.message, "request", "url")
        if "{" in parts.netloc or parts.query or parts.fragment:
            self._note("only the path of `url` may have {…}; parameters stand under `query`", "request", "url")
        return origin, self._path(url.removeprefix(origin) or "/", asking)

    def _path(self, path: str, asking: Names) -> Reading:
        pieces = path.replace("{", "\0{").replace("}", "}\0").split("\0")
        readings: list[str | Query] = []
        for piece in pieces:
            if piece.startswith("{") and piece.endswith("}"):
                query = self._query(piece[1:-1].strip(), asking.names, "request", "url")
                readings += [] if query is None else [query]
            else:
                readings.append(piece)

        def read(scope: Mapping[str, Json]) -> str:
            return "".join(part if isinstance(part, str) else _segment(part, scope) for part in readings)

        return read

    def _fact(self, fact: _Fact, index: int) -> FactRule:
        each = self._names(_EACH)
        fields = tuple(
            FactField(
                name.removesuffix("?"), name.endswith("?"), self._value(value, each, "facts", index, "fields", name)
            )
            for name, value in fact.fields.items()
        )
        return FactRule(fact.kind, self._query(fact.when, _EACH, "facts", index, "when"), fields)

    def _value(self, value: Value, names: Names, *keys: str | int) -> Reading:
        try:
            return compile_value(value, names, self._tables)
        except QueryError as error:
            self._note(str(error), *keys)
            return lambda _scope: None

    def _query(self, text: str | None, names: Collection[str], *keys: str | int) -> Query | None:
        if text is None:
            return None
        try:
            return self._names(names).query(text)
        except QueryError as error:
            self._note(str(error), *keys)
            return None

    def _note(self, text: str, *keys: str | int) -> None:
        self._wrong.append(f"{self._file.place(keys)}: {'.'.join(map(str, keys))}: {text}")


def _segment(query: Query, scope: Mapping[str, Json]) -> str:
    text = shown(query.read(scope))
    if not text or text in (".", ".."):
        raise AnswerError("C183", f"'{query.text}' is '{text}', which cannot stand in a URL")
    return _quoted(text)


def _quoted(text: str) -> str:
    return quote(text, safe="")
