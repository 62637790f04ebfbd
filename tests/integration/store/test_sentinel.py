"""Behind Sentinel: the master is found by its service's name, and found again after a failover."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from engine.errors import Retry, StoreError
from engine.store.leases import Leading
from engine.store.redis_store import RedisStore, connect_with_backoff
from engine.store.server_binary import find_server
from engine.store.url import parse
from engine.store.wire import ThreadWire


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def redis(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    folder.mkdir()
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([str(find_server()), *words], cwd=folder, stdout=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A master, a replica, one Sentinel; gives the URL and the master's process."""
    master, replica, sentinel = free_port(), free_port(), free_port()
    rules = tmp_path / "sentinel.conf"
    rules.write_text(
        f"port {sentinel}\nsentinel monitor mymaster 127.0.0.1 {master} 1\n"
        "sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 3000\n"
    )
    with ExitStack() as stack:
        leader = stack.enter_context(redis(tmp_path / "m", "--port", str(master), "--save", ""))
        follows = ("--replicaof", "127.0.0.1", str(master))
        stack.enter_context(redis(tmp_path / "r", "--port", str(replica), "--save", "", *follows))
        stack.enter_context(redis(tmp_path / "s", str(rules), "--sentinel"))
        yield f"redis+sentinel://127.0.0.1:{sentinel}/mymaster", leader


async def test_the_master_is_found_and_found_again_after_a_failover(
    service: tuple[str, subprocess.Popen[bytes]],
) -> None:
    url, leader = service
    endpoint = parse(url)
    async with await connect_with_backoff(endpoint, lambda *_: None, give_up_after_ms=20_000) as store:
        assert await store.acquire_lease("a", 60_000) == Leading(1)
        thread = ThreadWire(endpoint, timeout_s=2)
        assert b"role:master" in thread.call("INFO", "replication")
        thread.close()
        assert await store._wire.call("WAIT", 1, 20_000) == 1
        leader.send_signal(signal.SIGKILL)
        leader.wait()
        assert await asyncio.wait_for(_until_led(store), 40) == Leading(1)
        assert (await store.server_report()).role == "master"


async def _until_led(store: RedisStore) -> object:
    """Asks until the new master answers: its copy of the lease says that we lead."""
    while True:
        try:
            return await store.acquire_lease("a", 60_000)
        except StoreError as error:
            if error.retry is Retry.NEVER:
                raise


async def test_an_unknown_service_is_named_in_the_error(service: tuple[str, subprocess.Popen[bytes]]) -> None:
    async with RedisStore(parse(service[0].replace("mymaster", "other"))) as store:
        with pytest.raises(StoreError) as caught:
            await store.ping()
    assert caught.value.code == "S117"
