"""The loop around the looks: how often it looks, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import pytest

from connectors.base import ConnectorContext, NoNotebook, Observation
from connectors.evm import EvmConnector
from engine.errors import LeaseLostError
from tests.support.anvil import Anvil
from tests.support.believing import BelievingNotebook
from tests.support.evm_watch import options_of

PATIENCE_S = 20


class NotedPace:
    """An alarm clock that rings at once, and remembers how often it was asked to ring."""

    def __init__(self) -> None:
        self.asked_ms: list[int] = []
        self.wake: Callable[[], None] = lambda: None

    def __call__(self, name: str, every_ms: int, wake: Callable[[], None]) -> None:
        assert name == "watch"
        self.asked_ms.append(every_ms)
        self.wake = wake
        asyncio.get_running_loop().call_soon(wake)


class StaleNotebook(NoNotebook):
    """Of a daemon that does not lead any more."""

    async def write(self, notes: Mapping[str, str | None], observations: Sequence[Observation] = ()) -> None:
        raise LeaseLostError("L103", "epoch 1 may write no more", "another daemon leads")


async def until(is_so: Callable[[], bool], pace: NotedPace) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():
            pace.wake()
            await asyncio.sleep(0)


async def test_a_node_that_fails_is_asked_less_and_less_often_until_it_answers(anvil: Anvil) -> None:
    notebook, pace = BelievingNotebook(), NotedPace()
    options = options_of(anvil, {"every": "100ms"})
    anvil.stop()
    connector = EvmConnector(ConnectorContext("eth", options, notebook=notebook, pace=pace))
    watching = asyncio.create_task(connector.watch())
    try:
        await until(lambda: len(pace.asked_ms) > 11, pace)
        assert pace.asked_ms[:12] == [100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000, 10000, 10000]
        assert notebook.fact("incident")["open"] is True
        anvil.start()
        await until(lambda: bool(notebook.facts("network")), pace)
        await until(lambda: pace.asked_ms[-1] == 100, pace)
        assert notebook.fact("network")["state"] == "ok"
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await connector.stop()


async def test_a_watcher_of_a_stale_daemon_says_so_and_nothing_else(anvil: Anvil) -> None:
    context = ConnectorContext("eth", options_of(anvil, {}), notebook=StaleNotebook(), pace=NotedPace())
    connector = EvmConnector(context)
    with pytest.raises(LeaseLostError):
        await connector.watch()
    await connector.stop()


async def test_a_connector_without_watch_in_its_options_only_sends(anvil: Anvil) -> None:
    options = options_of(anvil, {})
    del options["watch"]
    connector = EvmConnector(ConnectorContext("eth", options, notebook=StaleNotebook(), pace=NotedPace()))
    await connector.watch()
    await connector.stop()
