"""The demonstration on live chains as anybody starts it: acts that end as they must, and nothing left running."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a name short enough for sockets in it."""
    return tmp_path_factory.mktemp("d")


async def started(place: Path, *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "engine.cli", "demo", "--chains", *words),
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "140", "TMPDIR": str(place)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def ended(program: asyncio.subprocess.Process) -> str:
    """All it says."""
    try:
        out, _ = await program.communicate()
    finally:
        if program.returncode is None:
            program.terminate()
            await program.wait()
    return out.decode()


def offspring(pid: int) -> list[int]:
    """Every process that it started, and those they started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        parents[int(stat.parent.name)] = int(words[1])
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.timeout(200)
async def test_a_drained_pool_and_a_reorganised_source_come_to_what_they_must_to_the_unit(place: Path) -> None:
    program = await started(place, "--act", "3", "--act", "4")
    text = await ended(program)
    assert program.returncode == 0, text
    assert "swap-3: REFUNDED, FAR_LIQUIDITY_LOST" in text
    assert "bridge of swap-4 is unconfirmed" in text
    assert "it is the same transaction, " in text
    assert "swap-4: COMPLETED" in text
    assert re.search(r"USDX on home +1,000,000 +924,925\.01875 +-75,074\.98125 +-75,074\.98125\b", text), text
    assert "equal to the byte" in text
    assert os.listdir(place) == [], "nothing is left behind"


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_all_four_acts_come_to_what_they_must_to_the_unit(place: Path) -> None:
    program = await started(place)
    text = await ended(program)
    assert program.returncode == 0, text
    verdicts = re.findall(r"^ (swap-\d) +(\w+)", text, re.MULTILINE)
    assert verdicts == [(f"swap-{n}", "REFUNDED" if n == 3 else "COMPLETED") for n in (1, 2, 3, 4)]
    assert "swap-across.bridge i=swap-2: GAS_CAP" in text
    assert "8 commands" in text


@pytest.mark.timeout(100)
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
async def test_a_demonstration_that_is_interrupted_leaves_nothing_running(place: Path, number: signal.Signals) -> None:
    program = await started(place, "--act", "1")
    assert program.stdout is not None
    said = b""
    while b"Act 1" not in said:
        line = await program.stdout.readline()
        assert line, said.decode()
        said += line
    running = offspring(program.pid)
    assert len(running) >= 5, "two nodes, a Redis, the daemon, the relayer"
    program.send_signal(number)
    await ended(program)
    assert program.returncode not in (0, None)
    assert [pid for pid in running if is_running(pid)] == []
    assert os.listdir(place) == []
