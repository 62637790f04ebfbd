from __future__ import annotations

from engine.runtime.breaker import Breaker, BreakerState


def test_it_opens_after_failures_in_a_row_and_not_before() -> None:
    breaker = Breaker(failures=3, cool_down_ms=1000)
    breaker.failed(0)
    breaker.failed(0)
    breaker.succeeded()
    breaker.failed(10)
    breaker.failed(10)
    assert breaker.wait_ms(10) == 0
    breaker.failed(10)
    assert breaker.state is BreakerState.OPEN
    assert breaker.wait_ms(10) == 1000
    assert breaker.wait_ms(1009) == 1


def test_one_probe_passes_and_the_rest_wait_for_it() -> None:
    breaker = Breaker(failures=1, cool_down_ms=1000)
    breaker.failed(0)
    assert breaker.wait_ms(1000) == 0
    breaker.begin()
    assert breaker.wait_ms(1000) is None
    breaker.succeeded()
    assert breaker.wait_ms(1000) == 0


def test_a_failed_probe_opens_it_again_for_the_whole_time() -> None:
    breaker = Breaker(failures=2, cool_down_ms=1000)
    breaker.failed(0)
    breaker.failed(0)
    breaker.begin()
    breaker.failed(1500)
    assert breaker.wait_ms(1500) == 1000


def test_a_probe_that_says_nothing_lets_the_next_one_try() -> None:
    breaker = Breaker(failures=1, cool_down_ms=1000)
    breaker.failed(0)
    breaker.begin()
    breaker.gave_up()
    assert breaker.wait_ms(1000) == 0
