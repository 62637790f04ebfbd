"""Contracts that say no without a revert, or say something else than was asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.base import OutgoingCommand, SendStatus
from engine.errors import ConfigError
from tests.support.anvil import Anvil
from tests.support.contracts import call, compiled
from tests.support.sending import ACCOUNT, BANK, PAYEE, Desk, payment

MOVED = "Transfer(address indexed from, address indexed to, uint256 value)"


@pytest.fixture
def token(anvil: Anvil) -> str:
    return anvil.deploy(compiled("wary").creation("constructor(address,uint256)", ACCOUNT, 10_000))


def transfer(token: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - as in the file
    """The configuration of a verb that moves the token."""
    signature = "transfer(address to, uint256 value) returns (bool)"
    return {"contract": token, "function": signature, "args": {"to": "to", "value": "amount"}} | more


def moving(command: str, amount: int) -> OutgoingCommand:
    return payment(command, verb="move", args=json.dumps({"to": PAYEE, "amount": str(amount)}))


def shut(desk: Desk, token: str, it: str) -> None:
    """In a transaction that goes before all of the connector's in its block."""
    fees = {"maxPriorityFeePerGas": hex(10**11), "maxFeePerGas": hex(2 * 10**11)}
    desk.anvil.rpc("eth_sendTransaction", {"from": BANK, "to": token, "data": call("shut(bool)", it)} | fees)


def held(desk: Desk, token: str) -> int:
    answer = desk.anvil.rpc("eth_call", {"to": token, "data": call("balanceOf(address)", PAYEE)}, "latest")
    return int(answer, 16)


async def test_a_call_that_would_return_something_else_than_expected_is_refused(desk: Desk, token: str) -> None:
    desk = await desk.again(calls={"move": transfer(token, returns="true")})
    refused = await desk.send(moving("c1", 20_000))
    assert refused.status is SendStatus.REFUSED
    assert refused.detail["reason"] == "it would return False, not True"
    assert desk.notebook.notes == {}
    assert (await desk.send(moving("c2", 5_000))).status is SendStatus.SUBMITTED


async def test_a_call_that_returns_nothing_where_something_is_expected_is_refused(desk: Desk) -> None:
    mute = transfer(desk.purse, function="lower(uint256 limit) returns (bool)", args={"limit": "amount"})
    desk = await desk.again(calls={"move": mute | {"returns": "true"}})
    refused = await desk.send(moving("c1", 5))
    assert (refused.status, refused.detail["reason"]) == (
        SendStatus.REFUSED,
        "it would return 0 bytes that are no (bool)",
    )


async def test_of_several_events_the_one_of_this_command_is_told(desk: Desk, token: str) -> None:
    where = {"from": "@sender", "to": "to"}
    desk = await desk.again(
        calls={"move": transfer(token, events={"moved": {"event": MOVED, "where": where, "must": "true"}})}
    )
    await desk.send(moving("c1", 5_000))
    desk.mine()
    await desk.round()
    status, detail = desk.reports("c1")[-1]
    assert (status, detail["events"]["moved"]["value"]) == ("done", "4950")
    assert held(desk, token) == 4950


async def test_without_the_event_it_must_show_it_is_unknown_and_never_done_again(
    soon_final_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = soon_final_desk
    token = desk.anvil.deploy(compiled("wary").creation("constructor(address,uint256)", ACCOUNT, 10_000))
    event = {"event": MOVED, "where": {"to": "to"}, "must": "true"}
    desk = await desk.again(calls={"move": transfer(token, returns="true", events={"moved": event})})
    await desk.send(moving("c1", 5_000))
    shut(desk, token, "true")
    desk.mine()
    await desk.round()
    assert desk.statuses("c1")[-1] == "unknown"
    assert desk.states("c1")[-1] == "mined"
    assert "does not show: moved" in desk.reports("c1")[-1][1]["reason"]
    assert (await desk.send(moving("c1", 5_000))).status is SendStatus.UNKNOWN
    desk.mine(5)
    await desk.round()
    assert desk.states("c1")[-1] == "final"
    desk = await desk.again()
    assert (await desk.send(moving("c1", 5_000))).status is SendStatus.UNKNOWN
    assert "done" not in desk.statuses("c1")
    assert (held(desk, token), desk.used()) == (0, 1)


async def test_what_was_unknown_is_done_when_it_shows_its_event_in_another_block(desk: Desk, token: str) -> None:
    event = {"event": MOVED, "where": {"to": "to"}, "must": "true"}
    desk = await desk.again(calls={"move": transfer(token, events={"moved": event})}, gone_after="1ms")
    desk.mine(3)
    await desk.send(moving("c1", 5_000))
    shut(desk, token, "true")
    desk.mine()
    await desk.round()
    assert desk.statuses("c1")[-1] == "unknown"
    desk.anvil.reorg(1)
    await desk.round()
    desk.mine()
    await desk.round()
    assert desk.statuses("c1")[-1] == "done"
    assert held(desk, token) == 4950


async def test_a_call_that_takes_more_gas_than_it_is_given_is_refused(desk: Desk, token: str) -> None:
    desk = await desk.again(calls={"move": transfer(token, gas="22000")})
    refused = await desk.send(moving("c1", 5_000))
    assert refused.status is SendStatus.REFUSED
    assert "its `gas` is 22000" in refused.detail["reason"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"function": "transfer(address to, uint256 value)", "returns": "true"}, "say in `function` what"),
        ({"returns": "maybe"}, "returns: .*neither true nor false"),
        ({"returns": ["true", "true"]}, "1 arguments are needed, not 2"),
        ({"events": {"moved": {"event": MOVED, "where": {"amount": "value"}}}}, "no plain argument of that name"),
        ({"events": {"moved": {"event": MOVED, "where": {"to": "receiver"}}}}, "'receiver' is none of: a parameter"),
        ({"events": {"moved": {"event": MOVED, "where": {"value": {"literal": "x"}}}}}, "no whole number"),
        ({"events": {"moved": {"event": MOVED, "must": "perhaps"}}}, "neither true nor false"),
    ],
)
async def test_a_wrong_expectation_is_found_at_the_start(desk: Desk, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        await desk.again(calls={"move": transfer(PAYEE, **changed)})
    assert caught.value.code == "C141"
