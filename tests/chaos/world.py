"""A Redis, packs and daemons in processes of their own, for tests that kill any of them.

``World.assert_same_again`` gives the measure: the same journal, decided again by the same loop in a process that nobody
disturbs, must come to the same, to the byte.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from engine.clock import monotonic_ms
from engine.model.journal import Cursor
from engine.model.records import decode_claim, parse_fact_field
from engine.runtime.replay.live import LiveRecording, live_recording
from engine.runtime.replay.replay import Verdict, replay
from engine.store.keys import Keys
from engine.store.redis_store import RedisStore
from engine.store.secret import read_secret
from engine.store.url import Endpoint
from tests.integration.cli.program import PROGRAM, RunningDaemon, environment

KEYS = Keys()
PATIENCE_MS = 100_000
#: Facts sent in one round trip.
_AT_ONCE = 200
Row = dict[str, str]


@dataclass
class World:
    """One Redis and one deployment's directory."""

    directory: Path
    endpoint: Endpoint
    daemons: list[RunningDaemon] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.directory.mkdir(exist_ok=True)
        self.redis: Any = redis.Redis(
            unix_socket_path=str(self.endpoint.path), decode_responses=False, socket_timeout=10
        )

    # -- programs ----------------------------------------------------------------
    def daemon(self, *words: str | Path, env: Mapping[str, str] | None = None) -> RunningDaemon:
        """A daemon of this world, started."""
        started = RunningDaemon(self.directory, "--redis", str(self.endpoint), *words, env=env)
        self.daemons.append(started)
        return started

    def lockstep(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Another command of the program, run to its end."""
        return self.program(*words, "--redis", str(self.endpoint), directory=self.directory)

    @staticmethod
    def program(*words: str | Path, directory: Path) -> subprocess.CompletedProcess[str]:
        """The program in some directory, run to its end."""
        return subprocess.run(
            [*PROGRAM, *map(str, words)],
            cwd=directory,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def pack(self, name: str, text: str) -> Path:
        """A pack file; gives its directory, for ``--packs``."""
        packs = self.directory / "packs"
        packs.mkdir(exist_ok=True)
        (packs / f"{name}.yaml").write_text(text)
        return packs

    def lease_runs_out(self) -> None:
        """As waiting for six seconds would have it."""
        self.redis.delete(KEYS.lease)

    def end(self) -> None:
        """Let nothing of it go on."""
        self.kill_all()
        self.redis.close()

    def kill_all(self) -> None:
        """Whatever runs."""
        for each in self.daemons:
            if each.process.poll() is None:
                with suppress(ProcessLookupError):
                    os.kill(each.process.pid, signal.SIGCONT)
                each.kill()

    # -- the journal ---------------------------------------------------------------
    def send(self, facts: Iterable[Fact]) -> list[str]:
        """XADD each; gives the ids once all are acknowledged."""
        ids: list[str] = []
        for slice_ in _slices(facts, _AT_ONCE):
            pipe = self.redis.pipeline(transaction=False)
            for fact in slice_:
                pipe.xadd(KEYS.journal, fact.fields(), id=fact.entry)
            ids += [identity.decode() for identity in pipe.execute()]
        return ids

    def last_id(self) -> str:
        """Of the journal."""
        found = self.redis.xrevrange(KEYS.journal, count=1)
        return found[0][0].decode() if found else "0-0"

    def cursor(self) -> str:
        """The last applied entry that is durable."""
        text = self.redis.hget(KEYS.meta, "cursor") or b"0-0@0"
        return text.decode().partition("@")[0]

    def is_caught_up(self) -> bool:
        """Everything in the journal is applied, every command has gone out, and has been told of."""
        rows = self.redis.hvals(KEYS.dispatch)
        if self.cursor() != self.last_id() or any(b"queued" in row or b"sending" in row for row in rows):
            return False
        untold = any(b'"status":"queued"' in record for record in self.redis.hvals(KEYS.facts))
        return not untold and self.cursor() == self.last_id()

    def wait_until(self, holds: Callable[[], object], daemon: RunningDaemon | None = None) -> None:
        """Look again and again until it holds, as long as the daemon lives and patience lasts."""
        began = monotonic_ms()
        while not holds():
            if daemon is not None and daemon.process.poll() is not None:
                raise AssertionError(f"the daemon ended with {daemon.wait_end()}: {daemon.lines[-5:]}")
            assert monotonic_ms() - began < PATIENCE_MS, f"cursor {self.cursor()}, journal {self.last_id()}"
            self.redis.blpop(["nobody:writes:this"], timeout=0.02)  # leaves the processors to who is waited for

    def come_to_rest(self, daemon: RunningDaemon) -> None:
        """Wait until everything is decided and has gone out, and stop cleanly. What is told during the stop waits."""
        self.wait_until(self.is_caught_up, daemon)
        assert daemon.stop() == 0, daemon.lines[-5:]

    # -- what came of it -------------------------------------------------------------
    def commands(self) -> list[Row]:
        """The outbox, in order."""
        return [row for _, row in self.stream(KEYS.outbox)]

    def count_commands(self) -> int:
        """In the outbox."""
        return int(self.redis.xlen(KEYS.outbox))

    def stream(self, key: str) -> list[tuple[str, Row]]:
        """All entries of a stream."""
        return [
            (identity.decode(), {name.decode(): value.decode(errors="replace") for name, value in fields.items()})
            for identity, fields in self.redis.xrange(key)
        ]

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """The events of the audit, each with the ``at`` and ``cause`` of its decision."""
        return [
            {**event, "at": int(row["at"]), "cause": row["cause"]}
            for _, row in self.stream(KEYS.audit)
            for event in json.loads(row["events"])
            if name in ("", event["event"])
        ]

    def facts(self, kind: str) -> dict[str, dict[str, Any]]:
        """Facts of a kind, by the first part of their key."""
        found: dict[str, dict[str, Any]] = {}
        for name, record in self.redis.hgetall(KEYS.facts).items():
            of, key, _ = parse_fact_field(name)
            if of == kind:
                found[str(key[0])] = json.loads(decode_claim(record).data)
        return found

    def assert_each_command_once(self) -> None:
        """In the outbox, and in the stream its executor reads."""
        made = [row["command"] for row in self.commands()]
        assert len(made) == len(set(made))
        sent = [row["command"] for _, row in self.stream(KEYS.commands("executor"))]
        wanted = [row["command"] for row in self.commands() if row["connector"] == "executor"]
        assert sorted(sent) == sorted(wanted)

    def snapshot(self) -> str:
        """As housekeeping makes one each hour; gives its cursor."""

        async def write() -> str:
            async with RedisStore(self.endpoint) as store:
                while True:
                    at = await store.write_snapshot(await store.epoch())
                    if at is not None:
                        return str(at)

        return asyncio.run(write())

    def is_decided(self) -> bool:
        """Whether anything was."""
        return bool(self.redis.hexists(KEYS.meta, "cursor"))

    def assert_same_again(self) -> None:
        """Decided once more by nobody who is disturbed, everything comes out the same, to the byte."""
        verdict = self.again()
        assert verdict.first_difference is None, verdict

    def again(self, start: str | None = None) -> Verdict:
        """Decides once more what was decided, within this process."""

        async def decide_again() -> Verdict:
            async with self.recording(start) as recording:
                return await replay(recording)

        return asyncio.run(decide_again())

    @asynccontextmanager
    async def recording(self, start: str | None = None) -> AsyncIterator[LiveRecording]:
        """What was decided."""
        secret = read_secret(self.directory / ".lockstep" / "secret")
        cursor = None if start is None else Cursor.parse(start)
        async with RedisStore(self.endpoint) as store, live_recording(store, secret, cursor) as recording:
            yield recording


@dataclass(frozen=True)
class Fact:
    """One entry to send."""

    kind: str
    values: dict[str, Any]
    op: str = "assert"
    entry: str = "*"
    more: dict[str, str] = field(default_factory=dict)

    def fields(self) -> dict[str, str]:
        """As any sender writes it."""
        data = json.dumps(self.values, separators=(",", ":"))
        return {"op": self.op, "kind": self.kind, "source": "producer", "data": data, **self.more}


def _slices(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    held: list[Any] = []
    for item in items:
        held.append(item)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held


__all__ = ["KEYS", "Fact", "World"]
