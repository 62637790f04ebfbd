"""Nothing that leaves working memory waits for the collector of cyclic garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from engine.matching.engine import Engine
from engine.matching.joins import PythonJoiner
from engine.matching.surroundings import Surroundings
from engine.model.journal import StreamId
from engine.runtime import garbage
from engine.runtime.schedule_times import ScheduleTimes
from tests.support.ir import cmp, command, concludes, kind, pattern, ref, rule, rule_base, without

TTL_MS = 1_000
A = kind("a", "id", "id:id v:int group:id", ttl_ms=TTL_MS)
B = kind("b", "id", "id:id v:int group:id", ttl_ms=TTL_MS)
C = kind("c", "id", "id:id", ttl_ms=TTL_MS)
NOTE = kind("note", "id", "id:id", concluded=True)
_ID = ref(A, "x", "id")
RULES = (
    rule("alone", [pattern(A, "x", cmp(ref(A, "x", "v"), ">", 5))], [command("go", a=_ID), concludes(NOTE, id=_ID)]),
    rule(
        "joined",
        [pattern(A, "x"), pattern(B, "y", cmp(ref(B, "y", "group"), "==", ref(A, "x", "group")))],
        [command("go", a=_ID)],
    ),
    rule(
        "looked-up",
        [
            pattern(A, "x"),
            pattern(C, "z", cmp(ref(C, "z", "id"), "==", _ID)),
            without(B, "q", cmp(ref(B, "q", "v"), "==", ref(A, "x", "v"))),
        ],
        [command("go", a=_ID)],
    ),
)


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_facts_matches_and_groups_that_end_are_in_no_cycle() -> None:
    engine = Engine(rule_base(*RULES, kinds=[A, B, C, NOTE]), Surroundings(PythonJoiner, ScheduleTimes))
    gc.collect()
    number = 0
    for number in range(1, 100):
        now = number * 20
        for seq, (name, data) in enumerate(
            (
                ("a", f'{{"id":"{number}","v":{number % 10},"group":"g{number}"}}'),
                ("b", f'{{"id":"{number}","v":{20 + number % 10},"group":"g{number}"}}'),
                ("c", f'{{"id":"{number}"}}'),
            )
        ):
            engine.run_due(now)
            words = [b"op", b"assert", b"kind", name.encode(), b"source", b"s", b"data", data.encode()]
            engine.apply(StreamId(now, seq), words, now)
    made = len(engine.changes.commands)
    assert made > 200, "every rule fired"
    engine.run_due(number * 20 + TTL_MS + 2)
    assert not any(engine.base.memories[k.name].facts for k in (A, B, C, NOTE))
    engine.changes.discard()
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    assert [each for each in gc.garbage if type(each).__module__.startswith("engine.")] == []


def test_what_is_built_is_set_apart_and_the_collector_goes_on() -> None:
    thresholds = gc.get_threshold()
    try:
        with garbage.put_off():
            assert not gc.isenabled()
            kept = [[number] for number in range(1_000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= len(kept)
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
