"""What may be repeated, and after which pause."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import NoUsableResponseError, ThrottledError, UnreachableError
from airflow_provider_runway.segmind import retry
from airflow_provider_runway.segmind.http import Request
from airflow_provider_runway.segmind.retry import (
    NO_RETRY,
    UI_RETRY,
    RetryPolicy,
    compute_resubmit_delay_s,
    compute_retry_delay_s,
    may_retry,
)

KINDS = (ThrottledError, UnreachableError, NoUsableResponseError)
ALMOST_ONE = 0.999_999


@pytest.mark.parametrize(
    ("kind", "may_repeat_submit"), [(ThrottledError, True), (UnreachableError, True), (NoUsableResponseError, False)]
)
def test_a_get_is_always_repeated_and_a_submit_only_where_nothing_was_accepted(
    get: Request, submit: Request, kind: type[NoUsableResponseError], may_repeat_submit: bool
) -> None:
    assert may_retry(get, kind("no response"))
    assert may_retry(submit, kind("no response")) is may_repeat_submit
    assert f"``{kind.__name__}``" in (retry.__doc__ or "")


@pytest.mark.parametrize(
    ("attempt", "jitter", "pause_s"),
    [
        pytest.param(1, 0.0, 0.25, id="first, least jitter"),
        pytest.param(1, 1.0, 0.5, id="first, most jitter"),
        pytest.param(4, 1.0, 4.0, id="it doubles"),
        pytest.param(9, 1.0, 20.0, id="up to the maximum"),
        pytest.param(5000, 0.0, 10.0, id="no power of two is too large"),
    ],
)
def test_a_pause_doubles_within_its_bounds(attempt: int, jitter: float, pause_s: float) -> None:
    policy = RetryPolicy(attempts=10_000)
    for kind in (UnreachableError, NoUsableResponseError):
        assert compute_retry_delay_s(policy, kind("x"), attempt, 0.0, 0.0, jitter) == pause_s


def test_attempts_are_limited() -> None:
    policy = RetryPolicy(attempts=3)
    assert compute_retry_delay_s(policy, UnreachableError("x"), 2, 0.0, 0.0, 0.5) is not None
    assert compute_retry_delay_s(policy, UnreachableError("x"), 3, 0.0, 0.0, 0.5) is None


@pytest.mark.parametrize(
    ("reset_in_s", "attempt", "jitter", "pause_s"),
    [
        pytest.param(30.0, 1, 0.0, 30.0, id="at the reset"),
        pytest.param(30.0, 1, ALMOST_ONE, 30.0 + ALMOST_ONE, id="up to a second after it"),
        pytest.param(None, 1, 0.0, 1.0, id="no reset: a second at least"),
        pytest.param(None, 6, 1.0, 16.0, id="no reset: it doubles"),
        pytest.param(-60.0, 6, 1.0, 16.0, id="a server clock behind ours"),
    ],
)
def test_a_429_waits_for_its_reset(reset_in_s: float | None, attempt: int, jitter: float, pause_s: float) -> None:
    error = ThrottledError("x", reset_at=None if reset_in_s is None else 1000.0 + reset_in_s)
    found = compute_retry_delay_s(RetryPolicy(attempts=1), error, attempt, 0.0, 1000.0, jitter)
    assert found == pytest.approx(pause_s)


@pytest.mark.parametrize(("elapsed_s", "gives_up"), [(119.9, False), (120.1, True)])
def test_no_pause_ends_after_the_elapsed_time_of_the_policy(elapsed_s: float, gives_up: bool) -> None:
    error = ThrottledError("x", reset_at=1030.0)
    found = compute_retry_delay_s(RetryPolicy(max_elapsed_s=150.0), error, 1, elapsed_s, 1000.0, 0.0)
    assert (found is None) is gives_up


def test_a_poller_does_not_retry_and_a_person_at_a_screen_waits_seconds() -> None:
    assert [compute_retry_delay_s(NO_RETRY, kind("x"), 1, 0.0, 0.0, 0.0) for kind in KINDS] == [None] * 3
    assert compute_retry_delay_s(UI_RETRY, UnreachableError("x"), 2, 0.0, 0.0, 0.0) is None
    assert compute_retry_delay_s(UI_RETRY, ThrottledError("x", reset_at=60.0), 1, 0.0, 0.0, 0.0) is None


@given(
    attempt=st.integers(min_value=1, max_value=10**6),
    jitter=st.floats(min_value=0, max_value=1, exclude_max=True),
    reset_at=st.none() | st.floats(min_value=0, max_value=2e9),
    kind=st.sampled_from(KINDS),
)
def test_no_loop_runs_without_a_pause(
    attempt: int, jitter: float, reset_at: float | None, kind: type[NoUsableResponseError]
) -> None:
    error = ThrottledError("x", reset_at=reset_at) if kind is ThrottledError else kind("x")
    pause_s = compute_retry_delay_s(RetryPolicy(attempts=10**9, max_elapsed_s=1e12), error, attempt, 0.0, 1e9, jitter)
    assert pause_s is not None
    assert pause_s >= 0.25


@pytest.mark.parametrize(
    ("reset_at", "throttle_count", "jitter", "delay_s"),
    [
        pytest.param(130.0, 0, 0.0, 30.0, id="at the reset"),
        pytest.param(130.0, 0, 1.0, 45.0, id="spread over 15 s after it"),
        pytest.param(130.0, 3, 1.0, 150.0, id="twice as far with each 429"),
        pytest.param(130.0, 99, 1.0, 330.0, id="up to five minutes"),
        pytest.param(None, 0, 0.0, 15.0, id="no reset"),
        pytest.param(0.0, 0, 0.0, 0.0, id="a reset in the past"),
    ],
)
def test_submits_that_were_throttled_together_return_spread_out(
    reset_at: float | None, throttle_count: int, jitter: float, delay_s: float
) -> None:
    error = ThrottledError("x", reset_at=reset_at)
    assert compute_resubmit_delay_s(error, throttle_count, 100.0, jitter) == delay_s
