import time

import pytest

from engine.errors import FactRejectedError
from engine.limits import MAX_DATA_BYTES, MAX_DATA_DEPTH
from engine.matching.strict_json import canonical, parse_fields, parse_object, parse_value, shown


def refused(data: bytes) -> FactRejectedError:
    found = []
    for parse in (parse_object, parse_fields):
        with pytest.raises(FactRejectedError) as caught:
            parse(data)
        found.append(caught.value)
    assert found[0].code == found[1].code
    assert found[0].hint
    assert len(str(found[0])) < 600
    return found[0]


def test_an_object_is_read_with_exact_integers() -> None:
    data = b' {"a": 18446744073709551617, "b": [true, null, "\\u00e9"], "c": {"d": -0}} \n'
    assert parse_object(data) == {"a": 2**64 + 1, "b": [True, None, "é"], "c": {"d": 0}}
    assert type(parse_object(data)["a"]) is int


@pytest.mark.parametrize("data", [b'{"a":1,"a":1}', b'{"x":{"a":1,"b":2,"a":3}}', b'{"a":1,"\\u0061":2}'])
def test_a_key_twice_is_refused_and_named(data: bytes) -> None:
    error = refused(data)
    assert error.code == "F204"
    assert '"a"' in error.message


@pytest.mark.parametrize("number", ["1.5", "1.0", "1e3", "1E-2", "-0.0", "1e400", "NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_not_an_integer_is_refused_where_it_stands(number: str) -> None:
    error = refused(b'{"note":"1.5 NaN","x":%b}' % number.encode())
    assert error.code == "F205"
    assert number in error.message
    assert "at character 22" in error.message


def test_the_hint_for_a_fraction_is_a_decimal_string() -> None:
    assert "decimal string" in refused(b'{"x":1.5}').hint


@pytest.mark.parametrize("digits", [79, 4_300, 4_301, 60_000])
def test_a_long_integer_is_refused_without_reading_it(digits: int) -> None:
    with pytest.raises(FactRejectedError) as caught:
        parse_object(b'{"x":%b}' % (b"9" * digits))
    assert caught.value.code == "F206"


def test_the_largest_integer_allowed_is_exact() -> None:
    assert parse_object(b'{"x":%d}' % (2**256 - 1)) == {"x": 2**256 - 1}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"   ",
        b"{",
        b'{"a"',
        b'{"a":}',
        b'{"a":1,}',
        b"{'a':1}",
        b"{a:1}",
        b'{"a":1}}',
        b'{"a":1} {"b":2}',
        b'{"a":1}x',
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":0x10}',
        b'{"a":"line\nbreak"}',
        b'{"a":"\\x"}',
        b'{"a":"\\u12"}',
        b'{"a":1 "b":2}',
        b'{"a":tru}',
        b"hello",
        b'{"a":"open',
        b"{/* no */}",
        b'{"a":1}\x00',
        b"\x0b{}",
    ],
)
def test_what_is_not_json_is_refused_with_a_place(data: bytes) -> None:
    error = refused(data)
    assert error.code == "F202"
    assert "character" in error.message or "empty" in error.message


@pytest.mark.parametrize("data", [b"[]", b'"text"', b"1", b"true", b"null", b"[1,2]", b" [{}]"])
def test_what_is_not_an_object_is_refused(data: bytes) -> None:
    assert refused(data).code == "F203"


@pytest.mark.parametrize("data", [b'\xef\xbb\xbf{"a":1}', b'{"a":"\xff"}', '{"a":1}'.encode("utf-16"), b'{"\xc3":1}'])
def test_what_is_not_plain_utf8_is_refused(data: bytes) -> None:
    assert refused(data).code == "F201"


def test_utf8_encoded_surrogates_are_refused() -> None:
    assert refused(b'{"a":"\xed\xa0\x80"}').code == "F201"


@pytest.mark.parametrize("text", ['{"a":"\\ud800"}', '{"a":["x",{"b":"\\uDFFF!"}]}', '{"\\ud800":1}'])
def test_half_a_surrogate_pair_is_refused(text: str) -> None:
    assert refused(text.encode()).code == "F209"


def test_a_whole_surrogate_pair_and_an_escaped_backslash_are_taken() -> None:
    assert parse_object(b'{"a":"\\ud83d\\ude00","b":"\\\\ud800"}') == {"a": "😀", "b": "\\ud800"}


def test_depth_is_bounded_to_the_level() -> None:
    inner = MAX_DATA_DEPTH - 1
    assert parse_object(b'{"a":%b%b}' % (b"[" * inner, b"]" * inner))
    assert refused(b'{"a":%b%b}' % (b"[" * (inner + 1), b"]" * (inner + 1))).code == "F207"
    assert refused(b'{"a":%b1%b}' % (b'{"a":' * (inner + 1), b"}" * (inner + 1))).code == "F207"


def test_brackets_in_text_do_not_count_as_depth() -> None:
    assert parse_object(b'{"a":"[[[[[[[[[[[[[[[[[[[[\\"[[[[{{{{","b":[]}')["b"] == []


def test_many_shallow_lists_are_taken() -> None:
    assert len(parse_object(b'{"a":[%b]}' % b",".join([b"[]"] * 1_000))["a"]) == 1_000


@pytest.mark.parametrize("data", [b'{"a":' + b"[" * 10_000, b'{"a":' * 10_000, b'{"a":' + b"[{" * 10_000])
def test_ten_thousand_levels_are_refused_cheaply(data: bytes) -> None:
    began = time.perf_counter()
    for _ in range(20):
        assert refused(data).code == "F207"
    assert time.perf_counter() - began < 1


def test_size_is_bounded_to_the_byte() -> None:
    room = MAX_DATA_BYTES - len('{"a":""}')
    assert len(parse_object(b'{"a":"%b"}' % (b"x" * room))["a"]) == room
    assert refused(b'{"a":"%b"}' % (b"x" * (room + 1))).code == "F208"


def test_canonical_text_does_not_depend_on_order_or_spaces() -> None:
    assert canonical(parse_object(b'{ "b":[1, 2], "a":"\\u00e9" }')) == '{"a":"é","b":[1,2]}'


def test_a_value_of_any_type_is_read_strictly() -> None:
    assert parse_value('"x"') == "x"
    assert parse_value("[1,2]") == [1, 2]
    for text, code in (("1.5", "F205"), ('1,"b":2', "F202"), ("1}", "F202"), ("", "F202"), ('"\ud800"', "F201")):
        with pytest.raises(FactRejectedError) as caught:
            parse_value(text)
        assert caught.value.code == code


def test_values_in_messages_are_cut_and_printable() -> None:
    assert shown("x" * 1_000).endswith("(1002 characters)")
    assert shown("\ud800").isascii()
    assert shown(2**256 - 1) == str(2**256 - 1)
