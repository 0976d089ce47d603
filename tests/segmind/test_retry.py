"""The table of ``segmind/retry.py`` is read from its own docstring, and the pauses keep their bounds."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import NoUsableResponseError, ThrottledError, UnreachableError
from airflow_provider_runway.segmind import retry
from airflow_provider_runway.segmind.http import Request
from airflow_provider_runway.segmind.retry import NO_RETRY, UI_RETRY, RetryPolicy, compute_retry_delay_s, may_retry

KINDS = {kind.__name__: kind for kind in (ThrottledError, UnreachableError, NoUsableResponseError)}
SUBMIT = Request("submit", "POST", "https://api.segmind.com/v2/m", idempotent=False)
#: (error, what the table says of a GET, what it says of a submit)
ROWS = [
    (next(kind for kind in KINDS if kind in cells[0]), cells[1], cells[2])
    for line in (retry.__doc__ or "").splitlines()
    if line.startswith("|") and re.search(r"``\w+``", line)
    for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
]
ALMOST_ONE = 0.999_999


def test_the_table_has_a_row_for_each_kind() -> None:
    assert {row[0] for row in ROWS} == set(KINDS)


@pytest.mark.parametrize(("kind", "a_get", "a_submit"), ROWS)
def test_what_may_be_repeated_is_what_the_table_says(kind: str, a_get: str, a_submit: str, get: Request) -> None:
    error = KINDS[kind]("no answer")
    assert may_retry(get, error) is not a_get.startswith("never")
    assert may_retry(SUBMIT, error) is not a_submit.startswith("never")


@pytest.mark.parametrize("kind", [UnreachableError, NoUsableResponseError])
@pytest.mark.parametrize(
    ("attempt", "jitter", "pause_s"),
    [
        pytest.param(1, 0.0, 0.25, id="first, lowest"),
        pytest.param(1, 1.0, 0.5, id="first, highest"),
        pytest.param(2, 0.0, 0.5, id="second, lowest"),
        pytest.param(4, 1.0, 4.0, id="it doubles"),
        pytest.param(9, 1.0, 20.0, id="up to the longest"),
        pytest.param(5000, 0.0, 10.0, id="and no power of two is too high"),
    ],
)
def test_a_pause_doubles_within_its_bounds(
    kind: type[NoUsableResponseError], attempt: int, jitter: float, pause_s: float
) -> None:
    policy = RetryPolicy(attempts=10_000)
    assert compute_retry_delay_s(policy, kind("x"), attempt, 0.0, 0.0, jitter) == pause_s


@pytest.mark.parametrize("kind", [UnreachableError, NoUsableResponseError])
def test_attempts_run_out(kind: type[NoUsableResponseError]) -> None:
    policy = RetryPolicy(attempts=3)
    assert compute_retry_delay_s(policy, kind("x"), 2, 0.0, 0.0, 0.5) is not None
    assert compute_retry_delay_s(policy, kind("x"), 3, 0.0, 0.0, 0.5) is None


@pytest.mark.parametrize(
    ("reset_in_s", "attempt", "jitter", "pause_s"),
    [
        pytest.param(30.0, 1, 0.0, 30.0, id="at the reset"),
        pytest.param(30.0, 1, ALMOST_ONE, 30.0 + ALMOST_ONE, id="up to a second after it"),
        pytest.param(None, 1, 0.0, 1.0, id="no reset: a second at least"),
        pytest.param(None, 6, 1.0, 16.0, id="no reset: backs off"),
        pytest.param(-60.0, 1, 0.0, 1.0, id="a clock behind ours"),
        pytest.param(-60.0, 6, 1.0, 16.0, id="a clock behind ours, again"),
    ],
)
def test_a_429_waits_for_its_reset(reset_in_s: float | None, attempt: int, jitter: float, pause_s: float) -> None:
    error = ThrottledError("x", reset_at=None if reset_in_s is None else 1000.0 + reset_in_s)
    assert compute_retry_delay_s(RetryPolicy(attempts=1), error, attempt, 0.0, 1000.0, jitter) == pytest.approx(pause_s)


@pytest.mark.parametrize(
    ("elapsed_s", "given_up"),
    [pytest.param(119.9, False, id="ends in time"), pytest.param(120.1, True, id="would end too late")],
)
def test_no_pause_outlasts_the_patience(elapsed_s: float, given_up: bool) -> None:
    error = ThrottledError("x", reset_at=1030.0)
    found = compute_retry_delay_s(RetryPolicy(max_elapsed_s=150.0), error, 1, elapsed_s, 1000.0, 0.0)
    assert (found is None) is given_up


@pytest.mark.parametrize("kind", KINDS.values())
def test_once_is_once(kind: type[NoUsableResponseError]) -> None:
    assert compute_retry_delay_s(NO_RETRY, kind("x"), 1, 0.0, 0.0, 0.0) is None


def test_who_waits_at_a_screen_waits_seconds() -> None:
    assert compute_retry_delay_s(UI_RETRY, UnreachableError("x"), 2, 0.0, 0.0, 0.0) is None
    assert compute_retry_delay_s(UI_RETRY, ThrottledError("x", reset_at=60.0), 1, 0.0, 0.0, 0.0) is None


@given(
    attempt=st.integers(min_value=1, max_value=10**6),
    jitter=st.floats(min_value=0, max_value=1, exclude_max=True),
    reset_at=st.none() | st.floats(min_value=0, max_value=2e9),
    kind=st.sampled_from(list(KINDS.values())),
)
def test_no_loop_runs_without_a_pause(
    attempt: int, jitter: float, reset_at: float | None, kind: type[NoUsableResponseError]
) -> None:
    error = ThrottledError("x", reset_at=reset_at) if kind is ThrottledError else kind("x")
    pause_s = compute_retry_delay_s(RetryPolicy(attempts=10**9, max_elapsed_s=1e12), error, attempt, 0.0, 1e9, jitter)
    assert pause_s is not None
    assert pause_s >= 0.25
