"""How an API is asked: at its pace, conditionally, and ever more slowly while it does not answer well."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.support.polling import START_MS, Clocks, Stand, asked_for, polling, saying
from tests.support.receiver import HANG, RESET, Request, answer
from tests.unit.poll.samples import lifi, lifi_receiving

PENDING = lifi("PENDING", "WAIT_DESTINATION_TRANSACTION")
DONE = lifi("DONE", "COMPLETED", lifi_receiving())


def pending(n: int, request: Request) -> bytes:
    return saying(PENDING)


def incidents(stand: Stand) -> dict[str, tuple[bool, str]]:
    """By id: whether it is open, and its code."""
    return {
        each["id"].removeprefix("api:"): (each["open"], each["reason"].split()[0])
        for each in stand.notebook.facts("incident")
    }


async def test_each_subject_is_asked_about_at_once_and_then_at_its_pace(clocks: Clocks, tmp_path: Path) -> None:
    async with polling(clocks, tmp_path, pending) as stand:
        await stand.track(tx="0x1")
        await stand.track(tx="0x2", from_chain=1)
        assert [asked_for(r) for r in stand.receiver.got] == ["0x1", "0x2"]
        assert asked_for(stand.receiver.got[1], "fromChain") == "1"
        assert await stand.after(999) == 0
        assert await stand.after(1) == 2
        assert await stand.after(2_500) == 2
    got = stand.receiver.got[0]
    assert got.line == "GET /v1/status?txHash=0x1 HTTP/1.1"
    assert (got.headers["accept"], got.headers["user-agent"], got.body) == ("application/json", "lockstep", b"")


async def test_what_stays_the_same_is_told_again_with_each_answer_so_that_it_does_not_age(
    clocks: Clocks, tmp_path: Path
) -> None:
    async with polling(clocks, tmp_path, pending) as stand:
        await stand.track(tx="0x1")
        assert stand.notebook.observed_at_ms("transfer") == START_MS
        await stand.after(1_000)
        assert stand.notebook.observed_at_ms("transfer") == START_MS + 1_000
        assert stand.notebook.said("assert", "transfer")[0] == stand.notebook.said("assert", "transfer")[1]


async def test_what_stays_the_same_is_told_less_often_on_request(clocks: Clocks, tmp_path: Path) -> None:
    async with polling(clocks, tmp_path, lambda n, r: saying(PENDING if n < 9 else DONE), renew="5s") as stand:
        await stand.track(tx="0x1")
        for _ in range(7):
            await stand.after(1_000)
        assert len(stand.notebook.said("assert", "transfer")) == 2
        await stand.after(1_000)
        assert len(stand.notebook.said("assert", "transfer")) == 3, "what changed is told at once"


@pytest.mark.parametrize(
    ("sent", "asked", "value"),
    [("ETag", "if-none-match", '"v7"'), ("Last_Modified", "if-modified-since", "Fri, 15 Jan 2027 08:00:00 GMT")],
)
async def test_not_modified_says_the_same_again(
    clocks: Clocks, tmp_path: Path, sent: str, asked: str, value: str
) -> None:
    def script(n: int, request: Request) -> bytes:
        if request.headers.get(asked) == value:
            return answer(304)
        return answer(200, json.dumps(PENDING).encode(), **{sent: value})

    async with polling(clocks, tmp_path, script) as stand:
        await stand.track(tx="0x1")
        assert asked not in stand.receiver.got[0].headers
        await stand.after(1_000)
        await stand.after(1_000)
        assert [r.headers.get(asked) for r in stand.receiver.got[1:]] == [value, value]
        assert len(stand.notebook.said("assert", "transfer")) == 3
        assert stand.notebook.observed_at_ms("message") == START_MS + 2_000
        await stand.restart()
        assert asked not in stand.receiver.got[3].headers, "what a former life read is read anew"


async def test_not_modified_without_being_asked_says_nothing(clocks: Clocks, tmp_path: Path) -> None:
    async with polling(clocks, tmp_path, lambda n, r: answer(304)) as stand:
        await stand.track(tx="0x1")
        assert incidents(stand) == {"about:0x1": (True, "C184")}
        assert stand.notebook.facts("message") == []


async def test_retry_after_is_kept_to_for_all_subjects(clocks: Clocks, tmp_path: Path) -> None:
    script = [answer(429, Retry_After="30"), answer(429, Retry_After="30")]
    async with polling(clocks, tmp_path, lambda n, r: script[n - 1] if n <= 2 else saying(PENDING)) as stand:
        await stand.track(tx="0x1")
        await stand.track(tx="0x2")
        assert len(stand.receiver.got) == 1
        assert await stand.after(29_999) == 0
        assert await stand.after(1) == 1, "one request shows whether it is well"
        assert incidents(stand) == {"api": (True, "C186")}
        assert await stand.after(29_999) == 0
        assert stand.notebook.facts("message") == []
        assert await stand.after(1) == 2
        assert incidents(stand) == {"api": (False, "well")}


@pytest.mark.parametrize("bad", [answer(500), answer(503, b"<html>"), answer(401), RESET, HANG])
async def test_an_api_that_does_not_answer_well_is_asked_ever_more_slowly(
    clocks: Clocks, tmp_path: Path, bad: bytes
) -> None:
    is_well = False
    async with polling(clocks, tmp_path, lambda n, r: saying(PENDING) if is_well else bad, back_off_cap="8s") as stand:
        await stand.track(tx="0x1")
        for wait_ms in (2_000, 4_000, 8_000, 8_000):
            assert await stand.after(wait_ms - 1) == 0
            assert await stand.after(1) == 1
        assert incidents(stand) == {"api": (True, "C186")}
        assert len(stand.notebook.said("assert", "incident")) == 1, "told once"
        assert stand.notebook.facts("message") == [], "nothing is told meanwhile"
        is_well = True
        await stand.after(8_000)
        assert await stand.after(1_000) == 1, "well again, at its pace again"
        assert incidents(stand) == {"api": (False, "well")}


async def test_what_was_told_ages_while_the_api_is_away(clocks: Clocks, tmp_path: Path) -> None:
    async with polling(clocks, tmp_path, lambda n, r: saying(PENDING) if n == 1 else answer(502)) as stand:
        await stand.track(tx="0x1")
        for _ in range(5):
            await stand.after(60_000)
        assert stand.notebook.fact("message")["state"] == "verified"
        assert stand.notebook.observed_at_ms("message") == START_MS


async def test_an_incident_that_stays_is_told_again_each_hour_and_closed_by_another_life(
    clocks: Clocks, tmp_path: Path
) -> None:
    async with polling(clocks, tmp_path, lambda n, r: answer(500) if n < 6 else saying(PENDING)) as stand:
        await stand.track(tx="0x1")
        await stand.after(2_000)
        await stand.after(3_000_000)
        assert len(stand.notebook.said("assert", "incident")) == 1
        await stand.after(600_000)
        assert len(stand.notebook.said("assert", "incident")) == 2
        await stand.restart()
        assert incidents(stand) == {"api": (True, "C186")}
        await stand.after(600_000)
        assert incidents(stand) == {"api": (False, "well")}


async def test_one_hiccup_is_no_incident(clocks: Clocks, tmp_path: Path) -> None:
    async with polling(clocks, tmp_path, lambda n, r: answer(500) if n == 1 else saying(PENDING)) as stand:
        await stand.track(tx="0x1")
        await stand.after(2_000)
        assert stand.notebook.facts("incident") == []
        assert stand.notebook.fact("message")["state"] == "verified"


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (answer(200, b"<html>503</html>"), "C180"),
        (answer(200, b""), "C180"),
        (answer(200, b'{"status":"PENDING","status":"DONE"}'), "C180"),
        (answer(200, b'{"a":"' + b"x" * 20_000 + b'"}'), "C180"),
        (answer(200, b"[1]"), "C181"),
        (saying({"status": "ok"}), "C181"),
        (saying(lifi("DONE", "COMPLETED", lifi_receiving(amount="1.5"))), "C183"),
        (answer(400, b'{"message":"Not an EVM Transaction","code":1011}'), "C184"),
        (answer(302, Location="http://127.0.0.1:1/"), "C184"),
    ],
)
async def test_an_answer_that_does_not_fit_says_nothing_and_holds_up_no_other_subject(
    clocks: Clocks, tmp_path: Path, bad: bytes, code: str
) -> None:
    is_bad = True

    def script(n: int, request: Request) -> bytes:
        return bad if asked_for(request) == "0xbad" and is_bad else saying(PENDING)

    async with polling(clocks, tmp_path, script, max_answer_bytes="10000") as stand:
        await stand.track(tx="0xbad", intent="I7")
        await stand.track(tx="0x1")
        for _ in range(6):
            await stand.after(1_000)
        asked = [asked_for(r) for r in stand.receiver.got]
        assert (asked.count("0x1"), asked.count("0xbad")) == (7, 3), "and is asked about more slowly"
        assert [each["id"] for each in stand.notebook.facts("message")] == ["0x1"]
        assert incidents(stand) == {"about:0xbad": (True, code)}
        assert stand.notebook.fact("incident")["intent"] == "I7"
        assert len(stand.notebook.said("assert", "incident")) == 1
        is_bad = False
        await stand.after(8_000)
        assert incidents(stand) == {"about:0xbad": (False, "well")}
        assert len(stand.notebook.facts("message")) == 2


async def test_an_answer_that_drips_is_cut_off(clocks: Clocks, tmp_path: Path) -> None:
    dripping: list[asyncio.Task[None] | None] = []

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dripping.append(asyncio.current_task())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 100000\r\n\r\n")
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with polling(clocks, tmp_path, pending, base_url=f"http://127.0.0.1:{port}") as stand:
        await stand.track(tx="0x1")
        await stand.after(2_000)
        assert incidents(stand) == {"api": (True, "C186")}
        assert "300 ms" in stand.notebook.fact("incident")["reason"]
    server.close()
    await asyncio.gather(*(task for task in dripping if task is not None))
    assert len(dripping) == 2


async def test_no_more_requests_are_under_way_than_may_be(clocks: Clocks, tmp_path: Path) -> None:
    seen: list[int] = []
    async with polling(clocks, tmp_path, lambda n, r: saying(PENDING), at_once="3") as stand:
        polling_life = stand.connector._polling
        assert polling_life is not None
        stand.receiver.script = lambda n, r: seen.append(polling_life._in_flight) or saying(PENDING)  # type: ignore[func-returns-value]
        for number in range(20):
            await stand.track(tx=f"0x{number}")
        assert await stand.after(1_000) == 20
    assert max(seen) == 3


async def test_a_place_that_may_not_be_connected_to_is_told_and_nothing_leaves(clocks: Clocks, tmp_path: Path) -> None:
    async with polling(clocks, tmp_path, pending, allow=[]) as stand:
        await stand.track(tx="0x1")
        await stand.after(2_000)
        assert stand.receiver.got == []
        assert "N101" in stand.notebook.fact("incident")["reason"]


async def test_keys_go_along_from_the_environment(
    clocks: Clocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIFI_KEY", "k1")
    async with polling(clocks, tmp_path, pending, headers_env={"x-lifi-api-key": "LIFI_KEY"}) as stand:
        await stand.track(tx="0x1")
    assert stand.receiver.got[0].headers["x-lifi-api-key"] == "k1"
