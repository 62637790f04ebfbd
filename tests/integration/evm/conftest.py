"""A chain, and either half of the connector before it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from tests.support.anvil import Anvil
from tests.support.evm_watch import Watched
from tests.support.sending import Desk, opened_desk


@pytest.fixture
async def desk(anvil: Anvil, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    async with opened_desk(anvil, monkeypatch) as made:
        yield made


@pytest.fixture
async def soon_final_desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """On a chain where what has two blocks on top is final."""
    chain = Anvil(options=("--no-mining", "--slots-in-an-epoch", "1")).start()
    try:
        async with opened_desk(chain, monkeypatch) as made:
            yield made
    finally:
        chain.stop()


@pytest.fixture
async def watching(anvil: Anvil) -> AsyncIterator[Callable[..., Watched]]:
    """Makes watchers of the chain, and closes them."""
    made: list[Watched] = []

    def make(**watch: object) -> Watched:
        made.append(Watched(anvil, **watch))
        return made[-1]

    yield make
    for each in made:
        await each.close()
