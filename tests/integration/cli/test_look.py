"""What the engine left in Redis, committed by the store itself, shown by the program."""

import orjson
import pytest

from engine.model.journal import ChangeSet, Committed, Cursor, OutboxCommand, Rejection, StreamId
from engine.model.records import ENGINE, TOMBSTONE, encode_claim, fact_field
from engine.store.redis_store import RedisStore
from tests.integration.cli.conftest import Lockstep

AT = StreamId(1_800_000_000_000, 0)
COMMAND = OutboxCommand("CMD1", "executor", "bridge", '{"amount":"75000000000000000000000"}', "swap.bridge")
STATUS = (
    b'{"id":"CMD1","connector":"executor","verb":"bridge","rule":"swap.bridge","attempt":1,"status":"sent","at":%d}'
)
FIRED = {
    "event": "fired",
    "rule": "swap.bridge",
    "revision": "ab12",
    "activation": "ACT1",
    "attempt": 1,
    "group": [["base"]],
    "facts": [
        {
            "alias": "n",
            "kind": "network",
            "key": ["base"],
            "values": {"id": "base", "base_fee": "29000000000"},
            "position": str(AT),
            "observed_at": AT.ms,
            "source": "rpc-eth",
        }
    ],
    "bindings": {"net": "74"},
    "commands": [{"id": "CMD1", "connector": "executor", "verb": "bridge", "args": {"amount": "75"}}],
    "asserts": [],
    "concludes": [],
}


@pytest.fixture
async def committed(store: RedisStore) -> None:
    change = ChangeSet(Cursor(), Cursor(AT, AT.ms), "c1", commands=[COMMAND])
    change.facts = {
        fact_field("network", ("base",)): encode_claim(
            AT.ms, None, AT, "rpc-eth", b'{"id":"base","base_fee":"29000000000","note":"\\u001b[2J"}'
        ),
        fact_field("gone", ("x",)): encode_claim(AT.ms, None, AT, "rpc", b'{"id":"x"}', TOMBSTONE, AT.ms + 1),
        fact_field("command", ("CMD1",)): encode_claim(AT.ms, None, AT, "engine", STATUS % AT.ms, ENGINE),
    }
    change.audit = [
        [("cause", str(AT).encode()), ("at", str(AT.ms).encode()), ("events", orjson.dumps([FIRED]))],
    ]
    change.rejected = [
        Rejection(AT, ((b"source", b"rpc"), (b"data", b"{")), "F101", "data is not JSON", "send an object")
    ]
    assert isinstance(await store.commit(change, 0), Committed)


@pytest.mark.usefixtures("committed")
class TestLooking:
    def test_facts_are_listed_without_tombstones(self, lockstep: Lockstep, redis_url: str) -> None:
        found = lockstep("facts", "--json", "--redis", redis_url).json
        assert [f["kind"] for f in found] == ["command", "network"]
        assert found[1]["key"] == ["base"]
        assert found[1]["source"] == "rpc-eth"

    def test_facts_of_one_kind_are_listed_alone(self, lockstep: Lockstep, redis_url: str) -> None:
        assert [f["kind"] for f in lockstep("facts", "network", "--json", "--redis", redis_url).json] == ["network"]

    def test_a_fact_cannot_write_to_the_terminal(self, lockstep: Lockstep, redis_url: str) -> None:
        out = lockstep("facts", "network", "--redis", redis_url).out
        assert "\x1b" not in out
        assert "note=\\x1b[2J" in out

    def test_commands_are_listed_with_their_arguments_and_status(self, lockstep: Lockstep, redis_url: str) -> None:
        (found,) = lockstep("commands", "--json", "--redis", redis_url).json
        assert found == {
            "id": "CMD1",
            "connector": "executor",
            "verb": "bridge",
            "args": {"amount": "75000000000000000000000"},
            "rule": "swap.bridge",
            "status": "sent",
            "attempt": 1,
            "at": AT.ms,
        }

    def test_rejected_entries_say_what_their_sender_should_do(self, lockstep: Lockstep, redis_url: str) -> None:
        (found,) = lockstep("rejected", "--json", "--redis", redis_url).json
        assert found["entry"] == str(AT)
        assert (found["code"], found["hint"], found["fields"]["source"]) == ("F101", "send an object", "rpc")

    def test_a_command_is_explained_by_its_rule_and_facts(self, lockstep: Lockstep, redis_url: str) -> None:
        (found,) = lockstep("explain", "CMD1", "--json", "--redis", redis_url).json
        assert found["rule"] == "swap.bridge"
        assert found["revision"] == "ab12"
        assert found["facts"][0]["position"] == str(AT)
        assert found["cause"] == str(AT)

    def test_an_explanation_can_be_read_by_people(self, lockstep: Lockstep, redis_url: str) -> None:
        out = lockstep("explain", "CMD1", "--redis", redis_url).out
        for word in ("executor.bridge", "swap.bridge", "network", "base_fee=29000000000", "rpc-eth", str(AT)):
            assert word in out

    def test_an_unknown_id_is_told_and_exits_1(self, lockstep: Lockstep, redis_url: str) -> None:
        ran = lockstep("explain", "nobody", "--redis", redis_url)
        assert ran.code == 1
        assert "U152" in ran.err

    def test_status_is_one_page(self, lockstep: Lockstep, redis_url: str) -> None:
        found = lockstep("status", "--json", "--redis", redis_url).json
        assert found["running"] is False
        assert found["cursor"] == {"entry": str(AT), "now": AT.ms}
        for name in (
            "lag",
            "lag_ms",
            "epoch",
            "role",
            "revision",
            "facts",
            "groundings",
            "active",
            "pending_deadlines",
        ):
            assert name in found
        assert found["redis"]["version"]

    def test_tables_are_for_people(self, lockstep: Lockstep, redis_url: str) -> None:
        for words in (["facts"], ["commands"], ["rejected"], ["status"]):
            ran = lockstep(*words, "--redis", redis_url)
            assert ran.code == 0
            assert ran.err == ""
            assert len(ran.out.splitlines()) > 1


def test_an_empty_redis_is_no_error(lockstep: Lockstep, redis_url: str) -> None:
    assert lockstep("facts", "--redis", redis_url).out == "no facts\n"
    assert lockstep("commands", "--json", "--redis", redis_url).json == []
    assert lockstep("rejected", "--redis", redis_url).code == 0
    assert lockstep("status", "--redis", redis_url).code == 0


def test_doctor_finds_that_no_daemon_runs(lockstep: Lockstep, redis_url: str) -> None:
    ran = lockstep("doctor", "--json", "--redis", redis_url)
    assert ran.code == 1
    states = {f["name"]: f["state"] for f in ran.json["findings"]}
    assert states["daemon"] == "bad"
    assert states["persistence"] == "ok"
    assert lockstep("doctor", "--redis", redis_url).code == 1
