"""The embedded server: durable, alone on its directory, raised again when it dies, taken over when its daemon does."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from engine.errors import ConfigError, Retry, StoreError
from engine.model.journal import ZERO_ID, AlreadyMine, Committed
from engine.store.embedded import EmbeddedServer
from engine.store.leases import Leading
from engine.store.orphan import serving_pid
from engine.store.redis_store import RedisStore, connect_with_backoff
from engine.store.server_binary import find_server
from engine.store.url import Endpoint
from engine.store.wire import ThreadWire
from tests.support.changes import command, cursor, step

ROOT = Path(__file__).parents[3]
#: Another daemon, as far as the server is concerned: says where its server is, then lives until its input ends.
DAEMON = """
import sys
from pathlib import Path
from engine.store.embedded import EmbeddedServer
with EmbeddedServer(Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    sys.stdin.read()
"""


class Events:
    """What a server's supervisor said, and a way to wait for it."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._heard = threading.Condition()

    def __call__(self, word: str, details: str) -> None:
        assert details
        with self._heard:
            self.words.append(word)
            self._heard.notify_all()

    def wait_for(self, word: str, count: int = 1) -> None:
        with self._heard:
            assert self._heard.wait_for(lambda: self.words.count(word) >= count, timeout=30), self.words


@contextmanager
def daemon(directory: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    process = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(directory)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    server = int(process.stdout.readline())
    try:
        with process:  # leaving it closes its input, which is its word to stop, and waits
            yield process, server
    finally:
        with suppress(OSError):  # a test that killed the daemon left its server behind; the folder tells that it is it
            if Path(f"/proc/{server}/cwd").readlink() == directory:
                os.kill(server, signal.SIGKILL)


async def ready(server: EmbeddedServer) -> RedisStore:
    return await connect_with_backoff(server.endpoint, lambda *_: None, give_up_after_ms=30_000)


async def test_it_is_durable_at_every_write_and_evicts_nothing(own_server: EmbeddedServer) -> None:
    async with await ready(own_server) as store:
        report = await store.server_report()
    assert (report.aof_enabled, report.appendfsync, report.maxmemory_policy) == (True, "always", "noeviction")
    assert (report.role, report.mode, report.last_error) == ("master", "standalone", "")
    assert report.used_memory_bytes > 0


def test_its_files_are_private(own_server: EmbeddedServer, tmp_path: Path) -> None:
    assert own_server.owns_server
    data = tmp_path / "data"
    assert data.stat().st_mode & 0o777 == 0o700
    assert (data / "redis.sock").stat().st_mode & 0o077 == 0
    assert {f.stat().st_mode & 0o077 for f in data.iterdir() if f.suffix != ".pid"} == {0}


async def test_what_was_written_is_there_after_a_clean_stop(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        async with await ready(server) as store:
            entry = await store.append({"op": "assert"})
    with EmbeddedServer(tmp_path) as server:
        async with await ready(server) as store:
            assert (await store.journal_extent()).last_id == entry


async def test_a_killed_server_comes_back_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    heard = Events()
    with EmbeddedServer(tmp_path, heard) as server:
        acknowledged: list[bytes] = []
        refusals: set[tuple[str, Retry]] = set()
        enough = asyncio.Event()

        async def write(name: str) -> None:
            async with RedisStore(server.endpoint) as store:
                for i in range(100_000):
                    word = f"{name}-{i}"
                    try:
                        await store.append({"n": word})
                    except StoreError as error:
                        refusals.add((error.code, error.retry))
                        continue
                    acknowledged.append(word.encode())
                    if len(acknowledged) % 500 == 0:
                        enough.set()
                    if done.is_set():
                        return

        done = asyncio.Event()
        writers = [asyncio.ensure_future(write(name)) for name in "abcd"]
        for kills in range(1, 4):
            enough.clear()
            await enough.wait()
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            await asyncio.to_thread(heard.wait_for, "started", kills + 1)
        enough.clear()
        await enough.wait()
        done.set()
        await asyncio.gather(*writers)
        async with await ready(server) as store:
            kept = {fields[1] for _, fields in await store.read_journal(ZERO_ID, 10_000_000)}
    assert set(acknowledged) <= kept
    assert heard.words.count("died") == 3
    assert {retry for _, retry in refusals} <= {Retry.LATER}


async def test_commits_go_on_exactly_where_they_were_when_the_server_is_killed(tmp_path: Path) -> None:
    heard = Events()
    with EmbeddedServer(tmp_path, heard) as server:
        async with await ready(server) as store:
            lead = await store.acquire_lease("a", 600_000)
            assert lead == Leading(1)
            for n in range(400):
                change = step(n, n + 1, facts={b"n": b"%d" % n}, commands=[command(f"c{n:03}")], audit=[[("n", b"1")]])
                if n % 100 == 50:
                    assert server.pid is not None
                    os.kill(server.pid, signal.SIGKILL)
                while True:
                    try:
                        result = await store.commit(change, 1)
                    except StoreError as error:
                        if error.retry is Retry.NEVER:
                            raise
                    else:
                        break
                assert isinstance(result, Committed | AlreadyMine)
            heard.wait_for("died", 4)
            assert {k: v async for k, v in store.load_facts()} == {b"n": b"399"}
            assert len(await store.read_outbox(ZERO_ID, 1_000)) == len(await store.read_audit(limit=1_000)) == 400
            assert await store.cursor() == cursor(400)


async def test_a_torn_tail_is_cut_off(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        async with await ready(server) as store:
            first = await store.append({"n": "1"})
            await store.append({"n": "2"})
    file = tmp_path / "appendonly.aof"
    os.truncate(file, file.stat().st_size - 7)
    with EmbeddedServer(tmp_path) as server:
        async with await ready(server) as store:
            assert (await store.journal_extent()).last_id == first


def test_a_broken_file_is_said_and_not_served(tmp_path: Path) -> None:
    (tmp_path / "appendonly.aof").write_bytes(b"*3\r\n$3\r\nSET\r\nnonsense nonsense nonsense\r\n" * 10)
    with pytest.raises(ConfigError) as caught, EmbeddedServer(tmp_path):
        pass
    assert caught.value.code == "S124"
    assert "append only file" in caught.value.message


def test_a_second_daemon_is_a_guest_of_the_first(tmp_path: Path) -> None:
    with daemon(tmp_path) as (_, pid), EmbeddedServer(tmp_path) as guest:
        assert not guest.owns_server
        wire = ThreadWire(guest.endpoint, timeout_s=5)
        assert b"process_id:%d\r\n" % pid in wire.call("INFO", "server")
        wire.close()


def test_a_guest_leaves_the_server_running(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as owner:
        with EmbeddedServer(tmp_path) as guest:
            assert guest.pid is None
        wire = ThreadWire(owner.endpoint, timeout_s=5)
        assert wire.call("PING") in {b"PONG", True}
        wire.close()


@pytest.mark.parametrize("word", [signal.SIGKILL, signal.SIGTERM])
def test_a_guest_takes_over_when_the_first_daemon_goes(tmp_path: Path, word: signal.Signals) -> None:
    heard = Events()
    with daemon(tmp_path) as (first, pid), EmbeddedServer(tmp_path, heard) as guest:
        first.send_signal(word)  # neither is handled: the server is left an orphan
        heard.wait_for("adopted")
        assert "orphan_stopped" in heard.words
        assert guest.owns_server
        assert guest.pid != pid
        wire = ThreadWire(guest.endpoint, timeout_s=5)
        assert b"process_id:%d\r\n" % (guest.pid or 0) in wire.call("INFO", "server")
        wire.close()


def test_a_guest_takes_over_when_the_first_daemon_stops_cleanly(tmp_path: Path) -> None:
    heard = Events()
    with daemon(tmp_path) as (first, _), EmbeddedServer(tmp_path, heard) as guest:
        assert first.stdin is not None
        first.stdin.close()
        heard.wait_for("adopted")
        assert guest.owns_server


async def test_an_orphan_is_stopped_and_its_data_kept(tmp_path: Path) -> None:
    heard = Events()
    with daemon(tmp_path) as (first, orphan):
        wire = ThreadWire(_endpoint_of(tmp_path), timeout_s=5)
        wire.call("XADD", "lockstep:{p0}:journal", "5-1", "n", "1")
        wire.close()
        first.kill()
        first.wait()
        os.kill(orphan, 0)  # it lives on, and keeps the lock
        with EmbeddedServer(tmp_path, heard) as server:
            assert heard.words == ["orphan_stopped", "started"]
            assert server.pid != orphan
            async with await ready(server) as store:
                assert str((await store.journal_extent()).last_id) == "5-1"


def _endpoint_of(directory: Path) -> Endpoint:
    return Endpoint(path=directory / "redis.sock")


def test_a_stopped_orphan_is_killed_only_with_its_lock_as_proof(tmp_path: Path) -> None:
    """A pid file may name a process that has nothing to do with us: without the lock it is left alone."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        (tmp_path / "redis.pid").write_text(str(bystander.pid))
        with EmbeddedServer(tmp_path) as server:
            assert server.owns_server
        assert bystander.poll() is None
        bystander.kill()


def test_the_server_itself_holds_the_lock(own_server: EmbeddedServer, tmp_path: Path) -> None:
    held = {os.readlink(fd) for fd in Path(f"/proc/{own_server.pid}/fd").iterdir()}
    assert str(tmp_path / "data" / "redis.lock") in held
    with open(tmp_path / "data" / "redis.lock", "rb") as again, pytest.raises(BlockingIOError):
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_server_someone_else_started_there_is_refused(tmp_path: Path) -> None:
    command = [str(find_server()), "--port", "0", "--unixsocket", "redis.sock"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as foreign:
        while serving_pid(_endpoint_of(tmp_path)) is None:
            assert foreign.poll() is None
        with pytest.raises(ConfigError) as caught, EmbeddedServer(tmp_path):
            pass
        assert caught.value.code == "S123"
        assert str(foreign.pid) in caught.value.message
        foreign.terminate()


def test_the_terminals_interrupt_does_not_reach_the_server(own_server: EmbeddedServer) -> None:
    assert own_server.pid is not None
    assert os.getsid(own_server.pid) == own_server.pid
    assert os.getpgid(own_server.pid) != os.getpgid(0)


def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    with EmbeddedServer(deep) as server:
        assert server.endpoint.path is not None
        assert len(os.fsencode(server.endpoint.path)) <= 100
        assert (deep / "redis.sock").is_socket()
        wire = ThreadWire(server.endpoint, timeout_s=5)
        assert b"redis_version" in wire.call("INFO", "server")
        wire.close()
    with EmbeddedServer(deep):
        pass


def test_a_short_link_in_anothers_hands_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    (temporary / f"lockstep-{os.getuid()}").mkdir(parents=True)
    (temporary / f"lockstep-{os.getuid()}").chmod(0o777)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with pytest.raises(ConfigError) as caught, EmbeddedServer(tmp_path / ("d" * 120)):
        pass
    assert caught.value.code == "S122"


def test_a_missing_server_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ConfigError) as caught, EmbeddedServer(tmp_path / "data"):
        pass
    assert caught.value.code == "S120"


def test_an_old_server_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.7 sha=0:0'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert find_server() != old
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ConfigError) as caught:
        find_server()
    assert caught.value.code == "S121"


def test_a_directory_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigError) as caught, EmbeddedServer(tmp_path / "data"):
        pass
    assert caught.value.code == "S126"
