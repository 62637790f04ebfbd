"""Sessions of the joining library come and go for months; what is grounded does not notice."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import durable_rules_engine as library
import pytest

from engine.matching.durable_joiner import DurableJoiner
from engine.matching.joins import PythonJoiner
from engine.matching.network import JoinError
from tests.support.joins import join, shape, slices

PAIR = [shape("a", ("b", [join("p", 0)]))]


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_the_dead_are_let_go_when_they_outnumber_the_living() -> None:
    joiner = DurableJoiner(PAIR, min_dead=10)
    for handle in range(30):
        joiner.add(handle, "a", {"p": handle})
    for handle in range(15):
        joiner.remove(handle)
    assert not joiner.maintain(lambda: True)
    assert joiner.stats().dead == 15
    joiner.remove(15)
    assert not joiner.maintain(lambda: True)
    stats = joiner.stats()
    assert (stats.living, stats.dead, stats.rebuilds) == (14, 0, 1)


def test_a_rebuild_is_cut_into_slices_while_facts_come_and_go() -> None:
    joiner, plain = DurableJoiner(PAIR, min_dead=1), PythonJoiner(PAIR)
    for handle in range(100):
        joiner.add(handle, "a", {"p": handle % 7})
        plain.add(handle, "a", {"p": handle % 7})
    for handle in range(60):
        joiner.remove(handle)
        plain.remove(handle)
    handle, cuts = 100, 0
    while joiner.maintain(slices(1)):
        assert joiner.stats().sessions == 2
        expected = plain.add(handle, "b", {"p": handle % 7})
        assert joiner.add(handle, "b", {"p": handle % 7}) == expected
        joiner.remove(handle - 40)
        plain.remove(handle - 40)
        handle, cuts = handle + 1, cuts + 1
    assert cuts > 10
    assert joiner.stats().rebuilds == 1
    assert joiner.stats().sessions == 1
    assert joiner.add(999, "b", {"p": 3}) == plain.add(999, "b", {"p": 3})


def test_it_rebuilds_by_itself_before_a_session_is_full() -> None:
    joiner, plain = DurableJoiner(PAIR, max_session_facts=100), PythonJoiner(PAIR)
    for handle in range(2_000):
        kind, values = "ab"[handle % 2], {"p": handle // 2 % 5}
        assert joiner.add(handle, kind, values) == plain.add(handle, kind, values)
        joiner.remove(handle - 40)
        plain.remove(handle - 40)
    assert joiner.stats().rebuilds > 20


def test_a_session_that_mostly_grounds_the_dead_is_rebuilt_early() -> None:
    # One hub that changes often: few facts are dead, but each newcomer would be joined with all of them.
    joiner = DurableJoiner(PAIR, min_dead=50)
    for handle in range(100):
        joiner.add(handle, "b", {"p": 2})
    for handle in range(100, 140):
        joiner.add(handle, "a", {"p": 1})
        joiner.remove(handle)
    assert joiner.stats().dead == 40
    for handle in range(200, 213):
        assert joiner.add(handle, "b", {"p": 1}) == []
    joiner.maintain(lambda: True)
    assert joiner.stats().rebuilds == 1
    assert joiner.stats().dead == 0


def test_more_living_facts_than_fit_are_refused_and_nothing_is_lost() -> None:
    joiner = DurableJoiner(PAIR, max_session_facts=21)
    for handle in range(10):
        joiner.add(handle, "a", {"p": 1})
    with pytest.raises(JoinError, match="M103"):
        joiner.add(10, "b", {"p": 1})
    joiner.remove(0)
    assert joiner.add(11, "b", {"p": 1}) == [(0, (n, 11)) for n in range(1, 10)]


def test_three_thousand_rebuilds_leave_no_memory_behind() -> None:
    joiner, plain = DurableJoiner(PAIR, min_dead=1), PythonJoiner(PAIR)
    before = 0
    for turn in range(3_000):
        for handle in range(turn * 12, turn * 12 + 12):
            kind, values = "ab"[handle % 2], {"p": handle // 2 % 3}
            assert joiner.add(handle, kind, values) == plain.add(handle, kind, values)
            joiner.remove(handle - 6)
            plain.remove(handle - 6)
        while joiner.maintain(lambda: True):
            pass
        if turn == 500:
            gc.collect()
            before = resident_bytes()
    gc.collect()
    assert joiner.stats().rebuilds >= 2_900
    assert joiner.stats().sessions == 1
    assert resident_bytes() - before < 2_000_000


def test_closing_a_joiner_gives_its_sessions_back() -> None:
    def fill_and_close() -> None:
        joiner = DurableJoiner(PAIR)
        for handle in range(2_000):
            joiner.add(handle, "a", {"p": handle})
        joiner.close()

    fill_and_close()
    before = resident_bytes()
    for _ in range(10):
        fill_and_close()
    # Ten sessions of 2,000 facts would be 180 MB; the rulesets themselves stay.
    assert resident_bytes() - before < 20_000_000


def test_a_forgotten_joiner_gives_its_sessions_back(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()
    deleted: list[str] = []
    real = library.delete_state

    def delete_state(handle: int, sid: str) -> None:
        deleted.append(sid)
        real(handle, sid)

    monkeypatch.setattr(library, "delete_state", delete_state)
    joiner = DurableJoiner(PAIR)
    joiner.add(1, "a", {"p": 1})
    del joiner
    gc.collect()
    assert deleted == ["0"]


def fails_at(call: int, error: BaseException, real: Callable[..., Any]) -> Callable[..., Any]:
    """``real``, but the ``call``-th time it raises."""
    count = 0

    def function(*args: object) -> object:
        nonlocal count
        count += 1
        if count == call:
            raise error
        return real(*args)

    return function


@pytest.mark.parametrize("function", ["assert_fact", "start_action_for_state", "complete_and_start_action"])
@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (library.error("error code: 303"), JoinError),
        (MemoryError(), JoinError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_failing_library_leaves_the_joiner_as_it_was(
    monkeypatch: pytest.MonkeyPatch, function: str, error: BaseException, becomes: type[BaseException]
) -> None:
    joiner, plain = DurableJoiner(PAIR), PythonJoiner(PAIR)
    for handle in range(10):
        joiner.add(handle, "a", {"p": 1})
        plain.add(handle, "a", {"p": 1})
    real = getattr(library, function)
    monkeypatch.setattr(library, function, fails_at(1, error, real))
    with pytest.raises(becomes):
        joiner.add(10, "b", {"p": 1})
    monkeypatch.undo()
    assert joiner.stats().living == 10
    assert joiner.add(10, "b", {"p": 1}) == plain.add(10, "b", {"p": 1})
    assert joiner.add(11, "a", {"p": 1}) == plain.add(11, "a", {"p": 1})


@pytest.mark.parametrize("call", range(1, 12))
def test_a_library_that_fails_during_a_rebuild_loses_nothing(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    joiner, plain = DurableJoiner(PAIR, min_dead=1), PythonJoiner(PAIR)
    for handle in range(20):
        joiner.add(handle, "ab"[handle % 2], {"p": 1})
        plain.add(handle, "ab"[handle % 2], {"p": 1})
    for handle in range(12):
        joiner.remove(handle)
        plain.remove(handle)
    failing = fails_at(call, library.error("error code: 303"), library.assert_fact)
    monkeypatch.setattr(library, "assert_fact", failing)
    failures = 0
    for handle in range(20, 30):
        try:
            joiner.maintain(slices(1))
            found = joiner.add(handle, "a", {"p": 1})
        except JoinError:
            failures += 1
            found = joiner.add(handle, "a", {"p": 1})
        assert found == plain.add(handle, "a", {"p": 1})
    assert failures == 1
    monkeypatch.undo()
    while joiner.maintain(lambda: True):
        pass
    assert joiner.stats().rebuilds >= 1
    assert joiner.stats().sessions == 1
