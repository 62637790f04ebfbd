from typing import Any

import pytest

from engine.errors import FactRejectedError
from engine.limits import MAX_LIST_ITEMS, MAX_TEXT_CHARS, MAX_UINT256
from engine.matching.decoders import KindDecoder, to_json
from engine.matching.strict_json import canonical
from engine.model.kinds import ENGINE_KINDS, Field, Kind, Type, Value

NETWORK = Kind(
    "network",
    (
        Field("id", Type("id")),
        Field("height", Type("int")),
        Field("base_fee", Type("wei")),
        Field("block_hash", Type("hash"), optional=True),
        Field("state", Type("enum", options=("open", "closed")), default="open"),
        Field("note", Type("text"), default=""),
    ),
    key=("id",),
    order=("height",),
    ttl_ms=60_000,
)
GOOD: dict[str, Any] = {"id": "ethereum", "height": 21_000_000, "base_fee": "29000000000"}


def of_type(type_: Type, optional: bool = False) -> KindDecoder:
    return KindDecoder(Kind("k", (Field("x", type_, optional),), key=("x",), ttl_ms=1))


def decode_one(type_: Type, value: object) -> Value:
    return of_type(type_).decode(canonical({"x": value}).encode())[0]


def refusal_of(type_: Type, value: object) -> FactRejectedError:
    with pytest.raises(FactRejectedError) as caught:
        decode_one(type_, value)
    assert "k.x" in caught.value.message
    assert caught.value.hint
    assert len(str(caught.value)) < 600
    return caught.value


def refused(decoder: KindDecoder, fields: dict[str, Any]) -> FactRejectedError:
    with pytest.raises(FactRejectedError) as caught:
        decoder.decode(canonical(fields).encode())
    return caught.value


def test_the_documented_fact_becomes_a_tuple_in_field_order() -> None:
    values = KindDecoder(NETWORK).decode(canonical(GOOD).encode())
    assert values == ("ethereum", 21_000_000, 29_000_000_000, None, "open", "")


def test_the_order_of_keys_in_json_does_not_matter() -> None:
    decoder = KindDecoder(NETWORK)
    backwards = '{"base_fee":"1","note":"n","height":7,"block_hash":"0xAB","id":"x"}'
    assert decoder.decode(backwards.encode()) == ("x", 7, 1, "0xab", "open", "n")


def test_a_missing_field_is_named_with_its_type() -> None:
    error = refused(KindDecoder(NETWORK), {"id": "x", "height": 1})
    assert (error.code, error.message, error.hint) == ("F220", "network: missing base_fee", "base_fee is wei")


def test_a_misspelt_field_is_answered_with_the_right_name() -> None:
    decoder = KindDecoder(NETWORK)
    for fields in (GOOD | {"hieght": 1}, {"id": "x", "hieght": 1, "base_fee": "1"}):
        error = refused(decoder, fields)
        assert (error.code, error.hint) == ("F221", "did you mean height?")


def test_many_or_long_unknown_fields_give_a_short_message() -> None:
    error = refused(KindDecoder(NETWORK), GOOD | {f"{'z' * 500}{i}": 1 for i in range(50)})
    assert error.code == "F221"
    assert len(str(error)) < 600


def test_null_is_absent_for_an_optional_field_and_an_error_otherwise() -> None:
    decoder = KindDecoder(NETWORK)
    assert decoder.decode(canonical(GOOD | {"block_hash": None}).encode())[3] is None
    for name in ("id", "height", "base_fee", "state", "note"):
        error = refused(decoder, GOOD | {name: None})
        assert error.code == "F222"
        assert f"network.{name}" in error.message


@pytest.mark.parametrize("name", ["uint256", "amount", "wei"])
def test_amounts_are_decimal_strings(name: str) -> None:
    assert decode_one(Type(name), "0") == 0
    assert decode_one(Type(name), "18446744073709551617") == 2**64 + 1
    assert decode_one(Type(name), str(MAX_UINT256)) == MAX_UINT256
    assert refusal_of(Type(name), str(MAX_UINT256 + 1)).code == "F226"
    assert refusal_of(Type(name), "9" * 79).code == "F226"
    assert refusal_of(Type(name), "9" * 60_000).code == "F226"


@pytest.mark.parametrize("number", [0, 1, 29_000_000_000, 2**70, -1])
def test_an_amount_as_json_number_is_refused_with_the_string_to_send(number: int) -> None:
    error = refusal_of(Type("wei"), number)
    assert error.code == "F224"
    assert f'"{number}"' in error.hint
    assert "rounded" in error.hint


@pytest.mark.parametrize(
    "text",
    ["", "007", "00", "-1", "+1", "1.5", "1e18", "1_000", " 1", "1 ", "0x10", "٣", "\uff11", "²", "NaN", "1\n", "--1"],
)
def test_what_only_looks_like_a_decimal_string_is_refused(text: str) -> None:
    for name in ("uint256", "amount", "wei"):
        assert refusal_of(Type(name), text).code == "F225"


@pytest.mark.parametrize("text", ["", "007", "-0", "-007", "+1", "1.5", " 1", "1_0", "٣", "--1", "-"])
def test_a_signed_decimal_string_is_as_strict(text: str) -> None:
    assert refusal_of(Type("int"), text).code == "F225"


def test_an_int_is_a_safe_json_integer_or_a_decimal_string() -> None:
    for number in (0, -1, 2**53 - 1, -(2**53 - 1)):
        assert decode_one(Type("int"), number) == number
        assert decode_one(Type("int"), str(number)) == number
    assert decode_one(Type("int"), str(2**255 - 1)) == 2**255 - 1
    assert decode_one(Type("int"), str(-(2**255))) == -(2**255)
    assert refusal_of(Type("int"), str(2**255)).code == "F226"
    for number in (2**53, -(2**53), 10**30):
        assert refusal_of(Type("int"), number).code == "F224"
    for wrong in (True, False, [1], {"a": 1}):
        assert refusal_of(Type("int"), wrong).code == "F223"


@pytest.mark.parametrize("name", ["bps", "ppm", "timestamp", "duration"])
def test_rates_and_times_are_not_negative(name: str) -> None:
    assert decode_one(Type(name), 0) == 0
    assert decode_one(Type(name), "10000") == 10_000
    assert decode_one(Type(name), 2**53 - 1) == 2**53 - 1
    assert refusal_of(Type(name), -1).code == "F226"
    assert refusal_of(Type(name), str(2**53)).code == "F226"
    assert refusal_of(Type(name), "-1").code == "F225"


def test_a_fraction_is_refused_before_any_type_sees_it() -> None:
    with pytest.raises(FactRejectedError) as caught:
        KindDecoder(NETWORK).decode(b'{"id":"x","height":1.0,"base_fee":"1"}')
    assert caught.value.code == "F205"


@pytest.mark.parametrize("value", ["", "a\x00", "tab\t", "\x7f", "\u0085", "e\u0301", "x" * 257, "é" * 129])
def test_what_cannot_be_an_id_is_refused(value: str) -> None:
    assert refusal_of(Type("id"), value).code == "F227"


@pytest.mark.parametrize("value", ["a", "x" * 256, "é" * 128, "eip155:1/erc20:0xA0b8", "with space", "東京"])
def test_an_id_is_kept_byte_for_byte(value: str) -> None:
    assert decode_one(Type("id"), value) == value


@pytest.mark.parametrize("name", ["id", "text", "hash", "address", "quantity", "enum"])
@pytest.mark.parametrize("value", [1, True, [], {}, ["a"]])
def test_text_types_take_nothing_but_text(name: str, value: object) -> None:
    assert refusal_of(Type(name, options=("a",)), value).code == "F223"


def test_text_is_bounded() -> None:
    assert decode_one(Type("text"), "é" * MAX_TEXT_CHARS) == "é" * MAX_TEXT_CHARS
    assert decode_one(Type("text"), "") == ""
    assert refusal_of(Type("text"), "x" * (MAX_TEXT_CHARS + 1)).code == "F228"


@pytest.mark.parametrize("name", ["hash", "address"])
def test_hex_is_kept_in_lower_case(name: str) -> None:
    assert decode_one(Type(name), "0xABcdef") == "0xabcdef"
    assert decode_one(Type(name), "0XAB") == "0xab"
    assert decode_one(Type(name), "0xb") == "0xb"
    for wrong in ("0x", "ab", "0xg1", "", "0x ab", "0xab\n", "0x" + "a" * 300, "0x\uff11"):
        assert refusal_of(Type(name), wrong).code == "F229"


def test_a_quantity_is_ethereum_hex() -> None:
    assert decode_one(Type("quantity"), "0x1a") == 26
    assert decode_one(Type("quantity"), "0x0") == 0
    assert decode_one(Type("quantity"), "0x" + "0" * 62 + "1A") == 26
    assert decode_one(Type("quantity"), hex(MAX_UINT256)) == MAX_UINT256
    for wrong in ("26", "0x", "0x_1", "-0x1", hex(MAX_UINT256 + 1), "0x1g"):
        assert refusal_of(Type("quantity"), wrong).code == "F229"


def test_an_enum_takes_its_options_alone() -> None:
    type_ = Type("enum", options=("open", "closed"))
    assert decode_one(type_, "closed") == "closed"
    error = refusal_of(type_, "Open")
    assert (error.code, error.hint) == ("F230", "one of open, closed")


def test_a_bool_is_not_a_word_or_number() -> None:
    assert decode_one(Type("bool"), True) is True
    assert decode_one(Type("bool"), False) is False
    for wrong in (0, 1, "true", "no"):
        assert refusal_of(Type("bool"), wrong).code == "F223"


def test_a_list_holds_one_type_and_names_the_bad_item() -> None:
    type_ = Type("list", item=Type("uint256"))
    assert decode_one(type_, ["1", "2"]) == (1, 2)
    assert decode_one(type_, []) == ()
    error = refusal_of(type_, ["1", 2])
    assert error.code == "F224"
    assert "k.x[1]" in error.message
    assert refusal_of(type_, "1").code == "F223"
    assert refusal_of(type_, [None]).code == "F222"
    assert refusal_of(type_, ["1"] * (MAX_LIST_ITEMS + 1)).code == "F231"


def test_json_is_carried_as_canonical_text() -> None:
    assert decode_one(Type("json"), {"b": [1, "x"], "a": None}) == '{"a":null,"b":[1,"x"]}'
    assert decode_one(Type("json"), "text") == '"text"'
    assert decode_one(Type("json"), 0) == "0"
    assert refusal_of(Type("json"), {"a": [2**53]}).code == "F224"
    with pytest.raises(FactRejectedError) as caught:
        of_type(Type("json")).decode(b'{"x":{"a":1,"a":2}}')
    assert caught.value.code == "F204"


def test_names_that_look_like_code_stay_names() -> None:
    hostile = ('"] + quit()', "v0", "data", "'", "\\", "def", "日本")
    kind = Kind('k"', tuple(Field(n, Type("int")) for n in hostile), key=(hostile[0],), ttl_ms=1)
    decoder = KindDecoder(kind)
    values = tuple(range(len(hostile)))
    assert decoder.decode(canonical(dict(zip(hostile, values, strict=True))).encode()) == values
    assert decoder.decode(decoder.to_json(values).encode()) == values


def test_a_kind_of_128_fields_decodes() -> None:
    kind = Kind("wide", tuple(Field(f"f{i}", Type("int"), i % 2 == 1) for i in range(128)), key=("f0",), ttl_ms=1)
    decoder = KindDecoder(kind)
    given = {f"f{i}": i for i in range(0, 128, 2)}
    assert decoder.decode(canonical(given).encode())[126:] == (126, None)


def test_a_retraction_has_the_key_and_perhaps_the_order() -> None:
    decoder = KindDecoder(NETWORK)
    assert decoder.decode_retract(b'{"id":"ethereum"}') == (("ethereum",), None)
    assert decoder.decode_retract(b'{"height":"5","id":"ethereum"}') == (("ethereum",), (5,))
    for data, code in (
        (b'{"id":"e","note":"x"}', "F232"),
        (b'{"id":"e","hite":1}', "F221"),
        (b'{"height":5}', "F220"),
        (b"{}", "F220"),
        (b'{"id":7}', "F223"),
        (b'{"id":"e","height":null}', "F222"),
        (b"[]", "F203"),
    ):
        with pytest.raises(FactRejectedError) as caught:
            decoder.decode_retract(data)
        assert caught.value.code == code


def test_a_retraction_with_part_of_the_order_is_refused() -> None:
    fields = tuple(Field(n, Type("int")) for n in ("a", "b", "h", "i", "v"))
    decoder = KindDecoder(Kind("k", fields, key=("b", "a"), order=("h", "i"), ttl_ms=1))
    assert decoder.decode_retract(b'{"a":1,"b":2,"i":4,"h":3}') == ((2, 1), (3, 4))
    with pytest.raises(FactRejectedError) as caught:
        decoder.decode_retract(b'{"a":1,"b":2,"h":3}')
    assert caught.value.code == "F232"


def test_an_order_field_that_may_be_absent_may_be_absent_in_a_retraction() -> None:
    fields = (Field("a", Type("int")), Field("h", Type("int")), Field("i", Type("int"), optional=True))
    decoder = KindDecoder(Kind("k", fields, key=("a",), order=("h", "i"), ttl_ms=1))
    assert decoder.decode_retract(b'{"a":1,"h":2}') == ((1,), (2, None))
    assert decoder.decode_retract(b'{"a":1,"h":2,"i":null}') == ((1,), (2, None))
    assert decoder.decode_retract(b'{"a":1,"h":2,"i":3}') == ((1,), (2, 3))
    assert decoder.decode_retract(b'{"a":1}') == ((1,), None)
    with pytest.raises(FactRejectedError) as caught:
        decoder.decode_retract(b'{"a":1,"i":3}')
    assert caught.value.code == "F232"


def test_an_order_that_is_part_of_the_key_needs_no_second_mention() -> None:
    fields = tuple(Field(n, Type("int")) for n in ("a", "h", "i"))
    decoder = KindDecoder(Kind("k", fields, key=("a", "h"), order=("h",), ttl_ms=1))
    assert decoder.decode_retract(b'{"a":1,"h":2}') == ((1, 2), (2,))
    decoder = KindDecoder(Kind("k", fields, key=("a", "h"), order=("h", "i"), ttl_ms=1))
    assert decoder.decode_retract(b'{"a":1,"h":2}') == ((1, 2), None)
    assert decoder.decode_retract(b'{"a":1,"h":2,"i":3}') == ((1, 2), (2, 3))


def test_key_and_order_are_picked_in_their_own_order() -> None:
    fields = tuple(Field(n, Type("int")) for n in ("a", "b", "h"))
    decoder = KindDecoder(Kind("k", fields, key=("b", "a"), order=("h",), ttl_ms=1))
    assert decoder.key_of((1, 2, 3)) == (2, 1)
    assert decoder.order_of((1, 2, 3)) == (3,)
    assert KindDecoder(ENGINE_KINDS["schedule"]).order_of(("s", 1, True)) == ()


def test_computed_values_are_checked_like_those_of_senders() -> None:
    decoder = KindDecoder(NETWORK)
    made = decoder.from_values({"id": "e", "height": 2**60, "base_fee": 5, "block_hash": "0xAB"})
    assert made == ("e", 2**60, 5, "0xab", "open", "")
    good: dict[str, Value] = {"id": "e", "height": 1, "base_fee": 5}
    bad: list[tuple[dict[str, Value], str]] = [
        ({"base_fee": -1}, "F226"),
        ({"base_fee": MAX_UINT256 + 1}, "F226"),
        ({"base_fee": "5"}, "F223"),
        ({"height": True}, "F223"),
        ({"height": 2**255}, "F226"),
        ({"id": ""}, "F227"),
        ({"id": None}, "F222"),
        ({"state": "ajar"}, "F230"),
        ({"nothing": 1}, "F221"),
    ]
    for change, code in bad:
        with pytest.raises(FactRejectedError) as caught:
            decoder.from_values(good | change)
        assert caught.value.code == code
    with pytest.raises(FactRejectedError) as caught:
        decoder.from_values({"id": "e"})
    assert caught.value.code == "F220"


def test_computed_json_and_lists_are_checked_too() -> None:
    assert of_type(Type("json")).from_values({"x": '{"b":1, "a":2}'}) == ('{"a":2,"b":1}',)
    assert of_type(Type("list", item=Type("bps"))).from_values({"x": (1, 2)}) == ((1, 2),)
    for type_, value, code in (
        (Type("json"), "{", "F202"),
        (Type("list", item=Type("bps")), (1, -2), "F226"),
        (Type("list", item=Type("bps")), ("1",), "F223"),
    ):
        with pytest.raises(FactRejectedError) as caught:
            of_type(type_).from_values({"x": value})
        assert caught.value.code == code


def test_values_are_written_as_the_wire_wants_them() -> None:
    values = ("ethereum", 2**53, 29_000_000_000, None, "open", 'say "é"')
    text = '{"id":"ethereum","height":"9007199254740992","base_fee":"29000000000","state":"open","note":"say \\"é\\""}'
    assert to_json(NETWORK, values) == text
    assert KindDecoder(NETWORK).decode(text.encode()) == values


def test_facts_of_the_engine_s_own_kinds_are_read_back_as_they_were_written() -> None:
    plain: dict[str, Value] = {"id": "x", "int": 1, "uint256": 2, "timestamp": 3, "bool": True}
    for kind in ENGINE_KINDS.values():
        decoder = KindDecoder(kind)
        row = {field.name: plain.get(field.type.name) or field.type.options[0] for field in kind.fields}
        values = decoder.from_values(row)
        assert values == tuple(row.values())
        assert decoder.decode(decoder.to_json(values).encode()) == values
