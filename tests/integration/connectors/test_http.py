"""Webhooks against receivers that behave as receivers do."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from connectors import guard as guard_module
from connectors.base import Capabilities, ConnectorContext, OutgoingCommand, SendResult, SendStatus
from connectors.guard import EgressRefusedError, Guard, Target, target_of
from connectors.http import HttpConnector, result_of, retry_after_ms
from connectors.web import Answer
from engine.errors import ConfigError, Retry
from tests.support.receiver import HANG, RESET, Receiver, Request, answer, receiving

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NOW_MS = 1_800_000_000_000
LOOPBACK = "127.0.0.0/8"


def command(n: int = 1, verb: str = "bridge") -> OutgoingCommand:
    return OutgoingCommand(f"c{n}", "desk", verb, '{"amount":"24873808145113565803"}', "swap.bridge", "k1", None, 1, 7)


def posting(receiver: Receiver, **options: Any) -> HttpConnector:  # noqa: ANN401 - as in the file
    url = f"http://127.0.0.1:{receiver.port}/hook?x=1"
    return HttpConnector(ConnectorContext("desk", {"url": url, "allow": [LOOPBACK], **options}))


async def sent(connector: HttpConnector, *commands: OutgoingCommand) -> list[SendResult]:
    results = [await connector.send(each) for each in commands or (command(),)]
    await connector.stop()
    return results


async def test_a_receiver_can_verify_what_it_gets_and_by_whom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_SECRET", SECRET)
    monkeypatch.setenv("DESK_TOKEN", "Bearer t")
    async with receiving() as receiver:
        (result,) = await sent(
            posting(receiver, secret_env="DESK_SECRET", headers_env={"Authorization": "DESK_TOKEN"})  # noqa: S106
        )
    assert result == SendResult(SendStatus.SENT, {"http_status": 200})
    (got,) = receiver.got
    assert got.line == "POST /hook?x=1 HTTP/1.1"
    assert got.headers["idempotency-key"] == got.headers["webhook-id"] == "c1"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["authorization"] == "Bearer t"
    signed = f"c1.{got.headers['webhook-timestamp']}.".encode() + got.body
    mac = hmac.new(bytes(range(32)), signed, hashlib.sha256).digest()
    assert got.headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
    body = json.loads(got.body)
    assert (body["command"], body["args"], body["epoch"]) == ("c1", {"amount": "24873808145113565803"}, 7)


async def test_the_receivers_own_word_counts() -> None:
    said = [b'{"status":"submitted","detail":{"tx":"0x1","fee":0.5}}', b'{"status":"refused"}', b'{"status":"odd"}']
    async with receiving(lambda n, request: answer(200, said[n - 1])) as receiver:
        results = await sent(posting(receiver, success="done"), command(1), command(2), command(3))
    assert [r.status for r in results] == [SendStatus.SUBMITTED, SendStatus.REFUSED, SendStatus.DONE]
    assert results[0].detail["answer"] == {"tx": "0x1", "fee": "0.5"}


@pytest.mark.parametrize(
    ("status", "expected", "retry"),
    [
        (202, SendStatus.SENT, Retry.NEVER),
        (302, SendStatus.UNKNOWN, Retry.NEVER),
        (307, SendStatus.FAILED, Retry.LATER),
        (400, SendStatus.REFUSED, Retry.NEVER),
        (404, SendStatus.REFUSED, Retry.NEVER),
        (408, SendStatus.UNKNOWN, Retry.LATER),
        (409, SendStatus.UNKNOWN, Retry.LATER),
        (422, SendStatus.REFUSED, Retry.NEVER),
        (425, SendStatus.FAILED, Retry.LATER),
        (429, SendStatus.FAILED, Retry.LATER),
        (500, SendStatus.UNKNOWN, Retry.LATER),
        (501, SendStatus.REFUSED, Retry.NEVER),
        (503, SendStatus.UNKNOWN, Retry.LATER),
    ],
)
def test_what_an_answer_says_of_the_command(status: int, expected: SendStatus, retry: Retry) -> None:
    found = result_of(Answer(status, {"retry-after": "2"}, b"", was_cut=False), SendStatus.SENT, NOW_MS)
    assert (found.status, found.retry) == (expected, retry)
    assert found.after_ms == (2_000 if retry is Retry.LATER else 0)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 407, 410])
def test_a_shut_door_says_nothing_of_an_earlier_try(status: int) -> None:
    shut = Answer(status, {}, b"", was_cut=False)
    assert result_of(shut, SendStatus.SENT, NOW_MS, attempt=1).status is SendStatus.REFUSED
    later = result_of(shut, SendStatus.SENT, NOW_MS, attempt=2)
    assert (later.status, later.retry) == (SendStatus.FAILED, Retry.LATER)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", 7_000),
        ("99999999999", 3_600_000),
        ("Fri, 15 Jan 2027 08:00:05 GMT", 5_000),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0),
        ("soon", 0),
        ("-1", 0),
    ],
)
def test_how_long_a_receiver_asks_to_be_left_alone(text: str, expected: int) -> None:
    assert retry_after_ms({"retry-after": text}, NOW_MS) == expected


@pytest.mark.parametrize(("status", "expected"), [(302, SendStatus.UNKNOWN), (308, SendStatus.FAILED)])
async def test_a_redirect_to_loopback_is_not_followed(status: int, expected: SendStatus) -> None:
    async with receiving() as inner:
        there = f"http://127.0.0.1:{inner.port}/"
        async with receiving(lambda n, request: answer(status, Location=there)) as outer:
            (result,) = await sent(posting(outer))
    assert result.status is expected
    assert inner.got == []


async def test_one_that_hangs_may_have_acted_and_is_asked_again() -> None:
    async with receiving(lambda n, request: HANG if n == 1 else answer(200)) as receiver:
        first, second = await sent(posting(receiver, timeout_ms="100"), command(), command())
    assert (first.status, first.retry) == (SendStatus.UNKNOWN, Retry.LATER)
    assert first.detail["code"] == "N111"
    assert second.status is SendStatus.SENT
    assert receiver.ids == ["c1"]


async def test_one_that_resets_after_applying_is_asked_again_under_the_same_id() -> None:
    async with receiving(lambda n, request: RESET if n == 1 else answer(200)) as receiver:
        first, second = await sent(posting(receiver), command(), command())
    assert (first.status, first.retry) == (SendStatus.UNKNOWN, Retry.LATER)
    assert second.status is SendStatus.SENT
    assert (len(receiver.got), receiver.ids) == (2, ["c1"])


async def test_where_nobody_listens_nothing_has_left() -> None:
    async with receiving() as receiver:
        pass
    (result,) = await sent(posting(receiver))
    assert (result.status, result.retry, result.detail["code"]) == (SendStatus.FAILED, Retry.LATER, "N110")


async def test_an_endless_answer_is_cut() -> None:
    async with receiving(lambda n, request: answer(400, b"x" * 100_000)) as receiver:
        (result,) = await sent(posting(receiver, max_answer_bytes="1000"))
    assert result.status is SendStatus.REFUSED
    assert result.detail["reason"] == "x" * 500


async def test_loopback_is_refused_unless_it_is_named() -> None:
    async with receiving() as receiver:
        (result,) = await sent(posting(receiver, allow=["10.0.0.0/8"]))
    assert (result.status, result.retry, result.detail["code"]) == (SendStatus.FAILED, Retry.LATER, "N101")
    assert receiver.got == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "0.0.0.0",  # noqa: S104 - an address to be refused
        "224.0.0.1",
        "100.64.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "localhost",
    ],
)
async def test_addresses_that_are_not_public_are_refused(host: str) -> None:
    with pytest.raises(EgressRefusedError, match="N101"):
        await Guard().address_of(Target("https", host, 443))


async def test_public_addresses_are_reached_over_tls_alone() -> None:
    assert await Guard().address_of(Target("https", "93.184.215.14", 443)) == "93.184.215.14"
    with pytest.raises(EgressRefusedError, match="N102"):
        await Guard().address_of(Target("http", "93.184.215.14", 80))
    assert await Guard(["93.184.215.0/24"]).address_of(Target("http", "93.184.215.14", 80)) == "93.184.215.14"


async def test_a_name_is_resolved_once_and_its_tls_name_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name's second answer would lead elsewhere; the connection goes where the first, checked one led."""
    looks: list[str] = []
    resolve = guard_module._resolve

    async def changing(target: Target) -> list[guard_module.Address]:
        looks.append(target.host)
        return await resolve(Target(target.scheme, "127.0.0.1" if len(looks) == 1 else "127.0.0.9", target.port))

    monkeypatch.setattr(guard_module, "_resolve", changing)
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example.com").configure_cert(tls)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    async with receiving(tls=tls) as receiver:
        options = {"allow": [LOOPBACK], "ca_file": str(ca_file)}
        for host, expected in (("hooks.example.com", SendStatus.SENT), ("other.example.com", SendStatus.FAILED)):
            looks.clear()
            url = f"https://{host}:{receiver.port}/"
            (result,) = await sent(HttpConnector(ConnectorContext("desk", {"url": url, **options})))
            assert (result.status, looks) == (expected, [host])
    (got,) = receiver.got
    assert got.headers["host"] == f"hooks.example.com:{receiver.port}"


async def test_many_at_once_reach_the_receiver_each_under_its_id() -> None:
    async with receiving() as receiver:
        connector = posting(receiver)
        results = await asyncio.gather(*(connector.send(command(n)) for n in range(30)))
        await connector.stop()
    assert {r.status for r in results} == {SendStatus.SENT}
    assert receiver.ids == sorted(f"c{n}" for n in range(30))


async def test_verbs_have_urls_of_their_own() -> None:
    def said(n: int, request: Request) -> bytes:
        return answer(200)

    async with receiving(said) as receiver:
        base = f"http://127.0.0.1:{receiver.port}"
        options = {"verbs": {"bridge": f"{base}/b", "swap": f"{base}/s"}, "allow": [LOOPBACK]}
        connector = HttpConnector(ConnectorContext("desk", options))
        assert connector.capabilities == Capabilities(verbs=frozenset({"bridge", "swap"}))
        await sent(connector, command(1, "swap"), command(2, "bridge"))
    assert [r.line for r in receiver.got] == ["POST /s HTTP/1.1", "POST /b HTTP/1.1"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "C164"),
        ({"url": "ftp://x/"}, "C161"),
        ({"url": "https://me:pw@x/"}, "C161"),
        ({"url": "https://x:99999/"}, "C161"),
        ({"url": "https://x/", "allow": ["10.0.0.1/8"]}, "C160"),
        ({"url": "https://x/", "allow": "10.0.0.0/8"}, "C163"),
        ({"url": "https://x/", "odd": "1"}, "C163"),
        ({"url": "https://x/", "secret_env": "NOT_SET_ANYWHERE"}, "C165"),
        ({"url": "https://x/", "secret_env": "SHORT"}, "C166"),
        ({"url": "https://x/", "ca_file": "/no/such/file"}, "C162"),
    ],
)
def test_wrong_options_are_refused_with_a_hint(
    options: dict[str, Any], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORT", "whsec_c2hvcnQ=")
    with pytest.raises(ConfigError) as caught:
        HttpConnector(ConnectorContext("desk", options))
    assert caught.value.code == code
    assert caught.value.hint
    assert "pw" not in str(caught.value)


def test_a_url_keeps_its_port_and_host() -> None:
    assert target_of("https://[2001:db8::1]/x", "t") == Target("https", "2001:db8::1", 443)
