"""Round trips over random kinds and values, and the promise that no input gets out but as values or as a rejection."""

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.errors import FactRejectedError
from engine.limits import MAX_DATA_DEPTH, MAX_JSON_INT, MAX_UINT256
from engine.matching.decoders import KindDecoder
from engine.matching.envelope import FIELDS, OPS, parse_envelope
from engine.matching.scalars import RANGES
from engine.matching.strict_json import canonical, parse_fields, parse_object
from engine.model.journal import StreamId
from engine.model.kinds import NUMERIC, Field, Kind, Type, Value
from engine.model.records import ROLES, ClaimRecord, decode_claim, encode_claim, fact_field, parse_fact_field
from engine.model.signing import sign, verify

OPTIONS = ("open", "closed", "é")
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
IDS = (
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=40)
    .map(lambda s: unicodedata.normalize("NFC", s))
    .filter(lambda s: 0 < len(s.encode()) <= 256)
)
SAFE_INTS = st.integers(-MAX_JSON_INT, MAX_JSON_INT)
JSON = st.recursive(
    st.none() | st.booleans() | SAFE_INTS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
HEX = st.from_regex(re.compile(r"0x[0-9a-f]{1,80}"), fullmatch=True)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "id": IDS,
    "text": TEXT,
    "bool": st.booleans(),
    "hash": HEX,
    "address": HEX,
    "enum": st.sampled_from(OPTIONS),
    "json": JSON.filter(lambda v: v is not None).map(canonical),
} | {name: st.integers(*RANGES[name]) for name in NUMERIC}

SCALAR_TYPES = st.sampled_from(sorted(VALUES)).map(lambda n: Type(n, options=OPTIONS if n == "enum" else ()))
TYPES = SCALAR_TYPES | SCALAR_TYPES.map(lambda t: Type("list", item=t))


def tried(read: Callable[[Any], Any], raw: object) -> tuple[Any, FactRejectedError | None]:
    """What it made of the input, or the rejection; anything else is a failure of the test."""
    try:
        return read(raw), None
    except FactRejectedError as error:
        return None, error


def values_of(type_: Type) -> st.SearchStrategy[Any]:
    if type_.item is not None:
        return st.lists(VALUES[type_.item.name], max_size=4).map(tuple)
    return VALUES[type_.name]


@st.composite
def kinds(draw: st.DrawFn) -> Kind:
    names = draw(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6, unique=True))
    names = [n for n in names if n.isprintable()] or ["x"]
    fields = [Field("key", Type("id"))]
    for name in names:
        type_ = draw(TYPES)
        optional = draw(st.booleans())
        default = draw(st.none() | values_of(type_)) if not optional else None
        if name != "key":
            fields.append(Field(name, type_, optional, default))
    return Kind("some.kind", tuple(fields), key=("key",), ttl_ms=1)


@st.composite
def facts(draw: st.DrawFn) -> tuple[Kind, tuple[Value, ...]]:
    kind = draw(kinds())
    return kind, tuple(draw(st.none() | values_of(f.type) if f.optional else values_of(f.type)) for f in kind.fields)


@given(facts())
def test_what_is_written_is_read_back_exactly(fact: tuple[Kind, tuple[Value, ...]]) -> None:
    kind, values = fact
    decoder = KindDecoder(kind)
    text = decoder.to_json(values)
    back = decoder.decode(text.encode())
    assert back == values
    assert [type(v) for v in back] == [type(v) for v in values]
    assert decoder.to_json(back) == text
    assert list(json.loads(text)) == [f.name for f, v in zip(kind.fields, values, strict=True) if v is not None]


@given(facts())
def test_computed_values_pass_the_check_unchanged(fact: tuple[Kind, tuple[Value, ...]]) -> None:
    kind, values = fact
    mapping = {f.name: v for f, v in zip(kind.fields, values, strict=True) if v is not None or f.optional}
    assert KindDecoder(kind).from_values(mapping) == values


@given(facts(), st.data())
def test_any_json_object_is_decoded_or_refused_with_a_code(
    fact: tuple[Kind, tuple[Value, ...]], data: st.DataObject
) -> None:
    kind, values = fact
    decoder = KindDecoder(kind)
    parsed = json.loads(decoder.to_json(values))
    name = data.draw(st.sampled_from([f.name for f in kind.fields]))
    parsed[name] = data.draw(JSON | st.integers() | st.from_regex(r"-?[0-9]{1,90}", fullmatch=True))
    raw = json.dumps(parsed).encode()
    for read in (decoder.decode, decoder.decode_retract):
        made, error = tried(read, raw)
        if error is None:
            assert "float" not in {type(v).__name__ for v in made}
        else:
            assert re.fullmatch(r"F2[0-9][0-9]", error.code)
            assert len(str(error)) < 2_000


@given(st.text(alphabet='{}[]":,\\ud8eE+-.0123456789tfnNaI \n', max_size=60) | st.text(max_size=40))
def test_strict_json_takes_what_a_strict_reading_of_json_takes_and_nothing_else(text: str) -> None:
    class Refused(Exception):
        pass

    def refuse(_: object) -> None:
        raise Refused

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len({n for n, _ in pairs}) != len(pairs):
            raise Refused
        return dict(pairs)

    expected: object
    try:
        expected = json.loads(text, parse_float=refuse, parse_constant=refuse, object_pairs_hook=once)
        json.dumps(expected, ensure_ascii=False).encode()
        text.encode()
        acceptable = isinstance(expected, dict)
    except (ValueError, Refused):
        expected, acceptable = None, False
    raw = text.encode("utf-8", "surrogatepass")
    for parse in (parse_object, parse_fields):
        try:
            assert parse(raw) == expected
        except FactRejectedError:
            assert not acceptable or deep(expected) > MAX_DATA_DEPTH
        else:
            assert acceptable


def deep(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(deep, value.values()), default=0)
    return 1 + max(map(deep, value), default=0) if isinstance(value, list) else 0


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_are_an_object(raw: bytes) -> None:
    made, error = tried(parse_object, raw)
    assert isinstance(made, dict) if error is None else error.code.startswith("F20")


@given(st.lists(st.sampled_from([*(n.encode() for n in (*FIELDS, *OPS)), b"1", b"", b"\xff", b"x" * 300]), max_size=14))
def test_any_entry_gives_an_envelope_or_a_refusal(fields: list[bytes]) -> None:
    made, error = tried(parse_envelope, fields)
    if error is None:
        assert made.mapping()["op"].decode() == made.op
    else:
        assert re.fullmatch(r"F1[0-9][0-9]", error.code)


@given(st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=8)), st.dictionaries(st.text(), st.text(max_size=8)))
def test_two_entries_share_a_signature_only_if_they_are_equal(a: dict[str, str], b: dict[str, str]) -> None:
    a.pop("sig", None)
    b = {n: v.encode("utf-8", "replace").decode() for n, v in b.items() if n.isprintable() and n != "sig"}
    secret = b"k" * 32
    assert (sign(a, secret) == sign(b, secret)) == (a == b)
    signed = a | {"writer": "w", "n": "1"}
    assert verify(signed | {"sig": sign(signed, secret)}, secret)


@given(
    st.integers(0, 2**53),
    st.none() | st.integers(0, MAX_UINT256),
    st.integers(0, 2**60),
    IDS,
    st.sampled_from(ROLES),
    st.none() | st.integers(0, 2**53),
)
def test_a_record_is_read_back_as_it_was(
    at: int, seq: int | None, n: int, source: str, role: str, until: int | None
) -> None:
    record = encode_claim(at, seq, StreamId(at, n), source, b'{"data":{}}', role, until)
    assert decode_claim(record) == ClaimRecord(at, seq, StreamId(at, n), source, b'{"data":{}}', role, until)


@given(IDS, st.lists(IDS | st.integers(0, MAX_UINT256) | st.booleans(), max_size=4), st.none() | IDS)
def test_a_claim_s_name_is_read_back_as_it_was(kind: str, key: list[Any], source: str | None) -> None:
    assert parse_fact_field(fact_field(kind, tuple(key), source)) == (kind, tuple(key), source)
