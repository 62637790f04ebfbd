"""Whatever is reported of a plan, in whatever order: nothing is sent twice, lost, made or changed by a recovery.

Nor does anything go forward once the plan goes back.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.insight.scenario.failure import Result
from engine.insight.scenario.files import read_files
from tests.support.restarts import play_twice, told

PACK: Final = Path(__file__).with_name("chain.yaml")
AMOUNT: Final = 2**200
FORWARD: Final = frozenset({"do.a", "do.b", "do.c", "do.x"})
#: Command → how often it may be made: once, and as often again as its ``retry`` has waits.
MOST: Final = {"do.a": 3, "do.b": 2, "do.c": 1, "do.x": 1, "undo.a": 2, "undo.va": 2, "undo.b": 1, "undo.c": 1}
#: What may be said, as a test file says it; the good path comes first.
WORDS: Final = ("left", "there", "final", "back", "vback", "failed", "unused", "small")
STATUSES: Final = ("submitted", "done", "failed", "refused", "unknown")
COMMANDS: Final = (*sorted(FORWARD), "undo.a", "undo.va", "undo.b", "undo.c", "undo.x")


@st.composite
def words(draw: st.DrawFn) -> str:
    """Evidence of a step, on one of a few blocks."""
    amount = draw(st.sampled_from((AMOUNT, AMOUNT - 1, AMOUNT // 2)))
    return _said(draw(st.sampled_from("abc")), draw(st.sampled_from(WORDS)), amount, draw(st.integers(1, 6)))


def _said(step: str, what: str, amount: int, block: int) -> str:
    fact = f'id: {step}{what}, job: J, step: {step}, what: {what}, amount: "{amount}", block: "0x0{block}"'
    return f"assert: {{w: {{{fact}}}}}"


def reports() -> st.SearchStrategy[str]:
    """An executor's word."""
    made = st.tuples(st.sampled_from(COMMANDS), st.sampled_from(STATUSES))
    return made.map(lambda pair: f"report: {{command: {pair[0]}, status: {pair[1]}}}")


def troubles() -> st.SearchStrategy[str]:
    """What nobody asked for."""
    reorgs = st.integers(1, 6).map(lambda block: f'reorg: {{network: n, removed: ["0x0{block}"]}}')
    gates = st.booleans().map(lambda is_open: f"assert: {{gate: {{id: b, open: {str(is_open).lower()}}}}}")
    return st.one_of(reorgs, gates, st.just("cancel: J"))


def histories() -> st.SearchStrategy[str]:
    """A test file: the job, and then anything at any time; to begin with, some of the steps go well."""
    good = st.integers(0, 3).map(lambda n: [(5, _said(s, "there", AMOUNT, i)) for i, s in enumerate("abc"[:n], 1)])
    pauses = st.sampled_from((0, 1, 10, 35, 61))
    rest = st.lists(st.tuples(pauses, st.one_of(words(), reports(), words(), troubles())), max_size=10)
    return st.tuples(good, rest).map(lambda pair: "".join(_lines([*pair[0], *pair[1]])))


def _lines(events: list[tuple[int, str]]) -> Iterator[str]:
    yield "tests:\n  - test: history\n    packs: [chain.yaml]\n    others: ignore\n    steps:\n      - at: 0s\n"
    yield f'        assert: [{{gate: {{id: b, open: true}}}}, {{job: {{id: J, plan: chain, amount: "{AMOUNT}"}}}}]\n'
    at = 0
    for pause, event in events:
        at += pause
        yield f"      - at: {at}s\n        {event}\n"
    yield f"      - at: {at + 400}s\n"


def _play(text: str) -> tuple[Result, Result]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, PACK.name).write_bytes(PACK.read_bytes())
        path = Path(folder, "history.test.yaml")
        path.write_text(text)
        (file,) = read_files([path])
    assert file.problems == []
    return play_twice(file.cases[0])


@settings(max_examples=15, deadline=None)
@given(histories())
def test_no_history_has_a_plan_send_twice_or_lose_anything(text: str) -> None:
    once, again = _play(text)
    # A report on what was not sent is a mistake of the history.
    assert [each for each in once.failures if each.kind not in ("report", "rejected")] == []
    assert [each for each in again.failures if each.kind in ("restart", "alarm")] == []
    assert told(again) == told(once)
    _assert_sent_as_declared(once)
    _assert_nothing_made_or_lost(once)


def _assert_sent_as_declared(result: Result) -> None:
    made = [each.command for each in result.made]
    assert {name: n for name, n in Counter(made).items() if n > MOST.get(name, n)} == {}
    first_back = next((n for n, name in enumerate(made) if name.startswith("undo.")), len(made))
    assert FORWARD.isdisjoint(made[first_back:])


def _assert_nothing_made_or_lost(result: Result) -> None:
    """Amounts are never below zero, and no verdict, when it is given, says better of them than is true."""
    for number, outcome in enumerate(result.outcomes):
        if outcome.verdict == "none":
            continue
        places = {place: int(here["USD"]) for place, here in outcome.said["ledger"].items()}
        assert all(amount > 0 for amount in places.values())
        if number:
            continue
        if outcome.verdict == "COMPLETED":
            assert 2 * places["pc"] >= AMOUNT
        if outcome.verdict in ("FAILED_SAFE", "EXPIRED", "CANCELLED"):
            assert places == {}
        if outcome.verdict == "REFUNDED":
            assert outcome.said["delivered"] == {}
