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


def test_a_get_is_always_repeated_and_a_submit_only_where_nothing_was_accepted(
    subtests: pytest.Subtests, get: Request, submit: Request
) -> None:
    for kind, may_repeat_submit in ((ThrottledError, True), (UnreachableError, True), (NoUsableResponseError, False)):
        with subtests.test(kind=kind, may_repeat_submit=may_repeat_submit):
            assert may_retry(get, kind("no response"))
            assert may_retry(submit, kind("no response")) is may_repeat_submit
            assert f"``{kind.__name__}``" in (retry.__doc__ or "")


def test_a_pause_doubles_within_its_bounds(subtests: pytest.Subtests) -> None:
    for case, attempt, jitter, pause_s in (
        ("first, least jitter", 1, 0.0, 0.25),
        ("first, most jitter", 1, 1.0, 0.5),
        ("it doubles", 4, 1.0, 4.0),
        ("up to the maximum", 9, 1.0, 20.0),
        ("no power of two is too large", 5000, 0.0, 10.0),
    ):
        with subtests.test(case):
            policy = RetryPolicy(attempts=10_000)
            for kind in (UnreachableError, NoUsableResponseError):
                assert compute_retry_delay_s(policy, kind("x"), attempt, 0.0, 0.0, jitter) == pause_s


def test_attempts_are_limited() -> None:
    policy = RetryPolicy(attempts=3)
    assert compute_retry_delay_s(policy, UnreachableError("x"), 2, 0.0, 0.0, 0.5) is not None
    assert compute_retry_delay_s(policy, UnreachableError("x"), 3, 0.0, 0.0, 0.5) is None


def test_a_429_waits_for_its_reset(subtests: pytest.Subtests) -> None:
    for case, reset_in_s, attempt, jitter, pause_s in (
        ("at the reset", 30.0, 1, 0.0, 30.0),
        ("up to a second after it", 30.0, 1, ALMOST_ONE, 30.0 + ALMOST_ONE),
        ("no reset: a second at least", None, 1, 0.0, 1.0),
        ("no reset: it doubles", None, 6, 1.0, 16.0),
        ("a server clock behind ours", -60.0, 6, 1.0, 16.0),
    ):
        with subtests.test(case):
            error = ThrottledError("x", reset_at=None if reset_in_s is None else 1000.0 + reset_in_s)
            found = compute_retry_delay_s(RetryPolicy(attempts=1), error, attempt, 0.0, 1000.0, jitter)
            assert found == pytest.approx(pause_s)


def test_no_pause_ends_after_the_elapsed_time_of_the_policy(subtests: pytest.Subtests) -> None:
    for elapsed_s, gives_up in ((119.9, False), (120.1, True)):
        with subtests.test(elapsed_s=elapsed_s, gives_up=gives_up):
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


def test_submits_that_were_throttled_together_return_spread_out(subtests: pytest.Subtests) -> None:
    for case, reset_at, throttle_count, jitter, delay_s in (
        ("at the reset", 130.0, 0, 0.0, 30.0),
        ("spread over 15 s after it", 130.0, 0, 1.0, 45.0),
        ("twice as far with each 429", 130.0, 3, 1.0, 150.0),
        ("up to five minutes", 130.0, 99, 1.0, 330.0),
        ("no reset", None, 0, 0.0, 15.0),
        ("a reset in the past", 0.0, 0, 0.0, 0.0),
    ):
        with subtests.test(case):
            error = ThrottledError("x", reset_at=reset_at)
            assert compute_resubmit_delay_s(error, throttle_count, 100.0, jitter) == delay_s
