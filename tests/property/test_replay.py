"""Whatever happened, and however it was cut, interrupted and led: decided again, it comes out the same, to the byte."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engine.insight.scenario.case import Base, Case, Entry, Push, Report
from engine.insight.scenario.files import find_tests, read_files
from engine.model.journal import StreamId
from engine.runtime import garbage, preparing, recovery
from engine.runtime.replay.export import export
from engine.runtime.replay.file import FileRecording
from engine.runtime.replay.replay import replay
from tests.support.deployment import Deployment, DeploymentRecording
from tests.support.programs import Program, programs
from tests.support.real import RealEngine
from tests.support.reference.steps import Advance

ROOT: Final = Path(__file__).parents[2]
FILES: Final = find_tests([ROOT / "tests" / "scenarios", ROOT / "rules"])
SOME = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,  # the same in every run; look for new ones with more examples and without this
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
#: Where a failure is, the seed and the program say; making them smaller takes minutes.
SOME = settings(SOME, print_blob=False, phases=(Phase.explicit, Phase.reuse, Phase.generate))
START: Final = 1_800_000_000_000
#: A pause between entries, and how far a read may lag behind them, ms.
PAUSES: Final = (0, 0, 0, 1, 1_000, 5_000, 30_000, 600_000, 7_200_000)
LAGS: Final = (0, 0, 1, 400, 2_500, 70_000)
STATUSES: Final = ("sent", "sent", "sent", "expired", "unknown")
REPORTED: Final = ("submitted", "done", "done", "done", "failed", "refused")
Fields = dict[str, str]


@pytest.fixture(autouse=True)
def _uncollected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each recovery would look at everything the test program has in memory."""
    monkeypatch.setattr(garbage, "set_apart", lambda: None)


class History:
    """Entries at their instants, and what befalls the daemon between them."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.now = START
        self.deployment = Deployment(batch=self.draw.choice((1, 2, 7, 500)))
        self._last = StreamId(0, 0)
        self._told = 0

    def enter(self, fields: Fields) -> None:
        """As Redis numbers it, now and then under an id from the future."""
        lead = self.draw.choice((1_500, 60_000)) if self.draw.randrange(40) == 0 else 0
        at = max(self.now + lead, self._last.ms)
        self._last = StreamId(at, self._last.seq + 1 if at == self._last.ms else 0)
        self.deployment.append(self._last, fields)

    async def go_on(self) -> None:
        """Time passes; somebody reads, or nobody; somebody dies, or nobody."""
        draw, deployment = self.draw, self.deployment
        self.now += draw.choice(PAUSES)
        chance = draw.randrange(20)
        if chance == 0:
            await deployment.kill()
        elif chance == 1 and deployment.loop is not None:
            await deployment.loop.settled()
            deployment.snapshot()
        elif chance < 10:
            self.now += draw.choice(LAGS)
            await deployment.decide(self.now, draw.choice((1, 3, 500)))
            self._tell()

    def _tell(self) -> None:
        """What dispatch and executors say of commands."""
        commands = self.deployment.commands()
        for command in commands[self._told :]:
            status = self.draw.choice(STATUSES)
            self.enter(self.deployment.sign("result", {"command": command, "status": status}, "dispatch"))
        self._told = len(commands)

    def push(self, revision: str, blob: bytes) -> None:
        """A rule base is asked for, and sometimes not stored, or the order not signed by us."""
        if self.draw.randrange(10):
            self.deployment.revisions[revision] = blob
        replaces = self.deployment.state.meta.get("revision", "")
        order = {"revision": revision, "replaces": replaces, "accept": self.draw.choice((0, 100))}
        fields = self.deployment.sign("rulebase", order, "cli")
        self.enter(fields | {"sig": "0" * 64} if self.draw.randrange(20) == 0 else fields)

    async def check(self, path: Path | None = None) -> None:
        """Decided to the end of it, or not; then again."""
        if self.draw.randrange(4):
            await self.deployment.decide(self.now + 1, 500)
        await self.deployment.kill()
        recording = DeploymentRecording(self.deployment)
        verdict = await replay(recording)
        found = verdict.first_difference
        assert found is None, "\n".join(map(str, found.as_dict().values()))
        if path is not None:
            await export(recording, path)
            assert await replay(FileRecording(path)) == verdict


@cache
def cases(path: Path) -> list[Case]:
    (file,) = read_files([path])
    return file.cases


def inputs(case: Case, draw: random.Random) -> Iterator[Entry | Report | Base]:
    """Those of a scenario, some left out, some twice, some in each other's place."""
    found = [each for at in sorted(case.instants) for step in case.instants[at] for each in step.inputs]
    for number in range(len(found) - 1):
        if draw.randrange(8) == 0:
            found[number], found[number + 1] = found[number + 1], found[number]
    for each in found:
        for _ in range(draw.choice((0, 1, 1, 1, 1, 1, 1, 1, 2))):
            if isinstance(each, Push):
                yield each.base
            elif isinstance(each, Entry | Report):
                yield each


@SOME
@given(path=st.sampled_from(FILES), seed=st.integers(0, 2**32))
def test_a_scenario_told_anyhow_comes_out_again(tmp_path: Path, path: Path, seed: int) -> None:
    async def happen() -> None:
        history = History(seed)
        draw = history.draw
        case = draw.choice(cases(path))
        history.push(case.base.rulebase.revision, case.base.blob)
        for each in inputs(case, draw):
            await history.go_on()
            if isinstance(each, Base):
                history.push(each.rulebase.revision, each.blob)
            elif isinstance(each, Entry):
                history.enter(dict(each.fields))
            elif commands := history.deployment.commands():
                said = f'{{"command":"{draw.choice(commands)}","status":"{draw.choice(REPORTED)}"}}'
                history.enter({"op": "report", "source": each.source, "data": said})
        for _ in range(5):
            await history.go_on()
        await history.check(tmp_path / "export.gz")

    asyncio.run(happen())


@SOME
@given(program=programs(), seed=st.integers(0, 2**32))
def test_random_rules_and_histories_come_out_again(
    monkeypatch: pytest.MonkeyPatch, program: Program, seed: int
) -> None:
    """Under random rules, some of which come later, or go."""
    rules = program.rulebase.rules
    revisions = {
        b"all": replace(program.rulebase, revision="all"),
        b"fewer": replace(program.rulebase, revision="fewer", rules=rules[: len(rules) // 2]),
    }
    for module in (recovery, preparing):
        monkeypatch.setattr(module, "load_blob", revisions.__getitem__)

    async def happen() -> None:
        history = History(seed)
        wire = RealEngine(program.rulebase)
        wire.commands = []
        first = history.draw.choice(("all", "fewer"))
        history.push(first, first.encode())
        for step in program.steps:
            await history.go_on()
            if history.draw.randrange(12) == 0:
                name = history.draw.choice(("all", "fewer"))
                history.push(name, name.encode())
            if not isinstance(step, Advance):
                wire.commands = history.deployment.commands()
                history.enter(wire._wire(step))
        await history.check()

    asyncio.run(happen())
