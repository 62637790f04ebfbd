from __future__ import annotations

from connectors.evm.draft import Seen


def test_what_is_seen_later_never_looks_older_also_after_a_restart() -> None:
    clock = iter([100_000, 99_000, 100_500, 95_000])
    seen = Seen(lambda: next(clock), {})
    assert [seen.now_ms() for _ in range(3)] == [100_000, 100_000, 100_500]
    kept = {name: text for name, text in seen.note().items() if text is not None}
    assert Seen(lambda: next(clock), kept).now_ms() == 100_500


def test_a_clock_that_was_set_right_is_followed() -> None:
    clock = iter([10_000_000, 50_000, 50_001])
    seen = Seen(lambda: next(clock), {})
    assert [seen.now_ms() for _ in range(3)] == [10_000_000, 50_000, 50_001]
