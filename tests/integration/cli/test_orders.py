"""Orders given while no daemon runs: they are signed and wait in the journal."""

import json
from pathlib import Path

import pytest

from engine.model.journal import ZERO_ID
from engine.model.signing import verify
from engine.store.redis_store import RedisStore
from engine.store.secret import ensure_secret
from tests.integration.cli.conftest import Lockstep


@pytest.fixture
def secret(tmp_path: Path) -> bytes:
    """The deployment's secret, in the default data directory."""
    (tmp_path / ".lockstep").mkdir()
    return ensure_secret(tmp_path / ".lockstep" / "secret")


async def entries(store: RedisStore) -> list[dict[str, bytes]]:
    return [
        {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
        for _, flat in await store.read_journal(ZERO_ID, 100)
    ]


async def test_a_push_is_stored_and_asked_for_under_signature(
    lockstep: Lockstep, redis_url: str, store: RedisStore, packs: Path, secret: bytes
) -> None:
    ran = lockstep("push", packs, "--accept", "7", "--json", "--redis", redis_url)
    assert ran.code == 0
    assert ran.json["state"] == "waiting"
    (entry,) = await entries(store)
    assert entry["op"] == b"rulebase"
    assert json.loads(entry["data"]) == {"revision": ran.json["revision"], "replaces": "", "accept": 7}
    assert verify(entry, secret)
    assert await store.get_revision(ran.json["revision"]) is not None


async def test_wrong_packs_are_refused_whole(
    lockstep: Lockstep, redis_url: str, store: RedisStore, packs: Path, secret: bytes
) -> None:
    (packs / "more.yaml").write_text("pack: more\nversion: one\n")
    ran = lockstep("push", packs, "--redis", redis_url)
    assert ran.code == 1
    assert "more.yaml:2:" in ran.err
    assert "E000" in ran.err
    assert await entries(store) == []
    assert await store.revision_history() == []


async def test_orders_of_one_host_are_numbered_in_rising_order(
    lockstep: Lockstep, redis_url: str, store: RedisStore, secret: bytes
) -> None:
    for action in ("pause", "resume", "pause"):
        assert lockstep(action, "connector:executor", "--redis", redis_url).code == 0
    found = await entries(store)
    assert [json.loads(e["data"])["action"] for e in found] == ["pause", "resume", "pause"]
    assert [int(e["n"]) for e in found] == [1, 2, 3]
    assert len({e["writer"] for e in found}) == 1


@pytest.mark.parametrize("what", ["executor", "connector:", "rule:a b", "source:x"])
def test_what_cannot_be_paused_is_a_usage_error(lockstep: Lockstep, redis_url: str, secret: bytes, what: str) -> None:
    assert lockstep("pause", what, "--redis", redis_url).code == 2


def test_without_the_secret_no_order_is_given(lockstep: Lockstep, redis_url: str) -> None:
    ran = lockstep("pause", "connector:executor", "--redis", redis_url)
    assert ran.code == 78
    assert "S130" in ran.err


def test_the_history_of_pushes_can_be_read_and_compared(
    lockstep: Lockstep, redis_url: str, packs: Path, secret: bytes
) -> None:
    first = lockstep("push", packs, "--json", "--redis", redis_url).json["revision"]
    (packs / "gas.yaml").write_text((packs / "gas.yaml").read_text().replace("gwei(30)", "gwei(25)"))
    second = lockstep("push", packs, "--json", "--redis", redis_url).json["revision"]
    log = lockstep("rulebase", "log", "--json", "--redis", redis_url).json
    assert [note["revision"] for note in log] == [second, first]
    assert log[0]["from"] == str(packs)
    assert not any(note["in_force"] for note in log)
    shown = lockstep("rulebase", "show", first[:6], "--redis", redis_url).out
    assert "gwei(30)" in shown
    lines = lockstep("rulebase", "diff", first, second, "--json", "--redis", redis_url).json["diff"]
    assert [line.strip() for line in lines if "gwei" in line] == [
        "-        where: n.id == i.network and n.base_fee <= gwei(30)",
        "+        where: n.id == i.network and n.base_fee <= gwei(25)",
    ]


def test_an_unknown_revision_is_a_usage_error(lockstep: Lockstep, redis_url: str, secret: bytes) -> None:
    for words in (["activate", "beef"], ["rulebase", "show", "beef"], ["rulebase", "show"]):
        ran = lockstep(*words, "--redis", redis_url)
        assert ran.code == 2
        assert "hint:" in ran.err
