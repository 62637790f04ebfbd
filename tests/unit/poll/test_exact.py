"""JSON and expressions over it: nothing is rounded, nothing is a float."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.poll.exact import AnswerError, Fraction, read_json
from connectors.poll.query import Query, QueryError


def query(text: str) -> Query:
    return Query(text, {"answer", "subject"}, {"subject": {"tx"}})


def value(text: str, answer: object) -> Any:  # noqa: ANN401 - JSON
    return query(text).read({"answer": answer, "subject": {"tx": "0x1"}})


def test_numbers_are_what_they_are_written_as() -> None:
    found = read_json(
        b'{"big": 115792089237316195423570985008687907853269984665640564039457584007913129639935, "f": 1.10}'
    )
    assert found["big"] == 2**256 - 1
    assert (found["f"], type(found["f"])) == ("1.10", Fraction)
    assert read_json(b"1e30") == "1e30"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": "\xff"}',
        b'{"a": 1} x',
        b"[" * 100_000,
        b"[" * 100 + b"]" * 100,
        b"9" * 5_000,
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(AnswerError, match="C180") as caught:
        read_json(body)
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        ("answer.a || subject.tx", {}, "0x1"),
        ("units(answer, `6`)", "12.5", 12_500_000),
        ("units(answer, `6`)", Fraction("123999.999999"), 123_999_999_999),
        ("units(answer, `18`)", 3, 3 * 10**18),
        ("units(answer, `0`)", Fraction("1.5e3"), 1_500),
        ("units(answer, `2`)", "-0.07", -7),
        ("units(answer, `6`)", None, None),
        ("hex(answer)", "ABcd", "0xabcd"),
        ("hex(answer)", "0xAB", "0xab"),
        ("hex(answer)", "5VERv8", None),
        ("hex(answer)", 7, None),
        ("lower_hex(answer)", "0xAB", "0xab"),
        ("lower_hex(answer)", "ibc/AB", "ibc/AB"),
        ("cut(answer, `2`)", "abc", "ab"),
        (
            "to_number(answer)",
            "115792089237316195423570985008687907853269984665640564039457584007913129639935",
            2**256 - 1,
        ),
        ("to_number(answer)", "1.5", None),
        ("to_string(answer)", Fraction("1.5"), "1.5"),
    ],
)
def test_what_expressions_say(text: str, answer: object, expected: object) -> None:
    found = value(text, answer)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("units(answer, `6`)", "0.0000001"),
        ("units(answer, `6`)", "1e-7"),
        ("units(answer, `6`)", "x"),
        ("units(answer, `6`)", True),
        ("units(answer, `6`)", [1]),
        ("units(answer, `600`)", 1),
        ("join('-', answer)", [1, 2]),
        ("contains(answer, `1`)", "abc"),
        ("sort(answer)", [1, "a"]),
        ("length(answer)", 3),
        ("answer > `5`", Fraction("9.5")),
    ],
)
def test_what_cannot_be_evaluated_is_an_error_of_that_answer(text: str, answer: object) -> None:
    with pytest.raises(AnswerError, match="C182"):
        value(text, answer)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("answer.", "no JMESPath"),
        ("", "no JMESPath"),
        ("(" * 2_000 + "a", "at most"),
        ("(" * 1_900, "no JMESPath"),
        ("avg(answer)", "no function 'avg'"),
        ("nothing(answer)", "no function 'nothing'"),
        ("answer == `1.5`", "fraction"),
        ("item.x", "'item' is not there"),
        ("status", "'status' is not there"),
        ("answer.x || subject.hash", "'subject' has no 'hash'"),
        ("join('', [subject.txhash])", "'subject' has no 'txhash'"),
    ],
)
def test_what_is_written_wrongly_is_said_at_start(text: str, said: str) -> None:
    with pytest.raises(QueryError, match=said):
        query(text)


def test_names_inside_of_lists_are_not_those_of_the_scope() -> None:
    assert value("answer[?status == 'x'].id | [0]", [{"status": "x", "id": 1}]) == 1
    assert value("map(&id, answer)", [{"id": 1}]) == [1]
