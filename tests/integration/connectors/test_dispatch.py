from __future__ import annotations

import asyncio
import json

import pytest

from connectors.base import Capabilities, OutgoingCommand, SendResult, SendStatus
from engine.errors import LeaseLostError
from engine.runtime import lane as lane_module
from engine.runtime.results import ResultWriter
from engine.store.abc import NotTaken
from engine.store.redis_store import RedisStore
from tests.support.dispatching import (
    LATER,
    PATIENCE_S,
    SECRET,
    Bench,
    Receiver,
    outgoing,
    told_registry,
    told_settings,
)


@pytest.fixture
def receiver(bench: Bench) -> Receiver:
    made = Receiver()
    bench.registry = told_registry(made)
    bench.settings = told_settings()
    return made


async def test_a_committed_command_reaches_the_receiver_and_its_end_reaches_the_journal(
    bench: Bench, receiver: Receiver
) -> None:
    async with bench.dispatching():
        await bench.commit(outgoing(1, expires_ms=4_000_000_000_000, coordination="K1"))
        await bench.told(("c1", "done"))
    sent = receiver.effects["c1"]
    assert sent.arguments() == {"amount": "24873808145113565803", "intent": "I1"}
    assert (sent.verb, sent.rule, sent.coordination) == ("bridge", "swap.bridge", "K1")
    assert (sent.attempt, sent.epoch, sent.expires_ms) == (1, bench.epoch, 4_000_000_000_000)
    assert receiver.stopped == 1


async def test_commands_of_before_the_start_are_sent_in_order(bench: Bench, receiver: Receiver) -> None:
    bench.settings = told_settings(concurrency="1")
    await bench.commit(*(outgoing(n) for n in range(1, 8)))
    async with bench.dispatching():
        await bench.until(lambda told: len(told) == 7)
    assert [c.id for c in receiver.tries] == [f"c{n}" for n in range(1, 8)]


async def test_what_failed_for_now_is_tried_again_under_the_same_id(bench: Bench, receiver: Receiver) -> None:
    receiver.script = lambda c: (
        SendResult(SendStatus.FAILED, {"reason": "busy"}, LATER) if c.attempt < 3 else SendResult(SendStatus.DONE)
    )
    async with bench.dispatching():
        await bench.commit(outgoing(1))
        await bench.told(("c1", "done"))
    assert [(c.id, c.attempt) for c in receiver.tries] == [("c1", 1), ("c1", 2), ("c1", 3)]
    assert bench.results[0].detail["attempt"] == 3


async def test_when_no_try_is_left_the_last_answer_is_told(bench: Bench, receiver: Receiver) -> None:
    receiver.script = lambda _: SendResult(SendStatus.FAILED, {"reason": "busy"}, LATER)
    async with bench.dispatching():
        await bench.commit(outgoing(1))
        await bench.told(("c1", "failed"))
    assert receiver.tried("c1") == 3
    assert bench.results[0].detail == {"reason": "busy", "attempt": 3}


async def test_an_exception_is_an_unknown_outcome_and_never_a_failure(bench: Bench, receiver: Receiver) -> None:
    receiver.script = lambda _: ConnectionResetError("peer went away")
    async with bench.dispatching():
        await bench.commit(outgoing(1))
        await bench.told(("c1", "unknown"))
    assert receiver.tried("c1") == 3
    assert "peer went away" in bench.results[0].detail["reason"]


async def test_an_early_unknown_try_keeps_a_later_failed_one_unknown(bench: Bench, receiver: Receiver) -> None:
    def script(command: OutgoingCommand) -> SendResult | BaseException:
        if command.attempt == 1:
            return SendResult(SendStatus.UNKNOWN, {}, LATER)
        return SendResult(SendStatus.FAILED, {"reason": "connection refused"}, LATER)

    receiver.script = script
    async with bench.dispatching():
        await bench.commit(outgoing(1))
        await bench.told(("c1", "unknown"))


async def test_the_receivers_own_word_ends_an_unknown_try(bench: Bench, receiver: Receiver) -> None:
    receiver.script = lambda c: (
        SendResult(SendStatus.UNKNOWN, {}, LATER)
        if c.attempt == 1
        else (SendResult(SendStatus.FAILED, {"reason": "reverted"}))
    )
    async with bench.dispatching():
        await bench.commit(outgoing(1))
        await bench.told(("c1", "failed"))


async def test_a_send_that_hangs_is_cut_off_and_unknown(bench: Bench, receiver: Receiver) -> None:
    bench.settings = told_settings(timeout="5ms", retry={"tries": "1"})
    receiver.gate = asyncio.Event()
    async with bench.dispatching():
        await bench.commit(outgoing(1))
        await bench.told(("c1", "unknown"))
    assert bench.results[0].detail["reason"] == "no answer within 5 ms"


async def test_a_held_command_is_told_expired_while_it_is_held(bench: Bench, receiver: Receiver) -> None:
    bench.paused.add("connector:executor")
    async with bench.dispatching():
        await bench.commit(outgoing(1, expires_ms=await bench.store.time_ms() + 50))
        await bench.told(("c1", "expired"))
    assert receiver.tries == []


async def test_withdrawal_of_a_held_command_is_told_and_it_is_never_sent(bench: Bench, receiver: Receiver) -> None:
    bench.paused.add("rule:swap.bridge")
    async with bench.dispatching() as dispatch:
        await bench.commit(outgoing(1), outgoing(2, rule="swap.other"))
        await bench.told(("c2", "done"))
        await bench.commit(withdrawn=("c1",))
        await bench.told(("c2", "done"), ("c1", "withdrawn"))
        bench.paused.clear()
        dispatch.wake()
        await bench.commit(outgoing(3))
        await bench.told(("c2", "done"), ("c1", "withdrawn"), ("c3", "done"))
    assert receiver.tried("c1") == 0


async def test_a_command_that_may_have_left_is_never_called_withdrawn(bench: Bench, receiver: Receiver) -> None:
    bench.settings = told_settings(retry={"tries": "9", "base": "1h", "cap": "1h"})
    receiver.script = lambda _: SendResult(SendStatus.UNKNOWN, {}, LATER)
    async with bench.dispatching() as dispatch:
        await bench.commit(outgoing(1))
        await bench.eventually(lambda: dispatch.waiting.get("executor") == 1 and bool(receiver.tries))
        await bench.commit(withdrawn=("c1",))
        await bench.told(("c1", "unknown"))


async def test_a_connector_that_remembers_is_asked_about_what_may_have_left(bench: Bench, receiver: Receiver) -> None:
    bench.registry = told_registry(receiver, Capabilities(remembers=True))
    bench.settings = told_settings(retry={"tries": "9", "base": "1h", "cap": "1h"})
    receiver.script = lambda _: SendResult(SendStatus.UNKNOWN, {}, LATER)
    receiver.remembers["c1"] = SendResult(SendStatus.FAILED, {"reason": "it never left"})
    async with bench.dispatching() as dispatch:
        await bench.commit(outgoing(1), outgoing(2))
        await bench.eventually(lambda: dispatch.waiting.get("executor") == 2 and len(receiver.tries) == 2)
        await bench.commit(withdrawn=("c1", "c2"))
        await bench.told(("c1", "failed"), ("c2", "unknown"))


async def test_the_failure_of_a_connector_that_remembers_speaks_for_earlier_tries(
    bench: Bench, receiver: Receiver
) -> None:
    bench.registry = told_registry(receiver, Capabilities(remembers=True))
    answers = iter([SendStatus.UNKNOWN, SendStatus.FAILED, SendStatus.FAILED])
    receiver.script = lambda _: SendResult(next(answers), {}, LATER)
    async with bench.dispatching():
        await bench.commit(outgoing(1))
        await bench.told(("c1", "failed"))


async def test_a_command_that_surely_did_not_leave_can_be_withdrawn_between_tries(
    bench: Bench, receiver: Receiver
) -> None:
    bench.settings = told_settings(retry={"tries": "9", "base": "1h", "cap": "1h"})
    receiver.script = lambda _: SendResult(SendStatus.FAILED, {"reason": "connection refused"}, LATER)
    async with bench.dispatching() as dispatch:
        await bench.commit(outgoing(1))
        await bench.eventually(lambda: dispatch.waiting.get("executor") == 1 and bool(receiver.tries))
        await bench.commit(withdrawn=("c1",))
        await bench.told(("c1", "withdrawn"))


async def test_a_pause_holds_commands_and_its_end_lets_them_go(bench: Bench, receiver: Receiver) -> None:
    bench.paused.add("connector:executor")
    bench.settings = told_settings()
    async with bench.dispatching() as dispatch:
        await bench.commit(outgoing(1), outgoing(2, connector="log"))
        await bench.told(("c2", "done"))
        assert receiver.tries == []
        bench.paused.clear()
        dispatch.wake()
        await bench.told(("c2", "done"), ("c1", "done"))


async def test_a_slow_receiver_gets_no_more_than_its_concurrency_and_others_are_not_held_up(
    bench: Bench, receiver: Receiver
) -> None:
    bench.settings = told_settings(concurrency="3")
    receiver.gate = asyncio.Event()
    async with bench.dispatching():
        await bench.commit(*(outgoing(n) for n in range(1, 21)), outgoing(99, connector="log"))
        await bench.told(("c99", "done"))
        await bench.eventually(lambda: receiver.at_once == 3)
        receiver.gate.set()
        await bench.until(lambda told: len(told) == 21)
    assert receiver.most_at_once == 3


async def test_a_backlog_beyond_memory_is_sent_completely_once_and_in_order(
    bench: Bench, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_module, "MAX_WAITING", 10)
    bench.settings = told_settings(concurrency="1")
    receiver.gate = asyncio.Event()
    async with bench.dispatching():
        for start in range(0, 1500, 300):
            await bench.commit(*(outgoing(n, "executor" if n % 3 else "log") for n in range(start, start + 300)))
        receiver.gate.set()
        await bench.until(lambda told: len(told) == 1500)
    assert [c.id for c in receiver.tries] == [f"c{n}" for n in range(1500) if n % 3]


async def test_sent_and_never_reported_becomes_unknown(bench: Bench, receiver: Receiver) -> None:
    bench.settings = told_settings(report_within="20ms")
    receiver.script = lambda _: SendResult(SendStatus.SENT)
    async with bench.dispatching():
        await bench.commit(outgoing(1))
        await bench.until(lambda told: len(told) == 2)
    assert bench.statuses("c1") == ["sent", "unknown"]


async def test_a_command_that_ended_in_time_is_not_called_unknown(bench: Bench, receiver: Receiver) -> None:
    bench.settings = told_settings(report_within="1500ms")
    receiver.script = lambda _: SendResult(SendStatus.SENT)
    async with bench.dispatching():
        await bench.commit(outgoing(1), outgoing(2))
        await bench.until(lambda told: len(told) == 2)
        await bench.commit(ended={"c1": "done"})
        await bench.until(lambda told: len(told) == 3)
    assert bench.statuses("c1") == ["sent"]
    assert bench.statuses("c2") == ["sent", "unknown"]


async def test_a_result_lost_between_its_row_and_the_journal_is_told_by_the_next_start(bench: Bench) -> None:
    await bench.commit(outgoing(1), outgoing(2, expires_ms=1))
    await bench.store.take("c1", bench.epoch)
    assert await bench.store.send_redis("c1", "executor", bench.epoch) == "sent"
    await bench.store.take("c2", bench.epoch)
    async with bench.dispatching():
        await bench.told(("c1", "sent"), ("c2", "expired"))


async def test_a_redis_command_cut_off_before_its_script_can_still_be_withdrawn(bench: Bench) -> None:
    await bench.commit(outgoing(1))
    await bench.store.take("c1", bench.epoch)
    await bench.commit(withdrawn=("c1",))
    await bench.lead()
    async with bench.dispatching():
        await bench.told(("c1", "withdrawn"))


async def test_a_stale_daemon_can_neither_take_nor_tell(bench: Bench, receiver: Receiver, store: RedisStore) -> None:
    stale = Bench(store, bench.epoch, bench.settings, bench.registry)
    await bench.lead()
    await bench.commit(outgoing(1))
    with pytest.raises(LeaseLostError):
        await asyncio.wait_for(stale.make().run(), PATIENCE_S)
    assert receiver.tries == []


async def test_an_older_epoch_cannot_tell_once_a_newer_has(bench: Bench, store: RedisStore) -> None:
    older, newer = ResultWriter(store, 1, SECRET), ResultWriter(store, 2, SECRET)
    await older.write("c1", "sent", {})
    await newer.write("c1", "sent", {})
    with pytest.raises(LeaseLostError):
        await older.write("c1", "done", {})
    await bench.told(("c1", "sent"), ("c1", "sent"))


async def test_an_older_epoch_cannot_tell_once_a_newer_leads(bench: Bench, store: RedisStore) -> None:
    """Though the newer has told nothing: it is about to send again what the older has the answer to."""
    older, newer = ResultWriter(store, 1, SECRET), ResultWriter(store, 2, SECRET)
    await older.begin()
    await older.write("c1", "sent", {})
    await newer.begin()
    with pytest.raises(LeaseLostError):
        await older.write("c1", "failed", {})
    await older.begin()
    await newer.begin()
    await newer.write("c1", "done", {})
    await bench.told(("c1", "sent"), ("c1", "done"))


async def test_details_enter_the_journal_exact_and_bounded(bench: Bench, receiver: Receiver) -> None:
    detail = {"gas": 2**70, "price": 0.5, "bad": "\ud800", "list": [1, {"x": 2**60}], "ok": True, "none": None}
    receiver.script = lambda c: SendResult(SendStatus.DONE, detail if c.id == "c1" else {"text": "x" * 70_000})
    async with bench.dispatching():
        await bench.commit(outgoing(1), outgoing(2))
        await bench.told(("c1", "done"), ("c2", "done"))
    by_id = {r.command: r.detail for r in bench.results}
    assert by_id["c1"] == {
        "attempt": 1, "gas": str(2**70), "price": "0.5", "bad": "?", "list": [1, {"x": str(2**60)}], "ok": True,
        "none": None,
    }  # fmt: skip
    assert len(json.dumps(by_id["c2"])) < 200


async def test_a_verb_the_connector_does_not_know_is_refused(bench: Bench, receiver: Receiver) -> None:
    bench.registry = told_registry(receiver, Capabilities(verbs=frozenset({"swap"})))
    async with bench.dispatching():
        await bench.commit(outgoing(1), outgoing(2, verb="swap"))
        await bench.told(("c1", "refused"), ("c2", "done"))
    assert [c.id for c in receiver.tries] == ["c2"]


async def test_a_verb_that_is_not_known_says_nothing_of_how_the_receiver_is(bench: Bench, receiver: Receiver) -> None:
    bench.registry = told_registry(receiver, Capabilities(verbs=frozenset({"swap"})))
    bench.settings = told_settings(breaker={"failures": "2", "cool_down": "1h"}, retry={"tries": "1"}, concurrency="1")
    receiver.script = lambda _: SendResult(SendStatus.FAILED, {}, LATER)
    async with bench.dispatching() as dispatch:
        await bench.commit(outgoing(1, verb="swap"), outgoing(2), outgoing(3, verb="swap"), outgoing(4, verb="swap"))
        await bench.told(("c1", "failed"), ("c2", "refused"), ("c3", "failed"))
        assert dispatch.waiting["executor"] == 1, "two failures in a row: it is left alone"


async def test_a_connector_that_learns_that_another_daemon_leads_stops_dispatch_and_nothing_is_told(
    bench: Bench, receiver: Receiver
) -> None:
    receiver.script = lambda _: LeaseLostError("L103", "epoch 1 may write no more", "another daemon leads")
    await bench.commit(outgoing(1))
    with pytest.raises(LeaseLostError):
        await asyncio.wait_for(bench.make().run(), PATIENCE_S)
    await bench.read()
    assert bench.results == []


@pytest.mark.parametrize(("remembers", "told"), [(False, "unknown"), (True, "failed")])
async def test_what_lapsed_when_its_daemon_died_is_asked_about_by_the_next_start(
    bench: Bench, receiver: Receiver, remembers: bool, told: str
) -> None:
    """The row was changed, and the daemon died before the journal heard of it."""
    bench.registry = told_registry(receiver, Capabilities(remembers=remembers, reports_later=False))
    receiver.remembers["c1"] = SendResult(SendStatus.FAILED, {"reason": "it never left"})
    await bench.commit(outgoing(1))
    await bench.store.take("c1", bench.epoch)
    await bench.lead()
    await bench.commit(withdrawn=("c1",))
    assert await bench.store.take("c1", bench.epoch) == NotTaken("sent")
    async with bench.dispatching():
        await bench.told(("c1", told))
    assert receiver.tries == []
