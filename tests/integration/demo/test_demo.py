"""The demonstration as anybody starts it, and what happens when a part of it dies."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.insight.demo.stage import Stage, StageError

ROOT = Path(__file__).parents[3]


async def test_the_demonstration_comes_to_both_outcomes_over_a_kill_within_a_minute(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    place = tmp_path_factory.mktemp("d")
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "engine.cli", "demo"),
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "140", "TMPDIR": str(place)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        out, _ = await asyncio.wait_for(program.communicate(), 60)
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    text = out.decode()
    assert program.returncode == 0, text
    assert re.search(r"swap-75k.*outcome +COMPLETED.*24\.873808145113565803 WETH on base", text, re.DOTALL), text
    assert re.search(r"swap-750k.*outcome +REFUNDED.*749,250\.1875 USDC on polygon", text, re.DOTALL), text
    assert "kill -9" in text
    assert "4 commands were made in all, and 4 took effect" in text
    assert "Decided again from the journal alone (lockstep replay): equal to the byte" in text
    assert "8000 ms after it began" in text, "the wait ran on over the crash, to the millisecond"
    assert text.count("of these facts:") == 4
    assert text.count("ledger and executor's book agree to the unit") == 2
    assert os.listdir(place) == [], "nothing is left behind"


@pytest.fixture
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("demo")) as made:
        yield made


def test_a_service_that_dies_is_noticed_with_its_last_words(stage: Stage) -> None:
    pid = stage.start_executor()
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(StageError, match="the executor ended with -9"):
        stage.check()
