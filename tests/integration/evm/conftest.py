"""A chain, a contract on it, and the sending half before them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from connectors.evm.node import Node
from tests.support.anvil import Anvil
from tests.support.contracts import compiled
from tests.support.sending import KEY, KEY_VARIABLE, Desk


@pytest.fixture
async def desk(anvil: Anvil, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    async with _desk(anvil, monkeypatch) as made:
        yield made


@pytest.fixture
async def soon_final_desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """On a chain where what has two blocks on top is final."""
    chain = Anvil(options=("--no-mining", "--slots-in-an-epoch", "1")).start()
    try:
        async with _desk(chain, monkeypatch) as made:
            yield made
    finally:
        chain.stop()


@asynccontextmanager
async def _desk(anvil: Anvil, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    node = Node(anvil.url, 5_000)
    made = Desk(anvil, node, anvil.deploy(compiled("purse").creation()))
    await made.start()
    yield made
    await node.close()
