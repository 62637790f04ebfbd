"""Worlds for packs that are written as a pack author would write them, from the language's page alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.journal_daemon import JournalDaemon
from tests.support.journal_engine import JournalEngine

MakeWorld = Callable[..., JournalEngine]
MakeDaemon = Callable[..., JournalDaemon]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Makes worlds of packs, in process; at the end each history is told again, with a recovery before every entry."""
    made: list[JournalEngine] = []

    def make(*packs: str) -> JournalEngine:
        made.append(JournalEngine.of(tmp_path / f"world{len(made)}", *packs))
        return made[-1]

    yield make
    for each in made:
        each.check_replay()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[MakeDaemon]:
    """Starts the real program; what still runs at the end is stopped, without a traceback in its log."""
    made: list[JournalDaemon] = []

    def make(*packs: str, time: str = "journal") -> JournalDaemon:
        made.append(JournalDaemon(tmp_path / f"daemon{len(made)}", *packs, time=time))
        return made[-1]

    yield make
    for each in made:
        if each.process.poll() is None:
            assert each.stop() == 0
