"""The latency estimator: its prior, how it learns, and how many polls and how much lateness follow from it."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from itertools import pairwise
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.polling.latency import AGE_GRID_S, LatencyEstimator
from airflow_provider_runway.polling.schedule import POLL_COSTS_S, SINGLE_JOB_POLL_COST_S, next_poll_delay_s

MEAN_S = 27.0


def draw_latencies(means_s: Iterable[float], seed: int = 7) -> list[float]:
    """Draw a latency around each mean, skewed as a service's are."""
    jitter = random.Random(seed)
    return [mean_s * math.exp(jitter.gauss(-0.02, 0.2)) for mean_s in means_s]


def poll_job(estimator: LatencyEstimator, latency_s: float, poll_cost_s: float) -> tuple[int, float]:
    """Poll one job until it is seen done; return the number of polls, and how late the last one was."""
    age_s, polls = 0.0, 0
    while age_s < latency_s:
        delay_s = next_poll_delay_s(estimator, age_s, math.inf, poll_cost_s, last_polled_age_s=age_s)
        assert delay_s is not None
        age_s += delay_s
        polls += 1
    return polls, age_s - latency_s


def poll_jobs(
    estimator: LatencyEstimator, latencies_s: Iterable[float], poll_cost_s: float = SINGLE_JOB_POLL_COST_S
) -> list[tuple[int, float]]:
    """Poll one job after the other; the estimator learns from each."""
    results = []
    for latency_s in latencies_s:
        results.append(poll_job(estimator, latency_s, poll_cost_s))
        estimator.add_sample(latency_s)
    return results


def get_means(results: list[tuple[int, float]]) -> tuple[float, float]:
    """Return the mean number of polls and the mean lateness."""
    return mean(polls for polls, _ in results), mean(late_s for _, late_s in results)


def test_it_starts_from_the_registrys_mean() -> None:
    estimator = LatencyEstimator(MEAN_S)
    assert estimator.expected_s == pytest.approx(MEAN_S)
    assert 0.3 * MEAN_S < estimator.next_poll_age(0.0, SINGLE_JOB_POLL_COST_S) < MEAN_S


def test_it_learns_from_finished_jobs() -> None:
    estimator = LatencyEstimator(MEAN_S)
    for _ in range(20):
        estimator.add_sample(60.0)
    assert estimator.expected_s == pytest.approx(60.0, rel=0.1)
    assert 40 < estimator.next_poll_age(0.0, SINGLE_JOB_POLL_COST_S) < 60


def test_narrow_latencies_take_fewer_polls_than_wide_ones() -> None:
    narrow, wide = (poll_jobs(LatencyEstimator(MEAN_S), jobs) for jobs in ([40.0] * 60, [20.0, 60.0] * 30))
    assert get_means(narrow[30:])[0] < get_means(wide[30:])[0]


def test_recent_jobs_weigh_more_than_earlier_ones() -> None:
    rising, falling = LatencyEstimator(MEAN_S), LatencyEstimator(MEAN_S)
    for low, high in [(20.0, 80.0)] * 40 + [(80.0, 20.0)] * 40:
        rising.add_sample(low)
        falling.add_sample(high)
    assert rising.expected_s > 60 > 40 > falling.expected_s


def test_a_wrong_prior_is_overcome_after_a_few_jobs(subtests: pytest.Subtests) -> None:
    for factor in (0.1, 10.0):
        with subtests.test(factor=factor):
            wrong = poll_jobs(LatencyEstimator(MEAN_S * factor), draw_latencies([MEAN_S] * 40))
            right = poll_jobs(LatencyEstimator(MEAN_S), draw_latencies([MEAN_S] * 40))
            (polls, late_s), (usual_polls, usual_late_s) = get_means(wrong[8:]), get_means(right[8:])
            assert polls <= 1.5 * usual_polls
            assert late_s <= 1.5 * usual_late_s
            # The jobs before that are costly, within bounds.
            assert max(polls for polls, _ in wrong) <= 20
            assert max(late_s for _, late_s in wrong) <= 4 * MEAN_S


def test_changing_latencies_keep_polls_and_lateness_bounded(subtests: pytest.Subtests) -> None:
    for case, means_s in (
        ("slowly", [MEAN_S + 73.0 * step / 399 for step in range(400)]),
        ("suddenly up", [MEAN_S] * 200 + [100.0] * 200),
        ("suddenly down", [100.0] * 200 + [MEAN_S] * 200),
    ):
        with subtests.test(case):
            results = poll_jobs(LatencyEstimator(MEAN_S), draw_latencies(means_s))
            for start in range(0, 400, 50):
                polls, late_s = get_means(results[start : start + 50])
                assert polls <= 15, f"jobs from {start}"
                assert late_s <= 10, f"jobs from {start}"
            assert get_means(results[-50:])[0] <= 9


def test_it_polls_far_less_than_a_fixed_interval_of_the_same_lateness(subtests: pytest.Subtests) -> None:
    for poll_cost_s in (POLL_COSTS_S[0], POLL_COSTS_S[3]):
        with subtests.test(poll_cost_s=poll_cost_s):
            latencies_s = draw_latencies([MEAN_S] * 300, seed=11)
            polls, late_s = get_means(poll_jobs(LatencyEstimator(MEAN_S), latencies_s, poll_cost_s))
            interval_s = 2 * late_s  # on average half of it passes until the end is seen
            assert polls <= 0.65 * mean(math.ceil(latency_s / interval_s) for latency_s in latencies_s)


def test_a_higher_poll_cost_means_fewer_polls_and_more_lateness() -> None:
    latencies_s = draw_latencies([MEAN_S] * 200)
    means = [get_means(poll_jobs(LatencyEstimator(MEAN_S), latencies_s, cost_s)) for cost_s in POLL_COSTS_S]
    assert [polls for polls, _ in means] == sorted((polls for polls, _ in means), reverse=True)
    assert [late_s for _, late_s in means] == sorted(late_s for _, late_s in means)


def test_impossible_latencies_are_ignored(subtests: pytest.Subtests) -> None:
    for nonsense in (0.0, -5.0, math.nan, math.inf, 1e9):
        with subtests.test(nonsense=nonsense):
            estimator, untouched = LatencyEstimator(MEAN_S), LatencyEstimator(MEAN_S)
            for _ in range(20):
                estimator.add_sample(nonsense)
            assert estimator.expected_s == untouched.expected_s
            assert estimator.next_poll_age(10.0, 1.0) == untouched.next_poll_age(10.0, 1.0)


def test_a_time_scale_applies_to_every_time() -> None:
    usual, fast = LatencyEstimator(MEAN_S), LatencyEstimator(MEAN_S / 100, time_scale=0.01)
    for latency_s in (20.0, 30.0, 60.0):
        usual.add_sample(latency_s)
        fast.add_sample(latency_s / 100)
    assert fast.expected_s == pytest.approx(usual.expected_s / 100)
    assert fast.next_poll_age(0.1, 0.5) == pytest.approx(usual.next_poll_age(10.0, 0.5) / 100)


@given(
    samples_s=st.sampled_from([[], [1e-3] * 9, [86_000.0] * 9, [5.0, 500.0] * 9]),
    age_s=st.floats(0, 1e6),
    poll_cost_s=st.floats(1e-3, 1e4),
)
def test_the_next_poll_is_always_later_than_now(samples_s: list[float], age_s: float, poll_cost_s: float) -> None:
    estimator = LatencyEstimator(MEAN_S)
    for latency_s in samples_s:
        estimator.add_sample(latency_s)
    assert estimator.next_poll_age(age_s, poll_cost_s) > age_s


@given(st.lists(st.floats(0.5, 3600), max_size=60), st.floats(1, 600))
def test_survival_never_rises_with_age(samples_s: list[float], mean_s: float) -> None:
    estimator = LatencyEstimator(mean_s)
    for latency_s in samples_s:
        estimator.add_sample(latency_s)
    survival = estimator._distribution.survival
    assert 0 < estimator.expected_s < 2 * max([mean_s, *samples_s])
    assert all(after <= before + 1e-12 for before, after in pairwise(survival))
    assert survival[0] <= 1 + 1e-12
    assert len(survival) == len(AGE_GRID_S)
