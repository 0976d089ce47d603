"""When the next poll of a job is due, within deadlines, requested pauses and bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.polling.latency import LatencyEstimator
from airflow_provider_runway.polling.schedule import (
    MAX_POLL_GAP_S,
    POLL_COSTS_S,
    SINGLE_JOB_POLL_COST_S,
    PriorityTimes,
    next_poll_delay_s,
)
from airflow_provider_runway.segmind.timing import get_timing

QUICK_MODEL, SLOW_MODEL = LatencyEstimator(27.0), LatencyEstimator(500.0)
FIRST_S = QUICK_MODEL.next_poll_age(0.0, SINGLE_JOB_POLL_COST_S)
MIN_GAP_S = get_timing().min_poll_gap_s
AGES = st.floats(min_value=-1e4, max_value=1e5)


@pytest.mark.parametrize(
    ("age_s", "last_polled_age_s", "left_s", "min_delay_s", "delay_s"),
    [
        pytest.param(0, 0, 900, 0, FIRST_S, id="a new job is not polled for a while"),
        pytest.param(5, 0, 900, 0, FIRST_S - 5, id="the first poll is at an age"),
        pytest.param(FIRST_S - 0.1, 0, 900, 0, MIN_GAP_S, id="never sooner than the shortest gap"),
        pytest.param(600, 20, 900, 0, MIN_GAP_S, id="an overdue poll comes soon"),
        pytest.param(90_000, 90_000, 1e6, 0, MAX_POLL_GAP_S, id="an overdue job is polled at the longest gap"),
        pytest.param(20, 20, 900, 50, 50, id="a longer pause of the API is kept"),
        pytest.param(0, 0, 900, 2, FIRST_S, id="a shorter one changes nothing"),
        pytest.param(20, 20, 0.5, 0, 0.5, id="the last poll is at the deadline"),
        pytest.param(20, 20, 4, 8, None, id="a pause beyond the deadline ends polling"),
        pytest.param(20, 20, -9, 0, None, id="a past deadline ends polling"),
        pytest.param(-600, -300, 900, 0, FIRST_S, id="a submission in the future counts as now"),
    ],
)
def test_the_delay_of_the_next_poll(
    age_s: float, last_polled_age_s: float, left_s: float, min_delay_s: float, delay_s: float | None
) -> None:
    found = next_poll_delay_s(
        QUICK_MODEL,
        age_s,
        left_s,
        SINGLE_JOB_POLL_COST_S,
        last_polled_age_s=last_polled_age_s,
        min_delay_s=min_delay_s,
    )
    assert found == (None if delay_s is None else pytest.approx(delay_s))


def test_a_slow_model_may_wait_longer_than_the_longest_gap_but_not_past_its_mean() -> None:
    delay_s = next_poll_delay_s(SLOW_MODEL, 0.0, 3600.0, POLL_COSTS_S[-1])
    assert delay_s is not None
    assert MAX_POLL_GAP_S < delay_s <= SLOW_MODEL.expected_s


@given(
    age_s=AGES,
    last_polled_age_s=AGES,
    left_s=st.floats(-10, 1e5),
    min_delay_s=st.floats(0, 200),
    cost_s=st.sampled_from(POLL_COSTS_S),
)
def test_a_delay_is_never_past_the_deadline_nor_shorter_than_the_requested_pause(
    age_s: float, last_polled_age_s: float, left_s: float, min_delay_s: float, cost_s: float
) -> None:
    delay_s = next_poll_delay_s(
        QUICK_MODEL, age_s, left_s, cost_s, last_polled_age_s=last_polled_age_s, min_delay_s=min_delay_s
    )
    if delay_s is None:
        assert left_s <= 0 or min_delay_s > left_s
    else:
        assert min(max(min_delay_s, MIN_GAP_S), left_s) <= delay_s <= left_s


@pytest.mark.parametrize("latency", [QUICK_MODEL, SLOW_MODEL], ids=["quick", "slow"])
@given(age_s=AGES, last_polled_age_s=AGES)
def test_a_job_reaches_its_priorities_one_after_the_other(
    latency: LatencyEstimator, age_s: float, last_polled_age_s: float
) -> None:
    times = list(PriorityTimes(latency, 0.0, age_s, last_polled_age_s))
    assert len(times) == len(POLL_COSTS_S)
    assert times == sorted(times)
    assert times[0] >= MIN_GAP_S
    assert times[-1] <= max(MAX_POLL_GAP_S, latency.expected_s)


def test_a_job_older_than_the_table_is_polled_at_the_longest_gap() -> None:
    assert set(PriorityTimes(QUICK_MODEL, 7.0, 20_000.0, 20_000.0)) == {7.0 + MAX_POLL_GAP_S}
