"""The size of a wave, and when a worker is woken for it."""

from __future__ import annotations

import pytest

from airflow_provider_runway.batch.wave_size_and_timing import (
    MAX_BUSY_SHARE,
    MAX_INTERVAL_S,
    MAX_OUT,
    MIN_ENDED_TO_STORE,
    MIN_INTERVAL_S,
    UNKNOWN_RATE_WAVE,
    WORKER_START_S,
    Progress,
    WorkSoFar,
    compute_next_wave_at,
    compute_wave_size,
    is_worth_waking,
)


@pytest.mark.parametrize(
    ("to_go", "out", "rate", "since_s", "size"),
    [
        pytest.param(1000, 0, 1000, None, 800, id="the first wave leaves a fifth of the minute to the polls"),
        pytest.param(1000, 0, 1000, 30, 400, id="a later one takes what the rate allows since the last"),
        pytest.param(1000, 0, 1000, 600, 800, id="a window does not grow beyond its minute"),
        pytest.param(5, 0, 1000, 30, 5, id="no more than there is"),
        pytest.param(500, 115, 60, 60, 5, id="no more out than can be polled in two minutes"),
        pytest.param(500, 130, 60, 60, 0, id="nothing while too many are out"),
        pytest.param(500, 0, 5, 1, 1, id="one at least"),
        pytest.param(9000, 0, None, None, UNKNOWN_RATE_WAVE, id="an unknown rate: until the 429"),
        pytest.param(9000, MAX_OUT, None, None, 0, id="never more than the triggerer's memory is for"),
    ],
)
def test_a_wave_takes_what_the_rate_limit_allows(
    to_go: int, out: int, rate: float | None, since_s: float | None, size: int
) -> None:
    assert compute_wave_size(to_go, out, rate, since_s) == size


@pytest.mark.parametrize(
    "row_s", [pytest.param(0.001, id="quick"), pytest.param(0.01, id="usual"), pytest.param(0.02, id="slow")]
)
def test_a_worker_slot_is_busy_for_a_seventh_of_the_time_at_most(row_s: float) -> None:
    now, busy_s, rows, out = 1000.0, 0.0, 0, 0
    for wave in range(1, 8):  # each submits 400 rows and stores the videos of those before
        handled = 400 + out
        now += WORKER_START_S + handled * row_s
        busy_s, rows, out = busy_s + handled * row_s, rows + handled, 400
        assert (wave * WORKER_START_S + busy_s) / (now - 1000.0) <= MAX_BUSY_SHARE + 0.001 or wave == 1
        now = compute_next_wave_at(now, WorkSoFar(1000.0, wave, busy_s, rows), next_rows=800)


def test_a_wave_comes_soon_after_a_long_pause_and_never_much_later_than_minutes() -> None:
    after_a_pause = WorkSoFar(started_at=0.0, waves=1, busy_s=1.0, rows=100)
    assert compute_next_wave_at(9000.0, after_a_pause, next_rows=100) == 9000.0 + MIN_INTERVAL_S
    after_hard_work = WorkSoFar(started_at=0.0, waves=1, busy_s=500.0, rows=800)
    assert compute_next_wave_at(500.0, after_hard_work, next_rows=800) == 500.0 + MAX_INTERVAL_S


def test_a_wave_after_a_429_waits_for_the_reset() -> None:
    work = WorkSoFar(started_at=99.0, waves=1, busy_s=1.0, rows=0)
    assert compute_next_wave_at(100.0, work, next_rows=5, throttled_until=500.0) == 500.0


@pytest.mark.parametrize(
    ("now", "out", "ended", "to_go", "is_worth"),
    [
        pytest.param(0, 0, 5, 0, True, id="everything ended"),
        pytest.param(0, 3, 5, 9, False, id="too early"),
        pytest.param(10, 3, 0, 9, True, id="more can be submitted"),
        pytest.param(10, 3, MIN_ENDED_TO_STORE, 0, True, id="many videos wait to be stored"),
        pytest.param(10, 3, MIN_ENDED_TO_STORE - 1, 0, False, id="few videos wait for the rest"),
        pytest.param(10, 800, 399, 0, False, id="few against those that are out"),
        pytest.param(10, 800, 400, 0, True, id="half as many as are out"),
        pytest.param(0, 0, 0, 9, False, id="the rate limit or the history is waited for"),
    ],
)
def test_a_worker_is_woken_when_it_finds_enough_to_do(
    now: float, out: int, ended: int, to_go: int, is_worth: bool
) -> None:
    assert is_worth_waking(now, 10.0, out=out, ended=ended, to_go=to_go) is is_worth


def test_the_progress_says_what_is_done_and_how_long_the_rest_takes() -> None:
    progress = Progress(total=1000, done=400, kept=100, failed=3, out=200, to_go=400, cost=148.5, started_at=0.0)
    line = progress.describe(300.0)
    assert line == "400 of 1000 rows done (3 without a video), 200 out, 400 to go, USD 148.50 spent, about 10 min left"
    assert Progress.from_json(progress.to_json()) == progress
    assert "left" not in Progress(9, 9, 0, 0, 0, 0, 4.5, 0.0).describe(60.0)
