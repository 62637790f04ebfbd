from __future__ import annotations

from typing import Any

import pytest

from engine.model.journal import StreamId
from engine.runtime import lane as lane_module
from engine.runtime.breaker import BreakerState
from engine.runtime.lane import Lane, Waiting
from engine.settings import ConnectorSettings

NOBODY: frozenset[str] = frozenset()


def lane(**settings: Any) -> Lane:  # noqa: ANN401 - as in the file
    return Lane("executor", ConnectorSettings.model_validate(settings), now_ms=0)


def waiting(n: int, rule: str = "pack.rule", expires_ms: int | None = None) -> Waiting:
    return Waiting(StreamId(n, 0), f"c{n}", rule, expires_ms)


def fill(into: Lane, *items: Waiting) -> None:
    for item in items:
        assert into.offer(item, StreamId(item.outbox_id.ms - 1, 0))


def drawn(from_lane: Lane, now_ms: int = 0, paused: frozenset[str] = NOBODY) -> list[str]:
    out = []
    while (item := from_lane.next(now_ms, paused)) is not None:
        out.append(item.command_id)
    return out


def test_the_oldest_goes_first() -> None:
    full = lane()
    fill(full, waiting(3), waiting(1), waiting(2))
    assert drawn(full) == ["c1", "c2", "c3"]
    assert full.wait_ms(0, NOBODY) is None


def test_concurrency_holds_back_the_rest_until_one_has_finished() -> None:
    narrow = lane(concurrency="2")
    fill(narrow, waiting(1), waiting(2), waiting(3))
    assert drawn(narrow) == ["c1", "c2"]
    assert narrow.wait_ms(0, NOBODY) is None, "only a finished send can change that"
    narrow.finished()
    assert drawn(narrow) == ["c3"]


def test_the_rate_says_how_long_to_wait() -> None:
    slow = lane(rate={"count": "2", "per": "1s", "burst": "1"})
    fill(slow, waiting(1), waiting(2))
    assert drawn(slow) == ["c1"]
    assert slow.wait_ms(0, NOBODY) == 500
    assert drawn(slow, 499) == []
    assert drawn(slow, 500) == ["c2"]


def test_an_open_breaker_lets_one_probe_through_after_its_time() -> None:
    broken = lane(breaker={"failures": "1", "cool_down": "1s"})
    fill(broken, waiting(1), waiting(2), waiting(3))
    assert broken.next(0, NOBODY) is not None
    broken.breaker.failed(0)
    broken.finished()
    assert broken.wait_ms(0, NOBODY) == 1000
    assert drawn(broken, 1000) == ["c2"]
    assert broken.breaker.state is BreakerState.PROBING


def test_a_paused_connector_gives_nothing_and_asks_for_no_wake_up() -> None:
    held = lane()
    fill(held, waiting(1))
    paused = frozenset({"connector:executor"})
    assert drawn(held, 0, paused) == []
    assert held.wait_ms(0, paused) is None
    assert drawn(held, 0, frozenset({"connector:other"})) == ["c1"]


@pytest.mark.parametrize("pause", ["rule:swap.bridge", "plan:swap.bridge", "plan:swap"])
def test_a_paused_rule_or_plan_holds_its_own_commands_alone_and_they_keep_their_place(pause: str) -> None:
    mixed = lane()
    fill(mixed, waiting(1, "swap.bridge"), waiting(2, "other.rule"), waiting(3, "other.rule"))
    held = mixed.next(0, frozenset({pause}))
    assert held is not None
    assert held.command_id == "c2"
    assert drawn(mixed) == ["c1", "c3"]


def test_a_retry_waits_its_time_and_the_younger_pass_it() -> None:
    retried = lane()
    fill(retried, waiting(1), waiting(2))
    first = retried.next(0, NOBODY)
    assert first is not None
    retried.put_back(first, 700)
    assert drawn(retried) == ["c2"]
    assert retried.wait_ms(0, NOBODY) == 700
    assert drawn(retried, 700) == ["c1"]


def test_what_expires_is_taken_out_even_while_it_is_held() -> None:
    held = lane()
    fill(held, waiting(1, expires_ms=50), waiting(2, expires_ms=60), waiting(3))
    paused = frozenset({"rule:pack.rule"})
    assert drawn(held, 0, paused) == []
    assert held.expired(50) == [], "a deadline is inclusive"
    assert [item.command_id for item in held.expired(51)] == ["c1"]
    assert drawn(held, 0) == ["c2", "c3"]
    assert held.expired(1000) == []


def test_a_withdrawn_command_leaves_its_place() -> None:
    full = lane()
    fill(full, waiting(1), waiting(2))
    taken = full.withdraw("c1")
    assert taken is not None
    assert taken.command_id == "c1"
    assert full.withdraw("c1") is None
    assert drawn(full) == ["c2"]


def test_a_full_lane_remembers_where_to_read_again_and_skips_all_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "MAX_WAITING", 2)
    small = lane()
    fill(small, waiting(1), waiting(2))
    assert not small.offer(waiting(3), StreamId(2, 0))
    assert drawn(small) == ["c1", "c2"]
    assert not small.offer(waiting(4), StreamId(3, 0)), "4 must not pass 3"
    assert small.skipped_after == StreamId(2, 0)
    assert small.has_room


def test_what_has_gone_leaves_nothing_behind_however_late_it_would_expire() -> None:
    full = lane()
    for n in range(10_000):
        fill(full, waiting(n, expires_ms=10**15))
        assert drawn(full) == [f"c{n}"]
        full.finished()
    assert len(full._expiring) <= lane_module.SLACK + 3


def test_what_goes_while_it_is_held_leaves_nothing_behind() -> None:
    by_rule, by_connector, delayed = lane(), lane(), lane()
    paused = frozenset({"rule:pack.rule"})
    for n in range(10_000):
        for each in (by_rule, by_connector):
            fill(each, waiting(n))
        delayed.put_back(waiting(n), due_ms=10**15)
        assert drawn(by_rule, paused=paused) == []
        for each in (by_rule, by_connector, delayed):
            assert each.withdraw(f"c{n}") is not None
    most = lane_module.SLACK + 3
    assert max(len(by_rule._held), len(by_connector._ready), len(delayed._delayed)) <= most
