import json
from pathlib import Path

from engine.model.journal import ZERO_ID, ChangeSet, Cursor
from engine.packs.bundle import load_paths
from engine.store.redis_store import RedisStore
from tests.integration.cli.conftest import Lockstep


async def journal(store: RedisStore) -> list[dict[str, str]]:
    """Every entry's fields."""
    entries = await store.read_journal(ZERO_ID, 10_000)
    return [{k.decode(): v.decode() for k, v in zip(f[::2], f[1::2], strict=True)} for _, f in entries]


async def test_a_fact_enters_the_journal_as_any_other_sender_would_write_it(
    lockstep: Lockstep, redis_url: str, store: RedisStore
) -> None:
    ran = lockstep(
        "inject", "network", "id=base", "base_fee=5", "--source", "rpc", "--seq", "7", "--redis", redis_url, "--json"
    )
    assert ran.code == 0
    (entry,) = await journal(store)
    assert json.loads(entry.pop("data")) == {"id": "base", "base_fee": "5"}
    assert entry == {"op": "assert", "kind": "network", "source": "rpc", "seq": "7"}
    assert ran.json["entry"] == str((await store.journal_extent()).last_id)
    assert ran.json["state"] == "waiting"


async def test_values_are_typed_by_the_rule_base_in_force(
    lockstep: Lockstep, redis_url: str, store: RedisStore, packs: Path
) -> None:
    loaded = load_paths([packs])
    assert loaded.rulebase is not None
    revision = loaded.rulebase.revision
    await store.put_revision(revision, loaded.blob, {})
    change = ChangeSet(Cursor(), Cursor(), "c1", meta={"revision": revision})
    await store.commit(change, 0)
    assert lockstep("inject", "network", "id=true", "is_open=true", "--redis", redis_url).code == 0
    (entry,) = await journal(store)
    assert json.loads(entry["data"]) == {"id": "true", "is_open": True}
    ran = lockstep("inject", "network", "is_open=maybe", "--redis", redis_url)
    assert (ran.code, ran.err.splitlines()[0]) == (2, "U104 network.is_open is a bool, not 'maybe'")


async def test_a_retraction_names_the_key(lockstep: Lockstep, redis_url: str, store: RedisStore) -> None:
    assert lockstep("retract", "network", "id=base", "--redis", redis_url).code == 0
    (entry,) = await journal(store)
    assert (entry["op"], entry["kind"], json.loads(entry["data"])) == ("retract", "network", {"id": "base"})


async def test_a_file_of_facts_enters_in_its_order(
    lockstep: Lockstep, redis_url: str, store: RedisStore, tmp_path: Path
) -> None:
    lines = [json.dumps({"kind": "n", "data": {"id": str(i)}, "observed_at": i}) for i in range(1_001)]
    (tmp_path / "facts.jsonl").write_text("\n".join(lines) + "\n\n")
    ran = lockstep("inject", "--file", "facts.jsonl", "--redis", redis_url)
    assert (ran.code, ran.out) == (0, "1001 entries are in the journal\n")
    assert [int(e["observed_at"]) for e in await journal(store)] == list(range(1_001))


async def test_stdin_is_a_file_of_facts(lockstep: Lockstep, redis_url: str, store: RedisStore) -> None:
    ran = lockstep("inject", "--file", "-", "--json", "--redis", redis_url, stdin='{"kind":"n","data":{"id":"1"}}\n')
    assert ran.json == {"entries": 1}
    assert len(await journal(store)) == 1


async def test_a_bad_line_names_its_place_and_what_is_already_in(
    lockstep: Lockstep, redis_url: str, store: RedisStore, tmp_path: Path
) -> None:
    (tmp_path / "facts.jsonl").write_text('{"kind":"n","data":{"id":"1"}}\n{"kind":"n","data":{"fee":1.5}}\n')
    ran = lockstep("inject", "--file", "facts.jsonl", "--redis", redis_url)
    assert ran.code == 2
    assert "U102 facts.jsonl:2: 1.5 is a fraction" in ran.err
    assert "the 1 entries before it are in the journal" in ran.err
    assert len(await journal(store)) == 1


def test_a_missing_file_is_told_with_its_name(lockstep: Lockstep, redis_url: str) -> None:
    ran = lockstep("inject", "--file", "gone.jsonl", "--redis", redis_url)
    assert ran.code == 78
    assert "gone.jsonl: No such file" in ran.err


def test_nothing_to_inject_is_a_usage_error(lockstep: Lockstep, redis_url: str) -> None:
    assert lockstep("inject", "--redis", redis_url).code == 2
    assert lockstep("inject", "network", "id", "--redis", redis_url).code == 2


def test_without_a_daemon_the_hint_says_how_to_start_one(lockstep: Lockstep) -> None:
    ran = lockstep("inject", "network", "id=base")
    assert ran.code == 78
    assert "C150 no daemon keeps its Redis in .lockstep" in ran.err
    assert "lockstep run" in ran.err


def test_a_server_that_is_away_is_told_without_its_password(lockstep: Lockstep) -> None:
    ran = lockstep("status", "--redis", "redis://user:hunter2@127.0.0.1:1/0")
    assert ran.code == 70
    assert "S101" in ran.err
    assert "hunter2" not in ran.err
