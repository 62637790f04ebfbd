"""Verbs described in the configuration, and what becomes of a command's arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.base import OutgoingCommand
from connectors.evm.abi import AbiError, Event, Function, keccak_hex
from connectors.evm.calls import Call, Deed, compile_calls
from connectors.evm.chain import Log
from connectors.evm.said import Sent
from connectors.evm.sending_options import parse_sending
from engine.errors import ConfigError

TOKEN = "0x5FbDB2315678afecb367f032d93F642f64180aa3"  # noqa: S105 - a contract's address
ME = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
OTHER = "0x" + "ab" * 20
SENT = Sent("CMD", ME, TOKEN, 0, "0x")


def compiled(call: dict[str, Any], contract: dict[str, Any] | None = None) -> Call:
    options = {
        "key": {"env": "K"},
        "fees": {"max_fee": "1 gwei", "max_priority": "1"},
        "contracts": {"token": {"address": TOKEN} | (contract or {})},
        "calls": {"act": call},
    }
    return compile_calls(parse_sending("eth", options), "connector 'eth': options.send")["act"]


def command(args: dict[str, Any], **changes: Any) -> OutgoingCommand:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {"id": "CMD", "connector": "eth", "verb": "act", "args": json.dumps(args), "rule": "r"}
    return OutgoingCommand(**fields | changes)


def data(signature: str, *values: object) -> str:
    return Function.of(signature).call_data(values)


def test_arguments_come_from_the_command_by_dotted_names() -> None:
    call = compiled(
        {
            "contract": "token",
            "function": "transfer(address to, uint256 amount)",
            "args": {"amount": "out.min", "to": "out.recipient"},
        }
    )
    deed = call.deed(command({"out": {"recipient": OTHER, "min": "24873808145113565803"}}), ME)
    assert deed == Deed(TOKEN, 0, data("transfer(address,uint256)", OTHER, 24873808145113565803))


def test_arguments_may_be_literals_the_sender_the_command_and_its_expiry() -> None:
    call = compiled(
        {
            "contract": TOKEN,
            "function": "swap(address[] path, address to, uint256 until, bytes32 ref, string note, (bool a, int8 b) c)",
            "args": {
                "path": [{"literal": TOKEN}, "asset"],
                "to": "@sender",
                "until": "@expires",
                "ref": "@command",
                "note": "@command",
                "c": {"a": {"literal": "true"}, "b": "b"},
            },
            "value": "wei",
        }
    )
    deed = call.deed(command({"asset": OTHER, "b": "-128", "wei": "5"}, expires_ms=1_700_000_000_999), ME)
    expected = data(
        "swap(address[],address,uint256,bytes32,string,(bool a,int8 b))",
        [TOKEN, OTHER],
        ME,
        1_700_000_000,
        keccak_hex(b"CMD"),
        "CMD",
        {"a": True, "b": -128},
    )
    assert deed == Deed(TOKEN, 5, expected)


def test_arguments_may_stand_in_order() -> None:
    call = compiled({"contract": "token", "function": "f(uint256, address)", "args": ["n", "@sender"]})
    assert call.deed(command({"n": 3}), ME).data == data("f(uint256,address)", 3, ME)


def test_a_transfer_takes_its_wei_from_the_command_or_a_literal_with_a_unit() -> None:
    call = compiled({"to": "to", "value": {"literal": "0.05 ether"}})
    assert call.deed(command({"to": OTHER.lower()}), ME).value == 5 * 10**16
    call = compiled({"to": {"literal": OTHER}, "value": "amount"})
    assert call.deed(command({"amount": str(2**200)}), ME).value == 2**200


@pytest.mark.parametrize("wei", ["1.5", "1 ether", "-1", "", "007", True, 1.5, str(1 << 256), None, ["1"]])
def test_wei_that_a_command_gives_are_a_whole_number_and_nothing_else(wei: object) -> None:
    call = compiled({"to": {"literal": OTHER}, "value": "amount"})
    with pytest.raises(ValueError, match=r"wei|nothing"):
        call.deed(command({"amount": wei}), ME)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint256", "1_000"),
        ("uint256", " 1"),
        ("uint256", "1e3"),
        ("uint256", "01"),
        ("uint8", 256),
        ("int8", "-129"),
        ("uint256", True),
        ("bool", 1),
        ("bytes4", "12345678"),
        ("bytes4", "0x123456"),
        ("bytes", "0x123"),
        ("address", ME[:-1] + "9"),
        ("address", 5),
        ("uint256[2]", ["1"]),
        ("uint256[]", "1"),
        ("string", 5),
        ("(uint256 a)", {"b": "1"}),
    ],
)
def test_what_does_not_fit_its_parameter_is_refused(kind: str, value: object) -> None:
    call = compiled({"contract": "token", "function": f"f({kind} x)", "args": ["x"]})
    with pytest.raises(AbiError):
        call.deed(command({"x": value}), ME)


def test_an_expiry_that_is_asked_for_must_be_there() -> None:
    call = compiled({"contract": "token", "function": "f(uint256 until)", "args": ["@expires"]})
    with pytest.raises(ValueError, match="never expires"):
        call.deed(command({}), ME)


def test_an_abi_file_names_functions_events_and_errors(tmp_path: Path) -> None:
    pair = {"type": "tuple[]", "name": "pairs", "components": [{"type": "address", "name": "a"}]}
    abi = [
        {"type": "constructor", "inputs": []},
        {"type": "function", "name": "f", "inputs": [pair, {"type": "uint256", "name": "n"}]},
        {"type": "event", "name": "E", "inputs": [{"type": "address", "name": "who", "indexed": True}]},
        {"type": "error", "name": "No", "inputs": [{"type": "uint256", "name": "code"}]},
    ]
    for content in (abi, {"abi": abi}):
        (tmp_path / "abi.json").write_text(json.dumps(content))
        call = compiled(
            {"contract": "token", "function": "f", "args": ["pairs", "n"], "events": {"seen": {"event": "E"}}},
            {"abi": str(tmp_path / "abi.json")},
        )
        assert call.function is not None
        assert call.function.canonical == "f((address)[],uint256)"
        assert [error.canonical for error in call.errors] == ["No(uint256)"]
        assert call.events[0].event.topic == Event.of("E(address indexed who)").topic


GOOD = {"contract": "token", "function": "f(uint256 n)", "args": {"n": "n"}}


@pytest.mark.parametrize(
    ("call", "contract", "words"),
    [
        (GOOD | {"function": "f(uint7 n)"}, {}, "calls.act: 'f(uint7 n)'"),
        (GOOD | {"function": "f"}, {}, "has no function 'f'"),
        (GOOD | {"contract": "tokne"}, {}, "no contract 'tokne'"),
        (GOOD | {"contract": "0x12"}, {}, "no address"),
        (GOOD | {"args": {}}, {}, "parameter 'n' of f(uint256) is not given"),
        (GOOD | {"args": {"n": "n", "m": "m"}}, {}, "no parameter 'm'"),
        (GOOD | {"args": ["a", "b"]}, {}, "takes 1, 2 are given"),
        (GOOD | {"args": {"n": "not a name"}}, {}, "args.n: 'not a name'"),
        (GOOD | {"args": {"n": {"literal": "1.5"}}}, {}, "'1.5' is no whole number"),
        (GOOD | {"value": {"literal": "1.5 wei"}}, {}, "no whole number of wei"),
        (GOOD | {"errors": ["No("]}, {}, "'No('"),
        (GOOD | {"events": {"seen": {"event": "E"}}}, {}, "has no event 'E'"),
        (GOOD, {"address": TOKEN[:-1] + "4"}, "contracts.token: '0x5FbDB"),
        (GOOD, {"abi": "nowhere.json"}, "contracts.token: abi: nowhere.json"),
        ({"to": "to", "value": "1 gwei"}, {}, "value: '1 gwei'"),
        ({"contract": "token"}, {}, "calls.act: `contract` and `function`"),
        ({"to": "to"}, {}, "calls.act: a transfer has"),
        (GOOD | {"gass": "1"}, {}, "calls.act.gass: there is no such option"),
        (GOOD | {"gas": "1.5"}, {}, "calls.act.gas: '1.5'"),
    ],
)
def test_a_wrong_description_is_an_error_with_its_place(
    call: dict[str, Any], contract: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match="C141") as caught:
        compiled(call, contract)
    assert words in caught.value.message
    assert caught.value.message.startswith("connector 'eth': options.send.")
    assert caught.value.hint


def test_of_a_receipt_the_configured_events_of_the_right_contract_are_told() -> None:
    call = compiled(GOOD | {"events": {"moved": {"event": "Moved(address indexed to, uint256 amount, string note)"}}})
    topic = call.events[0].event.topic
    to = "0x" + "00" * 12 + "ab" * 20
    content = "0x" + data("f(uint256,string)", str(2**255), "x" * 5_000)[10:]
    right = Log(TOKEN.lower(), (topic, to), content)
    other_contract = Log(OTHER, (topic, to), content)
    liar = Log(TOKEN.lower(), (topic, to), "0x00")
    other_event = Log(TOKEN.lower(), ("0x" + "11" * 32,), "0x")
    told = call.said([other_contract, liar, other_event, right], SENT)[0]
    assert told == {"moved": {"to": OTHER, "amount": str(2**255), "note": "x" * 1_024}}
    assert call.said([other_contract], SENT) == ({}, [])


def test_a_text_becomes_bytes_that_events_read_back_and_never_another_text() -> None:
    args = {"args": {"id": "bytes(intent)", "note": "bytes(intent)"}}
    call = compiled({"contract": "token", "function": "deposit(bytes8 id, bytes note)", **args})
    deed = call.deed(command({"intent": "swäp-1"}), ME)
    assert deed.data == data("deposit(bytes8,bytes)", "0x7377c3a4702d3100", "0x7377c3a4702d31")
    with pytest.raises(ValueError, match="'intent' has 9 bytes, and bytes8 holds 8"):
        call.deed(command({"intent": "123456789"}), ME)
    with pytest.raises(ValueError, match="ends with a zero byte"):
        call.deed(command({"intent": "I\0"}), ME)
    with pytest.raises(ConfigError, match="makes bytes of a text, and uint256 is none"):
        compiled({"contract": "token", "function": "deposit(uint256 id)", "args": {"id": "bytes(intent)"}})
    with pytest.raises(ConfigError, match="is none of"):
        compiled({"contract": "token", "function": "deposit(bytes32 id)", "args": {"id": "bytes(a b)"}})
