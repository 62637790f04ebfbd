"""Any sequence of commits, by any daemons, held to a few dictionaries."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from engine.model.journal import AlreadyMine, ChangeSet, CommitResult, Committed, Conflict, Fenced
from engine.store.abc import NotTaken, Taken
from engine.store.leases import Following, Leading
from engine.store.redis_store import RedisStore
from engine.store.url import Endpoint
from engine.store.wire import ThreadWire
from tests.support.changes import command, cursor

RECORDS = st.dictionaries(st.sampled_from([b"a", b"b", b"c", b"d"]), st.none() | st.binary(max_size=4), max_size=4)


@dataclass
class Model:
    """What the store should hold."""

    at: int = 0
    epoch: int = 0
    owner: str = ""
    last: str = ""
    facts: dict[bytes, bytes] = field(default_factory=dict)
    active: dict[bytes, bytes] = field(default_factory=dict)
    rows: dict[str, str] = field(default_factory=dict)  # command → state
    withdrawn: set[str] = field(default_factory=set)
    audit: int = 0


class Commits(RuleBasedStateMachine):
    endpoint: Endpoint

    @initialize()
    def open(self) -> None:
        self.runner = asyncio.Runner()
        wire = ThreadWire(self.endpoint, timeout_s=10)
        wire.call("FLUSHALL")
        wire.close()
        self.store = RedisStore(self.endpoint)
        self.model = Model()
        self.epochs: list[int] = []
        self.commits = 0
        self.commands = 0
        self.sent: list[tuple[ChangeSet, int]] = []

    @rule(owner=st.sampled_from(["a", "b"]))
    def acquire(self, owner: str) -> None:
        answer = self.runner.run(self.store.acquire_lease(owner, 60_000))
        model = self.model
        if model.owner and model.owner != owner:
            assert isinstance(answer, Following)
            assert answer.owner == model.owner
            return
        if not model.owner:
            model.epoch += 1
            model.owner = owner
            self.epochs.append(model.epoch)
        assert answer == Leading(model.epoch)

    @rule(owner=st.sampled_from(["a", "b"]))
    def release(self, owner: str) -> None:
        assert self.runner.run(self.store.release_lease(owner)) == (owner == self.model.owner)
        if owner == self.model.owner:
            self.model.owner = ""

    @precondition(lambda self: self.epochs)
    @rule(
        data=st.data(), facts=RECORDS, active=RECORDS, lag=st.integers(0, 1), stay=st.booleans(), new=st.integers(0, 2)
    )
    def commit(
        self,
        data: st.DataObject,
        facts: dict[bytes, bytes | None],
        active: dict[bytes, bytes | None],
        lag: int,
        stay: bool,
        new: int,
    ) -> None:
        model = self.model
        known = sorted(model.rows)
        pick = st.lists(st.sampled_from(known), unique=True, max_size=2) if known else st.just([])
        expect = model.at - lag
        self.commits += 1
        change = ChangeSet(
            cursor(max(0, expect)),
            cursor(max(0, expect) if stay else max(0, expect) + 1),
            f"commit-{self.commits}",
            facts=facts,
            active=active,
            commands=[command(f"c{self.commands + i:03}") for i in range(new)],
            withdrawn=data.draw(pick),
            ended=dict.fromkeys(data.draw(pick), "done"),
            audit=[[("n", b"1")]],
        )
        self.commands += new
        epoch = data.draw(st.sampled_from(self.epochs[-2:]))
        self.sent.append((change, epoch))
        self.send(change, epoch)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        self.send(*data.draw(st.sampled_from(self.sent[-3:])))

    def send(self, change: ChangeSet, epoch: int) -> None:
        got = self.runner.run(self.store.commit(change, epoch))
        assert got == self.expected(change, epoch)
        if isinstance(got, Committed):
            self.apply(change)

    def expected(self, change: ChangeSet, epoch: int) -> CommitResult:
        model = self.model
        if epoch != model.epoch:
            return Fenced(model.epoch)
        if change.commit_id == model.last:
            return AlreadyMine(change.cursor)
        if change.expect != cursor(model.at):
            return Conflict(cursor(model.at))
        return Committed(change.cursor)

    def apply(self, change: ChangeSet) -> None:
        model = self.model
        for held, changed in ((model.facts, change.facts), (model.active, change.active)):
            for name, record in changed.items():
                if record is None:
                    held.pop(name, None)
                else:
                    held[name] = record
        for made in change.commands:
            model.rows.setdefault(made.command_id, "queued")
        model.withdrawn |= {c for c in change.withdrawn if model.rows.get(c) in {"queued", "sending", "sent"}}
        for ended in change.ended:
            model.rows.pop(ended, None)
            model.withdrawn.discard(ended)
        model.at, model.last, model.audit = change.cursor.now_ms, change.commit_id, model.audit + 1

    @precondition(lambda self: self.commands and self.epochs)
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        model = self.model
        name = f"c{data.draw(st.integers(0, self.commands - 1)):03}"
        epoch = data.draw(st.sampled_from(self.epochs[-2:]))
        got = self.runner.run(self.store.take(name, epoch))
        state = model.rows.get(name)
        if epoch != model.epoch:
            assert got == NotTaken("fenced")
        elif state is None:
            assert got == NotTaken("unknown")
        elif state == "ended":
            assert got == NotTaken("withdrawn")
        elif state == "sent":
            assert got == NotTaken("sent")
        elif name in model.withdrawn:
            assert got == NotTaken("withdrawn" if state == "queued" else "sent")
            model.rows[name] = "ended" if state == "queued" else "sent"
        else:
            assert isinstance(got, Taken)
            assert got.command == command(name)
            model.rows[name] = "sending"

    @precondition(lambda self: self.commands and self.epochs)
    @rule(data=st.data())
    def hand_over(self, data: st.DataObject) -> None:
        model = self.model
        name = f"c{data.draw(st.integers(0, self.commands - 1)):03}"
        state = model.rows.get(name)
        got = self.runner.run(self.store.send_redis(name, "executor", model.epoch))
        if state == "sending" and name in model.withdrawn:
            assert got == "withdrawn"
            model.rows[name] = "ended"
        elif state == "sending":
            assert got == "sent"
            model.rows[name] = "sent"
        else:
            assert got == {None: "unknown", "queued": "not_taken", "sent": "sent", "ended": "withdrawn"}[state]

    @invariant()
    def the_store_holds_what_the_model_holds(self) -> None:
        self.runner.run(self.compare())

    async def compare(self) -> None:
        model, store = self.model, self.store
        assert {k: v async for k, v in store.load_facts()} == model.facts
        assert {k: v async for k, v in store.load_active()} == model.active
        rows = await store.dispatch_rows()
        assert {row.command_id: row.state for row in rows} == model.rows
        assert {row.command_id for row in rows if row.withdraw_asked} == model.withdrawn
        assert await store.cursor() == cursor(model.at)
        assert await store.epoch() == model.epoch
        assert len(await store.read_audit(limit=10_000)) == model.audit

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.store.close())
            self.runner.close()


@pytest.mark.timeout(120)
def test_commits_epochs_and_takes_agree_with_a_model(redis_endpoint: Endpoint) -> None:
    Commits.endpoint = redis_endpoint
    quick = settings(
        max_examples=40,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    run_state_machine_as_test(Commits, settings=quick)
