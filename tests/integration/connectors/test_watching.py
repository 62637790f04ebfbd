"""Connectors that watch: begun once dispatch runs, begun again when they fail, fenced with the rest."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Connector, ConnectorContext, Observation, OutgoingCommand, SendResult, SendStatus
from connectors.registry import Registry
from engine.errors import LeaseLostError
from engine.model.journal import ZERO_ID, StreamId
from engine.runtime import notebooks, watching
from engine.runtime.dispatch import Dispatch
from engine.runtime.notebooks import FULL_AT, MAX_OBSERVATIONS, DurableNotebook
from engine.runtime.results import ResultWriter
from engine.runtime.timers import AlarmClock
from engine.settings import Settings
from tests.support.dispatching import PATIENCE_S, SECRET, Bench
from tests.support.worlds.example import example


class Counting(Connector):
    """Observes one head after another, the next after the last it noted; fails after each third."""

    async def send(self, command: OutgoingCommand) -> SendResult:
        return SendResult(SendStatus.DONE)

    async def watch(self) -> None:
        self._notebook = self._context.notebook
        height = int((await self._notebook.read()).get("height", "0"))
        while True:
            height += 1
            seen = Observation("assert", {"id": "ethereum", "height": height}, kind="network", observed_at_ms=height)
            await self._notebook.write({"height": str(height)}, [seen])
            if height % 3 == 0:
                raise RuntimeError("the node went away")

    def __init__(self, context: ConnectorContext) -> None:
        super().__init__(context)
        self._context = context


def watching_dispatch(bench: Bench, epoch: int) -> Dispatch:
    async def no_lag() -> int:
        return 0

    def context(name: str, options: Mapping[str, Any]) -> ConnectorContext:
        return ConnectorContext(name, options, notebook=DurableNotebook(bench.store, name, epoch, no_lag))

    settings = Settings.model_validate({"connectors": {"eth": {"type": "counting"}}})
    results = ResultWriter(bench.store, epoch, SECRET)
    return Dispatch(bench.store, settings, results, set, epoch, Registry({"counting": Counting}), context)


async def heights(bench: Bench, at_least: int) -> list[int]:
    found: list[int] = []
    last = ZERO_ID
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < at_least:
            for entry_id, flat in await bench.store.read_journal(last, 100, 1_000):
                last = StreamId.parse(entry_id)
                fields = dict(zip(flat[::2], flat[1::2], strict=True))
                assert (fields[b"source"], fields[b"op"]) == (b"eth", b"assert")
                found.append(json.loads(fields[b"data"])["height"])
    return found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "FIRST_WAIT_MS", 1)
    monkeypatch.setattr(watching, "LONGEST_WAIT_MS", 2)


async def test_a_watcher_that_fails_goes_on_from_its_notebook(bench: Bench) -> None:
    dispatch = watching_dispatch(bench, bench.epoch)
    running = asyncio.create_task(dispatch.run())
    found = await heights(bench, 8)
    dispatch.stop()
    await asyncio.wait_for(running, PATIENCE_S)
    assert found == list(range(1, len(found) + 1))


async def test_a_watcher_of_a_stale_daemon_stops_the_daemon(bench: Bench) -> None:
    dispatch = watching_dispatch(bench, bench.epoch)
    await bench.lead()
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(dispatch.run(), PATIENCE_S)
    assert caught.group_contains(LeaseLostError)
    assert await bench.store.read_journal(ZERO_ID, 10) == []


async def test_nothing_is_observed_while_the_journal_is_full(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebooks, "STORE_RETRY_MS", 1)
    lags = [FULL_AT, FULL_AT, FULL_AT - 1]
    looks = iter(lags)

    async def lag() -> int:
        return next(looks)

    notebook = DurableNotebook(bench.store, "eth", bench.epoch, lag)
    await notebook.write({}, [Observation("reorg", {"network": "ethereum", "removed": ["0xb1"]})])
    assert next(looks, None) is None
    assert len(await bench.store.read_journal(ZERO_ID, 10)) == 1


async def test_a_write_beyond_its_bounds_is_refused(bench: Bench) -> None:
    async def lag() -> int:
        return 0

    notebook = DurableNotebook(bench.store, "eth", bench.epoch, lag)
    many = [Observation("report", {"command": "c1", "status": "done"})] * (MAX_OBSERVATIONS + 1)
    with pytest.raises(ValueError, match="501 observations"):
        await notebook.write({}, many)
    with pytest.raises(ValueError, match="notes"):
        await notebook.write({"x": "y" * (4 * 1024 * 1024)})


def tailing(bench: Bench, file: Path) -> Dispatch:
    """The example of the README, that watches that file."""
    kind = example("TailConnector")
    options = {"file": str(file), "kind": "receipt"}
    settings = Settings.model_validate({"connectors": {"seen": {"type": "tail", "options": options}}})
    results = ResultWriter(bench.store, bench.epoch, SECRET)
    bench.clock = AlarmClock()
    bench.clock.start()
    registry = Registry({"tail": kind})
    return Dispatch(bench.store, settings, results, set, bench.epoch, registry, bench.surroundings)


async def lines_told(bench: Bench) -> list[dict[str, Any]]:
    entries = await bench.store.read_journal(ZERO_ID, 1_000)
    fields = [dict(zip(flat[::2], flat[1::2], strict=True)) for _, flat in entries]
    assert {(each[b"source"], each[b"kind"], each[b"op"]) for each in fields} <= {(b"seen", b"receipt", b"assert")}
    return [json.loads(each[b"data"]) for each in fields]


async def test_the_watching_example_tells_each_line_once_over_daemons_that_are_cut_off(
    bench: Bench, tmp_path: Path
) -> None:
    file = tmp_path / "seen.jsonl"
    rows: list[dict[str, Any]] = []
    for life in range(4):
        for n in range(150):
            rows.append({"id": f"r{life}-{n}", "amount": str(10**30 + n)})
        text = "".join(json.dumps(row) + "\n" for row in rows)
        file.write_text(text + '{"id": "half a li')
        await bench.lead()
        running = asyncio.create_task(tailing(bench, file).run())
        async with asyncio.timeout(PATIENCE_S):
            while len(await lines_told(bench)) < len(rows) - (75 if life < 3 else 0):
                assert not running.done()
        running.cancel()  # after some of the lines, or all
        await asyncio.gather(running, return_exceptions=True)
        bench.clock.stop()
    assert await lines_told(bench) == rows


async def test_the_watching_example_goes_on_behind_a_line_that_makes_no_sense(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "seen.jsonl"
    file.write_text('nonsense\n[1]\n{"id": "r1", "price": 0.1}\n')
    running = asyncio.create_task(tailing(bench, file).run())
    async with asyncio.timeout(PATIENCE_S):
        while len(told := await lines_told(bench)) < 3:
            assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    bench.clock.stop()
    assert told == [{"unreadable": "nonsense\n"}, {"unreadable": "[1]\n"}, {"id": "r1", "price": "0.1"}]
