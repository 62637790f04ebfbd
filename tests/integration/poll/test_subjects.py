"""What is asked about: noted durably, once, and until it has come to an end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Observation, SendResult, SendStatus
from connectors.poll import subjects as subjects_module
from engine.errors import LeaseLostError, Retry
from tests.support.believing import BelievingNotebook, CutOffError
from tests.support.polling import START_MS, Clocks, asked_for, polling, saying
from tests.support.receiver import Request, answer
from tests.unit.poll.samples import CIRCLE_NOT_FOUND, circle_message, circle_pending, lifi, lifi_receiving

PENDING = lifi("PENDING", "WAIT_DESTINATION_TRANSACTION")
DONE = lifi("DONE", "COMPLETED", lifi_receiving())


def pending(n: int, request: Request) -> bytes:
    return saying(PENDING)


async def test_a_tracked_transfer_is_told_from_its_departure_to_its_arrival(clocks: Clocks, tmp_path: Path) -> None:
    said = [lifi("NOT_FOUND"), PENDING, DONE]
    async with polling(clocks, tmp_path, lambda n, r: saying(said[min(n, 3) - 1])) as stand:
        await stand.track(tx="0x1", intent="I1")
        assert stand.notebook.fact("message")["state"] == "unknown"
        await stand.after(1_000)
        assert stand.notebook.fact("transfer")["state"] == "in_flight"
        await stand.after(1_000)
        transfer = stand.notebook.fact("transfer")
        assert (transfer["state"], transfer["amount"], transfer["intent"]) == ("arrived", "9965731", "I1")
        assert await stand.after(60_000) == 0, "it need not be asked about any more"
        assert not [name for name in stand.notebook.notes if name.startswith("subject:")]
        await stand.restart()
        assert len(stand.receiver.got) == 3


async def test_a_burn_is_waited_for_until_it_is_attested(clocks: Clocks, tmp_path: Path) -> None:
    said = [
        saying(CIRCLE_NOT_FOUND, 404),
        answer(404, b"<html>not found</html>"),
        saying({"messages": []}),
        saying({"messages": [circle_pending("insufficient_fee")]}),
        saying({"messages": [circle_message()]}),
    ]
    async with polling(clocks, tmp_path, lambda n, r: said[n - 1], mapping="circle") as stand:
        await stand.track(tx="0x1", domain=0)
        for _ in range(3):
            assert (stand.notebook.fact("message")["state"], stand.notebook.fact("message")["attested"]) == (
                "sent",
                False,
            )
            await stand.after(1_000)
        assert stand.notebook.fact("message")["reason"] == "insufficient_fee"
        await stand.after(1_000)
        assert stand.notebook.fact("message")["state"] == "verified"
        assert await stand.after(10_000) == 0
        assert stand.notebook.facts("incident") == []
    assert stand.receiver.got[0].line == "GET /v2/messages/0?transactionHash=0x1 HTTP/1.1"


async def test_the_same_command_again_changes_nothing(clocks: Clocks, tmp_path: Path) -> None:
    async with polling(clocks, tmp_path, pending) as stand:
        for _ in range(3):
            result = await stand.command("track", "c1", tx="0x1")
            assert result.status is SendStatus.DONE
        assert len(stand.receiver.got) == 1
        await stand.command("untrack", "c2", tx="0x1")
        await stand.command("track", "c1", tx="0x1")
        assert await stand.after(5_000) == 0, "an old command that comes again does not undo a newer one"
        await stand.restart()
        await stand.command("track", "c1", tx="0x1")
        assert await stand.after(5_000) == 0, "nor in another life"
        assert (await stand.connector.recall("c1")).status is SendStatus.DONE
        assert (await stand.connector.recall("c9")).status is SendStatus.FAILED


async def test_a_send_that_was_cut_off_while_it_noted_is_answered_for(clocks: Clocks, tmp_path: Path) -> None:
    class Slow(BelievingNotebook):
        goes_on = asyncio.Event()

        async def write(self, notes: Mapping[str, str | None], observations: Sequence[Observation] = ()) -> None:
            await self.goes_on.wait()
            await super().write(notes, observations)

    async with polling(clocks, tmp_path, pending) as stand:
        slow = stand.context_notebook = Slow()
        await stand.restart()
        cut = asyncio.create_task(stand.command("track", "c1", tx="0x1"))
        recalls: list[asyncio.Task[SendResult]] = []
        for _ in range(5):
            await asyncio.sleep(0)
            recalls.append(asyncio.create_task(stand.connector.recall("c1")))
        cut.cancel()
        await asyncio.gather(cut, return_exceptions=True)
        slow.goes_on.set()
        assert (await stand.connector.recall("c1")).status is SendStatus.DONE
        assert (await asyncio.gather(*recalls))[-1].status is SendStatus.DONE
        assert "subject:0x1" in slow.notes
        assert await stand.after(1_000) == 1


async def test_subjects_survive_and_are_told_again_as_they_were(clocks: Clocks, tmp_path: Path) -> None:
    async with polling(clocks, tmp_path, pending) as stand:
        await stand.track(tx="0x1", intent="I1", from_chain="1")
        await stand.restart()
        assert len(stand.receiver.got) == 2
        assert stand.receiver.got[0].line == stand.receiver.got[1].line
        first, second = stand.notebook.said("assert", "transfer")
        assert first == second


@pytest.mark.parametrize("cut_at", range(4))
async def test_a_death_at_any_write_loses_no_subject_and_no_end(clocks: Clocks, tmp_path: Path, cut_at: int) -> None:
    said = [PENDING, PENDING, DONE]
    async with polling(clocks, tmp_path, lambda n, r: saying(said[min(n, 3) - 1])) as stand:
        stand.notebook.cut_at = cut_at
        try:
            await stand.track(tx="0x1")
        except CutOffError:
            stand.notebook.cut_at = None
            await stand.restart()
            assert (await stand.connector.recall("c1")).status is SendStatus.FAILED
            await stand.track(tx="0x1")
        for _ in range(4):
            assert stand.watching is not None
            if stand.watching.done():
                assert isinstance(stand.watching.exception(), BaseExceptionGroup | CutOffError)
                stand.notebook.cut_at = None
                await stand.restart()
            await stand.after(1_000)
        assert stand.notebook.fact("transfer")["state"] == "arrived"
        assert not [name for name in stand.notebook.notes if name.startswith("subject:")]


async def test_what_is_not_tracked_any_more_is_not_asked_about(clocks: Clocks, tmp_path: Path) -> None:
    async with polling(clocks, tmp_path, pending) as stand:
        await stand.track(tx="0x1")
        await stand.track(tx="0x2")
        await stand.command("untrack", tx="0x1")
        assert await stand.after(1_000) == 1
        assert (await stand.command("untrack", tx="0x9")).status is SendStatus.DONE


async def test_an_incident_about_a_subject_goes_with_it(clocks: Clocks, tmp_path: Path) -> None:
    async with polling(clocks, tmp_path, lambda n, r: answer(400)) as stand:
        await stand.track(tx="0x1")
        assert stand.notebook.fact("incident")["open"] is True
        await stand.command("untrack", tx="0x1")
        await stand.after(1_000)
        assert stand.notebook.fact("incident")["open"] is False
        assert not [name for name in stand.notebook.notes if name.startswith("incident:")]


async def test_tracking_again_with_other_fields_takes_the_place_of_the_first(clocks: Clocks, tmp_path: Path) -> None:
    async with polling(clocks, tmp_path, pending) as stand:
        await stand.track(tx="0x1", intent="I1")
        await stand.track(tx="0x1", intent="I2")
        assert await stand.after(1_000) == 1
        assert stand.notebook.fact("message")["intent"] == "I2"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "missing: tx"),
        ({"tx": ""}, "missing: tx"),
        ({"hash": "0x1"}, "unknown: hash; missing: tx"),
        ({"tx": "0x1", "amout": "1"}, "unknown: amout"),
        ({"tx": ["0x1"]}, "'tx' is neither"),
        ({"tx": True}, "'tx' is neither"),
        ({"tx": "x" * 300}, "longer than 256"),
    ],
)
async def test_what_is_no_subject_is_refused_with_a_reason(
    clocks: Clocks, tmp_path: Path, args: dict[str, Any], said: str
) -> None:
    async with polling(clocks, tmp_path, pending) as stand:
        result = await stand.command("track", **args)
        assert (result.status, result.detail["code"]) == (SendStatus.REFUSED, "C190")
        assert said in result.detail["reason"]
        assert stand.receiver.got == []


async def test_no_more_are_tracked_than_may_be(clocks: Clocks, tmp_path: Path) -> None:
    async with polling(clocks, tmp_path, pending, max_subjects="2") as stand:
        await stand.track(tx="0x1")
        await stand.track(tx="0x2")
        result = await stand.command("track", tx="0x3")
        assert (result.status, result.retry, result.detail["code"]) == (SendStatus.FAILED, Retry.LATER, "C191")
        await stand.track(tx="0x2", intent="I2")
        await stand.command("untrack", tx="0x1")
        await stand.track(tx="0x3")


async def test_only_so_many_commands_are_remembered(
    clocks: Clocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subjects_module, "KEEP_COMMANDS", 3)
    async with polling(clocks, tmp_path, pending) as stand:
        for number in range(6):
            await stand.track(tx=f"0x{number}")
        assert sorted(name for name in stand.notebook.notes if name.startswith("command:")) == [
            "command:c4",
            "command:c5",
            "command:c6",
        ]


async def test_one_that_never_ends_is_given_up_without_being_called_failed(clocks: Clocks, tmp_path: Path) -> None:
    async with polling(clocks, tmp_path, pending, give_up_after="1h") as stand:
        await stand.track(tx="0x1", intent="I1")
        await stand.after(3_600_000)
        assert await stand.after(1_000) == 0
        assert stand.notebook.fact("message")["state"] == "verified"
        incident = stand.notebook.fact("incident")
        assert (incident["id"], incident["open"], incident["intent"]) == ("api:about:0x1", True, "I1")
        assert incident["reason"].startswith("C187")
        await stand.restart()
        assert await stand.after(1_000) == 0


async def test_fixed_subjects_are_asked_about_for_ever(clocks: Clocks, tmp_path: Path) -> None:
    said = saying(DONE)
    async with polling(clocks, tmp_path, lambda n, r: said, subjects=[{"tx": "0x1"}], give_up_after="1h") as stand:
        assert len(stand.receiver.got) == 1
        assert await stand.after(7_200_000) == 1
        assert await stand.after(1_000) == 1


async def test_an_api_that_is_asked_about_nothing_in_particular_takes_no_commands(
    clocks: Clocks, tmp_path: Path
) -> None:
    (tmp_path / "gas.yaml").write_text(
        """
request: {url: https://gas.example.com/v1/fees}
facts:
  - kind: network
    fields: {id: base, base_fee: "=units(answer.gwei, `9`)", height: =answer.block}
"""
    )
    gas = saying({"gwei": "0.013", "block": 7})
    async with polling(clocks, tmp_path, lambda n, r: gas, mapping="gas.yaml") as stand:
        assert stand.notebook.fact("network") == {"id": "base", "base_fee": "13000000", "height": "7"}
        assert stand.connector.capabilities.verbs == frozenset()
        assert await stand.after(1_000) == 1


async def test_what_is_seen_later_never_looks_older(clocks: Clocks, tmp_path: Path) -> None:
    async with polling(clocks, tmp_path, lambda n, r: saying(PENDING if n == 1 else DONE)) as stand:
        await stand.track(tx="0x1")
        clocks.wall_ms -= 9_000
        await stand.restart()
        assert stand.notebook.observed_at_ms("transfer") == START_MS
        assert stand.notebook.fact("transfer")["state"] == "arrived"


async def test_an_answer_about_what_is_tracked_otherwise_by_now_is_not_told(clocks: Clocks, tmp_path: Path) -> None:
    async with polling(clocks, tmp_path, pending) as stand:
        book = stand.connector._book

        def script(n: int, request: Request) -> bytes:
            if n == 1:
                book.tracked.pop("0x1")
            return saying(DONE)

        stand.receiver.script = script
        await stand.track(tx="0x1")
        assert asked_for(stand.receiver.got[0]) == "0x1"
        assert stand.notebook.facts("transfer") == []


async def test_a_watcher_of_a_stale_daemon_ends(clocks: Clocks, tmp_path: Path) -> None:
    class Stale(BelievingNotebook):
        async def write(self, notes: Mapping[str, str | None], observations: Sequence[Observation] = ()) -> None:
            if observations:
                raise LeaseLostError("L103", "epoch 1 may write no more", "another daemon leads")
            await super().write(notes, observations)

    async with polling(clocks, tmp_path, pending) as stand:
        stand.context_notebook = Stale()
        await stand.restart()
        await stand.track(tx="0x1")
        assert stand.watching is not None
        with pytest.raises(LeaseLostError):
            await asyncio.wait_for(stand.watching, 5)
