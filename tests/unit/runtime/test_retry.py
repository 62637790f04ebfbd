from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.retry import RetryPolicy

POLICY = RetryPolicy(tries=5, base_ms=500, cap_ms=60_000)


def test_the_same_history_gives_the_same_waits() -> None:
    assert [POLICY.wait_ms("c1", n) for n in range(1, 6)] == [POLICY.wait_ms("c1", n) for n in range(1, 6)]


def test_commands_that_failed_together_come_back_apart() -> None:
    waits = {POLICY.wait_ms(f"c{i}", 4) for i in range(100)}
    assert len(waits) > 90


def test_the_last_try_has_no_successor() -> None:
    assert POLICY.wait_ms("c1", 4) is not None
    assert POLICY.wait_ms("c1", 5) is None
    assert RetryPolicy(tries=1, base_ms=1, cap_ms=1).wait_ms("c1", 1) is None


@given(
    command=st.text(max_size=30),
    attempt=st.integers(1, 10_000),
    base=st.integers(1, 10_000),
    cap=st.integers(1, 10_000_000),
)
def test_waits_double_up_to_the_cap_and_at_least_half_is_kept(command: str, attempt: int, base: int, cap: int) -> None:
    wait = RetryPolicy(tries=100_000, base_ms=base, cap_ms=cap).wait_ms(command, attempt)
    nominal = min(cap, base * 2 ** (attempt - 1))
    assert wait is not None
    assert nominal // 2 <= wait <= nominal
