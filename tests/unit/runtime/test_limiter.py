from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.limiter import TokenBucket


def test_a_burst_passes_and_then_the_rate_holds() -> None:
    bucket = TokenBucket(count=3, per_ms=1000, burst=2, now_ms=0)
    bucket.take(0)
    bucket.take(0)
    assert bucket.wait_ms(0) == 334
    assert bucket.wait_ms(333) == 1
    bucket.take(334)
    assert bucket.wait_ms(334) == 333, "two parts of the last millisecond were saved"


def test_an_empty_bucket_refuses() -> None:
    bucket = TokenBucket(count=1, per_ms=10, burst=1, now_ms=0)
    bucket.take(0)
    with pytest.raises(ValueError, match="empty"):
        bucket.take(9)


def test_a_clock_that_stands_or_steps_back_gives_nothing() -> None:
    bucket = TokenBucket(count=1, per_ms=10, burst=1, now_ms=100)
    bucket.take(100)
    assert bucket.wait_ms(50) == 10
    assert bucket.wait_ms(105) == 5


@given(
    count=st.integers(1, 50),
    per_ms=st.integers(1, 5000),
    burst=st.integers(1, 20),
    steps=st.lists(st.integers(0, 700), min_size=1, max_size=200),
)
def test_no_interval_ever_sees_more_than_rate_and_burst(count: int, per_ms: int, burst: int, steps: list[int]) -> None:
    bucket = TokenBucket(count, per_ms, burst, now_ms=0)
    now = 0
    taken: list[int] = []
    for step in steps:
        now += step
        if bucket.wait_ms(now) == 0:
            bucket.take(now)
            taken.append(now)
    for i, start in enumerate(taken):
        for j in range(i, len(taken)):
            assert (j - i + 1) * per_ms <= burst * per_ms + (taken[j] - start) * count


@given(count=st.integers(1, 50), per_ms=st.integers(1, 5000), late=st.integers(0, 100))
def test_waiting_as_long_as_told_is_enough_and_not_a_millisecond_too_long(count: int, per_ms: int, late: int) -> None:
    bucket = TokenBucket(count, per_ms, 1, now_ms=0)
    bucket.take(late)
    wait = bucket.wait_ms(late)
    if wait > 1:
        assert bucket.wait_ms(late + wait - 1) == 1
    assert bucket.wait_ms(late + wait) == 0
