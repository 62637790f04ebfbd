from __future__ import annotations

import pytest

from connectors.evm.abi import AbiError, Event, Function

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


def test_a_signature_as_people_write_it_has_the_topic_that_chains_use() -> None:
    assert Event.of("event Transfer(address indexed from, address indexed to, uint value)").topic == TRANSFER


def test_a_log_is_decoded_by_name_without_rounding() -> None:
    event = Event.of("Transfer(address indexed from, address indexed to, uint256 value)")
    topics = [TRANSFER, "0x" + "0" * 24 + "AB" * 20, "0x" + "0" * 24 + "cd" * 20]
    decoded = event.decode(topics, "0x" + f"{2**256 - 1:064x}")
    assert decoded == {"from": "0x" + "ab" * 20, "to": "0x" + "cd" * 20, "value": 2**256 - 1}


def test_tuples_are_read_by_name_and_lists_in_order() -> None:
    function = Function.of("f((uint256 amount, bytes2 tag)[] orders) returns ((uint256 amount, bytes2 tag)[] orders)")
    data = function.call_data([[{"amount": "7", "tag": "0xabcd"}, {"amount": 8, "tag": "0x0001"}]])
    assert function.decode_result("0x" + data[10:]) == (
        [{"amount": 7, "tag": "0xabcd"}, {"amount": 8, "tag": "0x0001"}],
    )


def test_an_indexed_text_is_known_by_its_hash_alone() -> None:
    event = Event.of("Named(string indexed name)")
    assert event.decode([event.topic, "0x" + "11" * 32], "0x") == {"name": "0x" + "11" * 32}


@pytest.mark.parametrize(
    "text",
    ["Foo", "Foo(uint7 x)", "Foo(uint256 a, uint256 a)", "Foo(uint256", "Foo(a b c)", "Foo(uint256,)", "1x(uint256)"],
)
def test_what_is_no_signature_is_refused(text: str) -> None:
    with pytest.raises(AbiError):
        Event.of(text)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint8", "256"),
        ("uint256", "-1"),
        ("uint256", 1.0),
        ("uint256", "1e18"),
        ("uint256", True),
        ("bytes32", "0x11"),
        ("address", "0x12"),
        ("bool", "yes"),
        ("uint256[]", "1"),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_refused(kind: str, value: object) -> None:
    with pytest.raises(AbiError):
        Function.of(f"f({kind} a)").call_data([value])


def test_a_log_of_another_shape_is_not_taken_for_the_event() -> None:
    event = Event.of("Transfer(address indexed from, address indexed to, uint256 value)")
    with pytest.raises(AbiError):
        event.decode([TRANSFER, "0x" + "00" * 32, "0x" + "00" * 32, "0x" + "00" * 32], "0x")
    with pytest.raises(AbiError):
        event.decode([TRANSFER, "0x" + "00" * 32, "0x" + "00" * 32], "0x01")
