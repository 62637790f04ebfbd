"""Reaching a server: logins, refusals, patience."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest

from engine.errors import Retry, StoreError
from engine.model.journal import ZERO_ID
from engine.store.embedded import EmbeddedServer
from engine.store.redis_store import RedisStore, connect_with_backoff
from engine.store.url import Endpoint, parse
from engine.store.wire import ThreadWire
from tests.support.proxy import Proxy

HOSTILE = ["p@ss/w:rd?#%", "  spaces  ", "ünïcödé☃", "%2F%40", "'\"\\", "redis://x@y/0", "a" * 300]


async def code_of(endpoint: Endpoint) -> tuple[str, Retry]:
    async with RedisStore(endpoint) as store:
        with pytest.raises(StoreError) as caught:
            await store.ping()
    return caught.value.code, caught.value.retry


@pytest.mark.parametrize("password", HOSTILE)
async def test_any_password_logs_in_and_none_is_shown(own_server: EmbeddedServer, password: str) -> None:
    wire = ThreadWire(own_server.endpoint, timeout_s=5)
    wire.call("CONFIG", "SET", "requirepass", password)
    wire.close()
    path = own_server.endpoint.path
    assert path is not None
    async with Proxy(path) as proxy:
        for url in (
            f"redis://:{quote(password, safe='')}@127.0.0.1:{proxy.port}/0",
            f"unix://{path}?password={quote(password, safe='')}",
        ):
            async with RedisStore(parse(url)) as store:
                await store.ping()
    wrong = parse(f"unix://{path}?password={quote(password, safe='')}x")
    async with RedisStore(wrong) as store:
        with pytest.raises(StoreError) as caught:
            await store.ping()
    assert (caught.value.code, caught.value.retry) == ("S103", Retry.NEVER)
    assert password.strip() not in str(caught.value)
    assert await code_of(own_server.endpoint) == ("S103", Retry.NEVER)
    login = ThreadWire(parse(f"unix://{path}?password={quote(password, safe='')}"), timeout_s=5)
    login.call("CONFIG", "SET", "requirepass", "")
    login.close()


async def test_a_user_without_rights_is_told_so(own_server: EmbeddedServer) -> None:
    wire = ThreadWire(own_server.endpoint, timeout_s=5)
    wire.call("ACL", "SETUSER", "weak", "on", ">secret", "~other:*", "+@all")
    wire.close()
    async with RedisStore(parse(f"unix://{own_server.endpoint.path}?username=weak&password=secret")) as store:
        await store.ping()
        with pytest.raises(StoreError) as caught:
            await store.append({"op": "assert"})
        assert caught.value.code == "S104"


async def test_nothing_there_is_worth_waiting_for() -> None:
    assert await code_of(parse("unix:///nowhere/redis.sock")) == ("S101", Retry.LATER)
    assert await code_of(parse("redis://127.0.0.1:1")) == ("S101", Retry.LATER)


async def test_tls_to_a_plain_server_says_so(own_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.store.wire.CONNECT_TIMEOUT_S", 0.1)  # such a server waits for a line that never ends
    assert own_server.endpoint.path is not None
    async with (
        Proxy(own_server.endpoint.path) as proxy,
        RedisStore(parse(f"rediss://127.0.0.1:{proxy.port}")) as store,
    ):
        with pytest.raises(StoreError, match="TLS") as caught:
            await store.ping()
    assert caught.value.code == "S102"


async def test_a_replica_is_not_written_to(own_server: EmbeddedServer) -> None:
    wire = ThreadWire(own_server.endpoint, timeout_s=5)
    wire.call("REPLICAOF", "127.0.0.1", 1)
    async with RedisStore(own_server.endpoint) as store:
        with pytest.raises(StoreError) as caught:
            await store.append({"op": "assert"})
        assert caught.value.code == "S110"
        with pytest.raises(StoreError) as in_script:
            await store.acquire_lease("a", 1_000)
        assert in_script.value.code == "S110"
        assert (await store.server_report()).role == "slave"
    wire.call("REPLICAOF", "NO", "ONE")
    wire.close()


async def test_connecting_waits_longer_each_time_until_the_server_is_there(own_server: EmbeddedServer) -> None:
    assert own_server.endpoint.path is not None
    hidden = own_server.endpoint.path.with_suffix(".hidden")
    own_server.endpoint.path.rename(hidden)
    tries: list[tuple[str, int, int]] = []

    def on_try(error: StoreError, number: int, wait_ms: int) -> None:
        tries.append((error.code, number, wait_ms))
        if number == 3:
            assert own_server.endpoint.path is not None
            hidden.rename(own_server.endpoint.path)

    async with await connect_with_backoff(own_server.endpoint, on_try) as store:
        assert await store.time_ms() > 0
    assert tries == [("S101", 1, 100), ("S101", 2, 200), ("S101", 3, 400)]


async def test_connecting_gives_up_in_time_and_at_once_when_waiting_cannot_help(own_server: EmbeddedServer) -> None:
    tries: list[int] = []
    nowhere = parse("unix:///nowhere/redis.sock")
    with pytest.raises(StoreError) as late:
        await connect_with_backoff(nowhere, lambda _e, n, _w: tries.append(n), give_up_after_ms=1_000)
    assert late.value.code == "S101"
    assert tries
    tries.clear()
    wrong = parse(f"unix://{own_server.endpoint.path}?username=nobody&password=x")
    with pytest.raises(StoreError) as refused:
        await connect_with_backoff(wrong, lambda _e, n, _w: tries.append(n))
    assert refused.value.code == "S103"
    assert tries == []


async def test_cancelling_a_waiting_read_leaves_the_store_usable(store: RedisStore) -> None:
    reading = asyncio.ensure_future(store.read_journal(ZERO_ID, 1, block_ms=10_000))
    await store.time_ms()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await store.time_ms() > 0


@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_a_read_can_be_cancelled_at_any_moment(redis_endpoint: Endpoint, turns: int) -> None:
    async with RedisStore(redis_endpoint) as store:
        reading = asyncio.ensure_future(store.read_journal(ZERO_ID, 1, block_ms=10_000))
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await store.time_ms() > 0


async def test_figures_for_people_are_kept(store: RedisStore) -> None:
    assert await store.read_figures() == {}
    await store.write_status({})
    await store.write_status({"role": "leader", "facts": "1"})
    await store.write_status({"facts": "2"})
    assert await store.read_figures() == {"role": "leader", "facts": "2"}
