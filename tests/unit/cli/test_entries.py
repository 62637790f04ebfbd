import json

import pytest

from engine.cli.entries import EntryError, data_of, fields_of_line, read_json
from engine.model.kinds import Field, Kind, Type

KIND = Kind(
    "network",
    (
        Field("id", Type("id")),
        Field("base_fee", Type("wei")),
        Field("open", Type("bool")),
        Field("tags", Type("list", item=Type("id"))),
    ),
    ("id",),
)


def test_numbers_travel_as_text_whatever_their_size() -> None:
    assert data_of(["id=base", "base_fee=115792089237316195423570985008687907853269984665640564039457"], KIND) == {
        "id": "base",
        "base_fee": "115792089237316195423570985008687907853269984665640564039457",
    }


def test_bools_and_lists_are_typed_by_the_kind() -> None:
    assert data_of(["open=true", 'tags=["a","b"]'], KIND) == {"open": True, "tags": ["a", "b"]}


def test_an_id_named_true_stays_text() -> None:
    assert data_of(["id=true"], KIND) == {"id": "true"}


def test_without_a_kind_true_is_a_bool_and_all_else_text() -> None:
    assert data_of(["open=true", "n=5"], None) == {"open": True, "n": "5"}


def test_colon_equals_takes_json() -> None:
    assert data_of(['detail:={"a":[1,2]}', "n:=5"], None) == {"detail": {"a": [1, 2]}, "n": 5}


def test_a_value_may_hold_an_equals_sign() -> None:
    assert data_of(["id=a=b"], KIND) == {"id": "a=b"}


def test_one_json_object_is_the_data() -> None:
    assert data_of(['{"id":"x","height":9007199254740993}'], KIND) == {"id": "x", "height": 9007199254740993}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["id"], "U100"),
        (["=x"], "U100"),
        (["{nonsense"], "U101"),
        (['{"a":1.5}'], "U102"),
        (['{"a":NaN}'], "U102"),
        (['{"a":1,"a":2}'], "U103"),
        (["a=1", "a=2"], "U103"),
        (["open=yes"], "U104"),
    ],
)
def test_what_is_no_field_is_refused_with_its_code(words: list[str], code: str) -> None:
    with pytest.raises(EntryError) as caught:
        data_of(words, KIND)
    assert caught.value.code == code
    assert caught.value.hint


def test_integers_of_any_size_are_read_exactly() -> None:
    assert read_json("18446744073709551617") == 18446744073709551617


def test_a_line_becomes_the_fields_of_an_entry() -> None:
    line = b'{"kind":"quote","data":{"id":"q","out":"12"},"source":"rpc","observed_at":1700,"seq":3,"op":"retract"}'
    fields = fields_of_line(line, 1, "facts.jsonl")
    assert json.loads(fields.pop("data")) == {"id": "q", "out": "12"}
    assert fields == {"op": "retract", "source": "rpc", "kind": "quote", "observed_at": "1700", "seq": "3"}


def test_absent_optional_fields_are_left_out() -> None:
    assert fields_of_line(b'{"kind":"k","data":{}}', 1, "f").keys() == {"op", "source", "kind", "data"}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"[]", "U105"),
        (b'{"kind":"k"}', "U105"),
        (b'{"kind":"k","data":{},"sauce":1}', "U106"),
        (b'{"kind":"k","data":{},"op":"rulebase"}', "U107"),
        (b'{"data":{}}', "U108"),
        (b"\xff", "U101"),
    ],
)
def test_a_bad_line_is_refused_with_its_place(line: bytes, code: str) -> None:
    with pytest.raises(EntryError) as caught:
        fields_of_line(line, 7, "facts.jsonl")
    assert caught.value.code == code
    assert "facts.jsonl:7: " in caught.value.message
