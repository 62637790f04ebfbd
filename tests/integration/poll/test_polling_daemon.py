"""The whole program: a pack tracks, the API is asked, the daemon is killed, and an arrival is told and decided once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.program import PATIENCE_S, PROGRAM, RunningDaemon, environment
from tests.support.polling import asked_for, saying
from tests.support.receiver import Receiver, Request, receiving
from tests.unit.poll.samples import lifi, lifi_receiving

PACK = """
pack: arrivals
version: 1
use: [standard]
kinds:
  deposit:
    key: [intent]
    ttl: 1h
    fields: {intent: id, tx: hash}
rules:
  - rule: track-what-left
    when:
      - deposit: d
    then:
      - command: lifi.track
        with: {tx: =d.tx, intent: =d.intent}
  - rule: tell-what-is-on-its-way
    when:
      - transfer: t
        where: t.state == "in_flight"
    then:
      - command: log.left
        with: {intent: =t.intent, asset: =t.asset, amount: =t.amount}
  - rule: tell-what-arrived
    when:
      - transfer: t
        where: t.state == "arrived"
    then:
      - command: log.arrived
        with: {intent: =t.intent, asset: =t.asset, amount: =t.amount}
"""
CONFIG = """
connectors:
  lifi:
    type: poll
    timeout: 2s
    options:
      mapping: lifi
      base_url: "http://127.0.0.1:{port}"
      allow: [127.0.0.1]
      every: 100ms
      assets: {{"42161:0xaf88d065e77c8cC2239327C5EDb3A432268e5831": USDC.arb}}
"""


class Api:
    """The API, in a thread of its own: the program is watched from this one."""

    def __init__(self) -> None:
        self.arrived: set[str] = set()
        self.receiver: Receiver | None = None
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._done = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def start(self) -> None:
        self._thread.start()
        assert self._is_up.wait(PATIENCE_S)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    async def _serve(self) -> None:
        async with receiving(self._say) as self.receiver:
            self._is_up.set()
            await self._done.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _say(self, n: int, request: Request) -> bytes:
        if asked_for(request) in self.arrived:
            return saying(lifi("DONE", "COMPLETED", lifi_receiving()))
        return saying(lifi("PENDING", "WAIT_DESTINATION_TRANSACTION"))


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    made.start()
    yield made
    made.stop()


def asked(directory: Path, *words: str) -> Any:  # noqa: ANN401
    done = subprocess.run(
        [*PROGRAM, *words, "--json"], cwd=directory, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_was_tracked_survives_a_kill_and_its_arrival_is_decided_once(tmp_path: Path, api: Api) -> None:
    assert api.receiver is not None
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "arrivals.yaml").write_text(PACK)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "lockstep.yaml").write_text(CONFIG.format(port=api.receiver.port))

    def is_told(verb: str, intent: str) -> Any:  # noqa: ANN401
        return lambda line: (
            line["event"] == "command" and line["verb"] == verb and line["arguments"]["intent"] == intent
        )

    daemon = RunningDaemon(tmp_path, "--packs", "packs")
    try:
        daemon.wait_for("ready")
        asked(tmp_path, "inject", "deposit", "intent=I1", "tx=0x01")
        daemon.wait_until(is_told("left", "I1"))
        daemon.kill()

        api.arrived.add("0x01")
        daemon = RunningDaemon(tmp_path, "--packs", "packs")
        daemon.wait_until(is_told("arrived", "I1"))
        commands = asked(tmp_path, "commands")
        assert sorted(each["verb"] for each in commands) == ["arrived", "left", "track"]
        (arrived,) = [each["args"] for each in commands if each["verb"] == "arrived"]
        assert (arrived["asset"], arrived["amount"]) == ("USDC.arb", "9965731")
        assert asked(tmp_path, "rejected") == []
        assert daemon.stop() == 0
    finally:
        daemon.process.kill()
        daemon.process.wait()
