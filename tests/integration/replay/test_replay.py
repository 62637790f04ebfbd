"""``lockstep replay`` and ``export``: what was decided comes out again, and what was changed is found."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.replay.difference import Difference
from engine.runtime.replay.export import export
from engine.runtime.replay.file import FileRecording
from engine.runtime.replay.recording import ReplayError
from engine.runtime.replay.replay import replay
from engine.store.embedded import EmbeddedServer
from tests.chaos.packs import PACK, stirring
from tests.chaos.world import KEYS, Fact, World


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Something was decided under two rule bases, something was refused, and the daemon was killed once."""
    directory = tmp_path_factory.mktemp("decided")
    with EmbeddedServer(directory / "redis") as server:
        world = World(directory / "world", server.endpoint)
        decide(world)
        yield world
        world.end()


def decide(world: World) -> None:
    first = world.daemon("--packs", world.pack("swap", PACK))
    first.wait_for("rule base in force")
    world.send(stirring(60, seed=1))
    world.send([Fact("nothing", {"id": "x"}), Fact("network", {"id": "base", "base_fee": 1.5})])
    world.wait_until(lambda: world.cursor() == world.last_id(), first)
    first.kill()
    world.lease_runs_out()
    world.pack("swap", PACK.replace("priority: 10", "priority: 9") + "\n")
    second = world.daemon("--packs", world.directory / "packs")
    world.send(stirring(40, seed=2))
    world.come_to_rest(second)


@contextmanager
def as_it_was(world: World, *keys: str) -> Iterator[Any]:
    """Whatever is done to these keys in here is undone."""
    kept = {key: world.redis.dump(key) for key in keys}
    yield world.redis
    for key, value in kept.items():
        world.redis.restore(key, 0, value, replace=True)


def exported(world: World, path: Path, start: str | None = None) -> Path:
    """Within this process."""

    async def write() -> None:
        async with world.recording(start) as recording:
            await export(recording, path)

    asyncio.run(write())
    return path


def first_difference(world: World) -> Difference:
    found = world.again().first_difference
    assert found is not None
    return found


def refused(path: Path) -> tuple[str, str]:
    """The code with which a file is refused, and where in it."""
    with pytest.raises(ReplayError) as error:
        FileRecording(path)
    assert error.value.exit_code == 78
    return error.value.code, error.value.message.split(" ")[0]


def test_a_history_comes_out_again_live_and_from_a_file(decided: World, tmp_path: Path) -> None:
    ran = decided.lockstep("replay", "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert json.loads(ran.stdout) == {
        "equal": True,
        "first_difference": None,
        # What was told while the daemon stopped waits behind the cursor.
        "entries": len(decided.redis.xrange(KEYS.journal, max=decided.cursor())),
        "decisions": decided.redis.xlen(KEYS.audit),
        "commands": decided.count_commands(),
        "from": "0-0@0",
        "to": decided.redis.hget(KEYS.meta, "cursor").decode(),
    }
    assert decided.count_commands() > 50
    assert decided.redis.keys("*view*") == []
    wrote = decided.lockstep("export", tmp_path / "all.jsonl.gz", "--json")
    assert wrote.returncode == 0, wrote.stderr
    # Without a server, and without the deployment's directory.
    anywhere = World.program("replay", tmp_path / "all.jsonl.gz", "--json", directory=tmp_path)
    assert (anywhere.stdout, anywhere.stderr) == (ran.stdout, "")


def test_the_same_recording_gives_the_same_file(decided: World, tmp_path: Path) -> None:
    one = exported(decided, tmp_path / "one.gz").read_bytes()
    assert exported(decided, tmp_path / "other.gz").read_bytes() == one
    assert gzip.decompress(one) == exported(decided, tmp_path / "plain").read_bytes()
    secret = (decided.directory / ".lockstep" / "secret").read_bytes().strip()
    assert secret not in gzip.decompress(one)


def test_whatever_was_changed_is_the_first_difference(decided: World) -> None:
    with as_it_was(decided, KEYS.facts) as redis:
        name, record = min(redis.hgetall(KEYS.facts).items())
        redis.hset(KEYS.facts, name, record.replace(b'"at":', b'"at":1'))
        found = first_difference(decided)
        assert (found.what, found.at, found.again) == ("fact", name.decode(), record.decode())
        assert found.recorded == record.replace(b'"at":', b'"at":1').decode()

    with as_it_was(decided, KEYS.outbox) as redis:
        identity, row = redis.xrevrange(KEYS.outbox, count=1)[0]
        redis.xdel(KEYS.outbox, identity)
        found = first_difference(decided)
        assert (found.what, found.at, found.recorded) == ("command", row[b"command"].decode(), None)
        assert json.loads(found.again or "")["args"] == row[b"args"].decode()

    with as_it_was(decided, KEYS.rejected) as redis:
        identity, row = redis.xrevrange(KEYS.rejected, count=1)[0]
        redis.xdel(KEYS.rejected, identity)
        found = first_difference(decided)
        assert (found.what, found.at) == ("rejection", row[b"entry"].decode())

    with as_it_was(decided, KEYS.audit) as redis:
        identity, row = redis.xrange(KEYS.audit, count=3)[2]
        redis.xdel(KEYS.audit, identity)
        ran = decided.lockstep("replay")
        assert ran.returncode == 1, ran.stderr
        assert f"the first difference is decision {row[b'cause'].decode()}" in ran.stdout


def test_a_file_that_is_not_as_it_was_written_says_where(decided: World, tmp_path: Path) -> None:
    lines = exported(decided, tmp_path / "good.jsonl").read_bytes().splitlines(keepends=True)
    assert all(isinstance(json.loads(line), list) for line in lines)
    middle = len(lines) // 2
    changed = lines[middle].replace(b'",', b'" ,', 1)
    wrong = {
        "changed": ([*lines[:middle], changed, *lines[middle + 1 :]], f":{middle + 1}:"),
        "lost": ([*lines[:middle], *lines[middle + 1 :]], f":{middle + 1}:"),
        "moved": ([*lines[:2], lines[3], lines[2], *lines[4:]], ":3:"),
        "short": (lines[:-1], f":{len(lines) - 1}:"),
        "cut": ([*lines[:middle], lines[middle][:20]], f":{middle + 1}:"),
    }
    for name, (kept, where) in wrong.items():
        path = tmp_path / name
        path.write_bytes(b"".join(kept))
        assert refused(path) == ("R113" if name == "short" else "R112", f"{path}{where}")
    (tmp_path / "cut.gz").write_bytes(exported(decided, tmp_path / "good.gz").read_bytes()[:-40])
    assert refused(tmp_path / "cut.gz")[0] == "R112"
    for text in ("", "{}\n", "no\n"):
        (tmp_path / "none").write_text(text)
        assert refused(tmp_path / "none")[0] == "R111"


def test_what_is_needed_and_not_there_is_said(decided: World) -> None:
    with as_it_was(decided, KEYS.rulebase) as redis:
        revision = redis.hget(KEYS.meta, "revision").decode()
        redis.hdel(KEYS.rulebase, f"revision:{revision}")
        gone = decided.lockstep("replay")
        assert (gone.returncode, "R103" in gone.stderr, revision in gone.stderr) == (78, True, True)
    with as_it_was(decided, KEYS.meta) as redis:
        redis.hset(KEYS.meta, "semantics", "0")
        kept = redis.hgetall(KEYS.snapshots)
        redis.delete(KEYS.snapshots)
        with pytest.raises(ReplayError, match="R101"):
            decided.again()
        redis.hset(KEYS.snapshots, mapping=kept)


def test_a_snapshot_is_where_a_replay_begins(decided: World, tmp_path: Path) -> None:
    running = decided.daemon()
    running.wait_for("ready")
    decided.send(stirring(30, seed=3))
    decided.wait_until(lambda: decided.cursor() == decided.last_id(), running)
    at = decided.snapshot()
    decided.send(stirring(30, seed=4))
    decided.come_to_rest(running)
    assert decided.again().is_equal
    said = decided.again(at)
    assert said.is_equal, said
    assert str(said.head.start) == at
    assert 30 <= said.entries < decided.redis.xlen(KEYS.journal)
    with pytest.raises(ReplayError, match=f"R104.*{at}"):
        decided.again("1-0@1")
    late = FileRecording(exported(decided, tmp_path / "late.gz", at))
    assert asyncio.run(replay(late)) == said
