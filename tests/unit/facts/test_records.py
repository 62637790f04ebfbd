import json

import pytest

from engine.model.journal import StreamId
from engine.model.records import (
    CLAIM,
    TOMBSTONE,
    ClaimRecord,
    decode_claim,
    decode_removed_block,
    encode_claim,
    encode_removed_block,
    fact_field,
    fact_kind,
    parse_fact_field,
    removed_block_field,
)

AT = StreamId(1_700_000_000_000, 3)


def test_a_claim_s_name_is_canonical_json() -> None:
    assert fact_field("network", ("ethereum",)) == b'["network",["ethereum"]]'
    assert fact_field("price", ("é", 7, True), "rpc-1") == '["price",["é",7,true],"rpc-1"]'.encode()


@pytest.mark.parametrize(
    ("kind", "key", "source"),
    [
        ("network", ("ethereum",), None),
        ("k", ("1", 1), None),
        ("k", (1, "1"), "s"),
        ("k", (True, 1, 0, False), None),
        ("k", ('q"uote', "back\\slash", "],["), '","'),
        ("k", (2**256 - 1,), "源"),
        ("k", (), None),
    ],
)
def test_a_claim_s_name_is_read_back_with_its_types(kind: str, key: tuple[str | int, ...], source: str | None) -> None:
    field = fact_field(kind, key, source)
    assert fact_kind(field) == kind
    back = parse_fact_field(field)
    assert back == (kind, key, source)
    assert [type(v) for v in back[1]] == [type(v) for v in key]
    assert field.decode() == json.dumps(json.loads(field), ensure_ascii=False, separators=(",", ":"))


def test_text_and_number_of_one_look_have_different_names() -> None:
    names = {fact_field("k", key) for key in (("1",), (1,), (True,), ("true",), ("1", "2"), ('1","2',))}
    assert len(names) == 6


@pytest.mark.parametrize("field", [b"{}", b"[]", b'["k"]', b'["k",["a"],1]', b'["k",[1.5]]', b'["k",[null]]', b"x"])
def test_what_is_no_name_is_refused(field: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_fact_field(field)


@pytest.mark.parametrize("seq", [None, 0, 2**64 - 1])
@pytest.mark.parametrize("source", ["rpc-1", ",", '"', '","data":{"x":', 'a","data":', "\\", "源"])
@pytest.mark.parametrize("data", [b'{"a":1}', b' { "data": {"data":1} }\n', '{"é":"}"}'.encode(), b""])
def test_a_claim_is_read_back_as_it_was(seq: int | None, source: str, data: bytes) -> None:
    record = encode_claim(5, seq, AT, source, data)
    assert decode_claim(record) == ClaimRecord(5, seq, AT, source, data, CLAIM, None)


def test_a_record_is_json_with_the_sender_s_words_in_it() -> None:
    record = encode_claim(5, 7, AT, "rpc-1", b'{"id": "x"}')
    assert json.loads(record) == {
        "at": 5,
        "seq": 7,
        "position": "1700000000000-3",
        "source": "rpc-1",
        "data": {"id": "x"},
    }
    assert record.endswith(b'{"id": "x"}}')


def test_a_tombstone_says_until_when_it_stands() -> None:
    record = decode_claim(encode_claim(5, None, AT, "s", b'{"id":"x","height":3}', TOMBSTONE, 3_600_005))
    assert (record.role, record.until_ms, record.data) == (TOMBSTONE, 3_600_005, b'{"id":"x","height":3}')


@pytest.mark.parametrize("record", [b"", b"{}", b'{"at":1}', b'{"at":1,"position":"1-2","source":"s","data":'])
def test_what_is_no_record_is_refused(record: bytes) -> None:
    with pytest.raises(ValueError, match="not the record"):
        decode_claim(record)


def test_a_removed_block_is_remembered_under_a_name_no_kind_can_have() -> None:
    field = removed_block_field("ethereum", "0xab")
    assert parse_fact_field(field) == ("!removed", ("ethereum", "0xab"), None)
    assert decode_removed_block(encode_removed_block(99, AT)) == (99, AT)
