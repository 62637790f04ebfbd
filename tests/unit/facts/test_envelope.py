import pytest

from engine.errors import FactRejectedError
from engine.limits import MAX_DATA_BYTES
from engine.matching.envelope import MAX_SEQ, Envelope, parse_envelope, source_of

ASSERT = {"op": "assert", "kind": "network", "source": "rpc-eth", "data": '{"id":"ethereum"}'}


def entry(**fields: str | bytes) -> list[bytes]:
    flat: list[bytes] = []
    for name, value in fields.items():
        flat += [name.encode(), value.encode() if isinstance(value, str) else value]
    return flat


def refused(fields: list[bytes]) -> FactRejectedError:
    with pytest.raises(FactRejectedError) as caught:
        parse_envelope(fields)
    assert caught.value.hint, "a refusal says what to do instead"
    return caught.value


def test_the_documented_example_is_read() -> None:
    fields = entry(**ASSERT)
    assert parse_envelope(fields) == Envelope(
        "assert", "network", "rpc-eth", None, None, None, b'{"id":"ethereum"}', None, None, None, fields
    )


def test_every_order_of_the_fields_gives_the_same_envelope() -> None:
    more = ASSERT | {"observed_at": "1700000000000", "seq": "17", "id": "my-ref"}
    for names in (list(more), sorted(more), sorted(more, reverse=True)):
        made = parse_envelope(entry(**{n: more[n] for n in names}))
        assert (made.op, made.kind, made.source) == ("assert", "network", "rpc-eth")
        assert (made.observed_at, made.seq, made.ref) == (1_700_000_000_000, 17, "my-ref")


@pytest.mark.parametrize("tail", [{"observed_at": "7"}, {"observed_at": "7", "seq": "8"}, {"seq": "8"}, {"id": "r"}])
def test_optional_fields_are_read_behind_the_others(tail: dict[str, str]) -> None:
    made = parse_envelope(entry(**(ASSERT | tail)))
    assert made.observed_at == (7 if "observed_at" in tail else None)
    assert made.seq == (8 if "seq" in tail else None)
    assert made.ref == tail.get("id")


@pytest.mark.parametrize("op", ["reorg", "report", "result", "rulebase", "control"])
def test_other_operations_carry_no_kind(op: str) -> None:
    made = parse_envelope(entry(op=op, source="s", data="{}"))
    assert (made.op, made.kind) == (op, "")
    assert refused(entry(op=op, kind="network", source="s", data="{}")).code == "F110"


def test_a_retraction_is_read_like_an_assertion() -> None:
    assert parse_envelope(entry(**(ASSERT | {"op": "retract"}))).op == "retract"


@pytest.mark.parametrize("name", ["op", "kind", "source", "data"])
def test_a_missing_field_is_named(name: str) -> None:
    error = refused(entry(**{n: v for n, v in ASSERT.items() if n != name}))
    assert error.code == "F104"
    assert name in error.message


def test_a_misspelt_field_is_refused_with_the_right_name() -> None:
    error = refused(entry(**ASSERT, observedat="1"))
    assert (error.code, error.hint) == ("F102", "did you mean observed_at?")


def test_a_field_twice_is_refused() -> None:
    for fields in ([*entry(**ASSERT), b"source", b"other"], [*entry(**ASSERT), b"seq", b"1", b"seq", b"2"]):
        assert refused(fields).code == "F103"


def test_a_name_without_value_is_refused() -> None:
    assert refused([*entry(**ASSERT), b"seq"]).code == "F101"


@pytest.mark.parametrize("op", ["Assert", "asert", "", "delete", "\x00"])
def test_an_unknown_operation_is_refused(op: str) -> None:
    assert refused(entry(**(ASSERT | {"op": op}))).code == "F105"


@pytest.mark.parametrize("name", ["kind", "source"])
@pytest.mark.parametrize(
    "value", [b"", b"\xff", b"a\x00b", b"line\nbreak", "e\u0301".encode(), b"x" * 257, "\u2028".encode()]
)
def test_kind_and_source_must_be_ids(name: str, value: bytes) -> None:
    for extra in ({}, {"seq": "1"}):
        error = refused(entry(**(ASSERT | {name: value} | extra)))
        assert error.code == "F106"
        assert error.message.startswith(name)


def test_an_id_of_256_bytes_and_of_any_script_is_taken() -> None:
    assert parse_envelope(entry(**(ASSERT | {"source": "x" * 256}))).source == "x" * 256
    assert parse_envelope(entry(**(ASSERT | {"source": "Zürich 東京"}))).source == "Zürich 東京"


def test_data_is_bounded_to_the_byte() -> None:
    assert len(parse_envelope(entry(**(ASSERT | {"data": b" " * MAX_DATA_BYTES}))).data) == MAX_DATA_BYTES
    assert refused(entry(**(ASSERT | {"data": b" " * (MAX_DATA_BYTES + 1)}))).code == "F107"


def test_the_other_fields_together_are_bounded() -> None:
    error = refused(entry(**ASSERT, id="x" * 5_000))
    assert error.code == "F108"
    assert len(str(error)) < 500


@pytest.mark.parametrize("value", ["-1", "1.5", "", " 1", "1e3", "0x10", "01", "+1", "1_000", "²", "٣", "1" * 5_000])
@pytest.mark.parametrize("name", ["observed_at", "seq", "n"])
def test_a_bad_integer_is_refused(name: str, value: str) -> None:
    signed = {"writer": "w", "n": "1", "sig": "0" * 64} if name == "n" else {}
    assert refused(entry(**(ASSERT | signed | {name: value}))).code in ("F109", "F108")


def test_integers_are_taken_up_to_their_bounds() -> None:
    made = parse_envelope(entry(**ASSERT, observed_at=str(2**53 - 1), seq=str(MAX_SEQ)))
    assert (made.observed_at, made.seq) == (2**53 - 1, 2**64 - 1)
    assert refused(entry(**ASSERT, observed_at=str(2**53))).code == "F109"
    assert refused(entry(**ASSERT, seq=str(2**64))).code == "F109"


def test_a_signature_comes_whole_or_not_at_all() -> None:
    whole = {"op": "result", "source": "engine", "data": "{}", "writer": "d1", "n": "5", "sig": "ab" * 32}
    made = parse_envelope(entry(**whole))
    assert (made.writer, made.n, made.sig) == ("d1", 5, "ab" * 32)
    for name in ("writer", "n", "sig"):
        assert refused(entry(**{k: v for k, v in whole.items() if k != name})).code == "F111"
    for sig in ("AB" * 32, "ab" * 31, "zz" * 32, ""):
        assert refused(entry(**(whole | {"sig": sig}))).code == "F111"


def test_a_refused_entry_still_names_its_source() -> None:
    assert source_of([b"op", b"nonsense", b"source", b"rpc-1"]) == "rpc-1"
    assert source_of([b"source", b"\xff"]) is None
    assert source_of([b"op", b"assert", b"source"]) is None


def test_the_mapping_has_every_field_as_it_came() -> None:
    assert parse_envelope(entry(**ASSERT)).mapping() == {n: v.encode() for n, v in ASSERT.items()}
