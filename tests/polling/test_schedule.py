"""When the next poll of a job is due, within deadlines, requested pauses and bounds."""

from __future__ import annotations

import math
import random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.polling.latency import LatencyEstimator
from airflow_provider_runway.polling.schedule import (
    MAX_POLL_GAP_S,
    MAX_UNLEARNT_GAP_S,
    MAX_UNLEARNT_JOBS,
    MIN_LEARNT_JOBS,
    POLL_COSTS_S,
    SINGLE_JOB_POLL_COST_S,
    PriorityTimes,
    compute_max_gap_s,
    next_poll_delay_s,
)
from airflow_provider_runway.segmind.timing import get_timing

QUICK_MODEL, SLOW_MODEL = LatencyEstimator(27.0), LatencyEstimator(500.0)
FIRST_S = QUICK_MODEL.next_poll_age(0.0, SINGLE_JOB_POLL_COST_S)
MIN_GAP_S = get_timing().min_poll_gap_s
AGES = st.floats(min_value=-1e4, max_value=1e5)


def test_the_delay_of_the_next_poll(subtests: pytest.Subtests) -> None:
    for case, age_s, last_polled_age_s, left_s, min_delay_s, delay_s in (
        ("a new job is not polled for a while", 0, 0, 900, 0, FIRST_S),
        ("the first poll is at an age", 5, 0, 900, 0, FIRST_S - 5),
        ("never sooner than the shortest gap", FIRST_S - 0.1, 0, 900, 0, MIN_GAP_S),
        ("an overdue poll comes soon", 600, 20, 900, 0, MIN_GAP_S),
        ("an overdue job is polled at the longest gap", 90_000, 90_000, 1e6, 0, MAX_POLL_GAP_S),
        ("a longer pause of the API is kept", 20, 20, 900, 50, 50),
        ("a shorter one changes nothing", 0, 0, 900, 2, FIRST_S),
        ("the last poll is at the deadline", 20, 20, 0.5, 0, 0.5),
        ("a pause beyond the deadline ends polling", 20, 20, 4, 8, None),
        ("a past deadline ends polling", 20, 20, -9, 0, None),
        ("a submission in the future counts as now", -600, -300, 900, 0, FIRST_S),
    ):
        with subtests.test(case):
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


def test_jobs_of_an_unlearnt_model_are_polled_often_while_few_wait() -> None:
    latency = LatencyEstimator(270.0)
    max_gap_s = compute_max_gap_s(latency, waiting_jobs=3, requests_per_second=10.0)
    assert max_gap_s == MAX_UNLEARNT_GAP_S
    times = list(PriorityTimes(latency, 100.0, 5.0, 5.0, max_gap_s))
    assert times[0] == 100.0 + MAX_UNLEARNT_GAP_S
    assert times[1:] == list(PriorityTimes(latency, 100.0, 5.0, 5.0))[1:]


def test_polls_of_an_unlearnt_model_stay_within_the_rate() -> None:
    latency = LatencyEstimator(270.0)
    assert compute_max_gap_s(latency, waiting_jobs=10, requests_per_second=1.0) == 10.0
    assert compute_max_gap_s(latency, MAX_UNLEARNT_JOBS + 1, requests_per_second=1000.0) == math.inf


def test_a_learnt_model_is_polled_by_its_distribution_alone() -> None:
    latency = LatencyEstimator(270.0)
    for _ in range(MIN_LEARNT_JOBS):
        latency.add_sample(200.0)
    assert compute_max_gap_s(latency, waiting_jobs=1, requests_per_second=10.0) == math.inf


def test_the_first_jobs_are_seen_soon_however_wrong_the_registry_is(subtests: pytest.Subtests) -> None:
    for factor in (0.1, 1 / 3, 1.0, 3.0, 10.0):
        with subtests.test(factor=factor):
            jitter = random.Random(7)
            lateness_s, polls, usual_polls = [], 0, 0
            for _ in range(100):
                latency_s = 27.0 * factor * jitter.lognormvariate(0, 0.25)
                usual_polls += poll_first_job(latency_s, math.inf)[0]
                count, late_s = poll_first_job(latency_s, MAX_UNLEARNT_GAP_S)
                polls += count
                lateness_s.append(late_s)
            assert mean(lateness_s) <= 1.5
            assert polls + 100 <= 3 * (usual_polls + 100)  # and one request for each result


def poll_first_job(latency_s: float, max_gap_s: float) -> tuple[int, float]:
    """Poll a job of an unlearnt model at the lowest priority; return the number of polls and the lateness."""
    age_s, polls = 0.0, 0
    while age_s < latency_s:
        age_s = PriorityTimes(QUICK_MODEL, age_s, age_s, age_s, max_gap_s)[0]
        polls += 1
    return polls, age_s - latency_s
