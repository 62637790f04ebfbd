"""The programs in the page for other services, run against a real server."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import engine
from engine.matching.envelope import parse_envelope
from engine.matching.strict_json import parse_object
from engine.model.journal import ZERO_ID
from engine.store.redis_store import RedisStore

PAGE = (Path(engine.__file__).parent.parent / "docs" / "facts.md").read_text(encoding="utf-8")
FACT = {"id": "ethereum", "height": 21_000_000, "base_fee": "29000000000"}


def program(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


async def the_only_fact(store: RedisStore) -> object:
    [(_, fields)] = await store.read_journal(ZERO_ID, 10)
    envelope = parse_envelope(fields)
    assert (envelope.op, envelope.kind, envelope.source) == ("assert", "network", "rpc-eth")
    return parse_object(envelope.data)


async def test_the_python_program_asserts_its_fact(store: RedisStore, redis_url: str) -> None:
    await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program("python")],
        env=os.environ | {"REDIS_URL": redis_url},
        check=True,
        timeout=60,
    )
    assert await the_only_fact(store) == FACT


async def test_the_bare_protocol_asserts_its_fact(store: RedisStore, redis_url: str) -> None:
    words = subprocess.run(["bash", "-c", program("bash")], check=True, capture_output=True, timeout=60).stdout  # noqa: ASYNC221  a moment
    if not redis_url.startswith("unix://"):
        pytest.fail(f"the test's server is expected at a socket, not {redis_url}")
    reader, writer = await asyncio.open_unix_connection(redis_url.removeprefix("unix://").partition("?")[0])
    writer.write(words)
    await writer.drain()
    assert (await reader.readline()).startswith(b"$")
    writer.close()
    await writer.wait_closed()
    assert await the_only_fact(store) == FACT
