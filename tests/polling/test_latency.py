"""The latency model: what it believes, how it learns, and the looks that follow from it, played by hand."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from itertools import pairwise
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.polling.latency import GRID, LatencyDistribution
from airflow_provider_runway.polling.schedule import POLL_COSTS_S, SINGLE_JOB_POLL_COST_S, next_poll_delay_s

MEAN_S = 27.0


def latencies(means_s: Iterable[float], seed: int = 7) -> list[float]:
    """Draw a latency around each mean, skewed as a service's are."""
    jitter = random.Random(seed)
    return [mean_s * math.exp(jitter.gauss(-0.02, 0.2)) for mean_s in means_s]


def play(model: LatencyDistribution, total_s: float, poll_cost_s: float) -> tuple[int, float]:
    """Look at one job until it is seen done; return the number of looks, and how late the last one was."""
    age_s, looks = 0.0, 0
    while age_s < total_s:
        pause_s = next_poll_delay_s(model, age_s, math.inf, poll_cost_s, last_polled_age_s=age_s)
        assert pause_s is not None
        age_s += pause_s
        looks += 1
    return looks, age_s - total_s


def play_all(
    model: LatencyDistribution, totals_s: Iterable[float], poll_cost_s: float = SINGLE_JOB_POLL_COST_S
) -> list[tuple[int, float]]:
    """Play one job after the other; the model learns from each."""
    played = []
    for total_s in totals_s:
        played.append(play(model, total_s, poll_cost_s))
        model.learn(total_s)
    return played


def means(played: list[tuple[int, float]]) -> tuple[float, float]:
    """Return the mean looks and the mean lateness of jobs."""
    return mean(looks for looks, _ in played), mean(late_s for _, late_s in played)


def test_it_starts_from_what_the_catalogue_says() -> None:
    assert LatencyDistribution(MEAN_S).expected_s == pytest.approx(MEAN_S)
    assert 0.3 * MEAN_S < LatencyDistribution(MEAN_S).next_age(0.0, SINGLE_JOB_POLL_COST_S) < MEAN_S


def test_it_learns_from_the_jobs_that_finished() -> None:
    model = LatencyDistribution(MEAN_S)
    for _ in range(20):
        model.learn(60.0)
    assert model.expected_s == pytest.approx(60.0, rel=0.1)
    assert 40 < model.next_age(0.0, SINGLE_JOB_POLL_COST_S) < 60


def test_narrow_latencies_cost_fewer_looks_than_wide_ones() -> None:
    narrow, wide = (play_all(LatencyDistribution(MEAN_S), totals) for totals in ([40.0] * 60, [20.0, 60.0] * 30))
    assert means(narrow[30:])[0] < means(wide[30:])[0]


def test_recent_jobs_weigh_more_than_earlier_ones() -> None:
    rising, falling = LatencyDistribution(MEAN_S), LatencyDistribution(MEAN_S)
    for early, late in [(20.0, 80.0)] * 40 + [(80.0, 20.0)] * 40:
        rising.learn(early)
        falling.learn(late)
    assert rising.expected_s > 60 > 40 > falling.expected_s


@pytest.mark.parametrize(
    "told_s", [pytest.param(MEAN_S / 10, id="10 times low"), pytest.param(MEAN_S * 10, id="10 times high")]
)
def test_a_catalogue_that_is_far_off_is_overcome_after_a_few_jobs(told_s: float) -> None:
    wrong = play_all(LatencyDistribution(told_s), latencies([MEAN_S] * 40))
    right = play_all(LatencyDistribution(MEAN_S), latencies([MEAN_S] * 40))
    (looks, late_s), (usual_looks, usual_late_s) = means(wrong[8:]), means(right[8:])
    assert looks <= 1.5 * usual_looks
    assert late_s <= 1.5 * usual_late_s
    # Until then it is dear, not dreadful.
    assert max(looks for looks, _ in wrong) <= 20
    assert max(late_s for _, late_s in wrong) <= 4 * MEAN_S


@pytest.mark.parametrize(
    "means_s",
    [
        pytest.param([MEAN_S + 73.0 * step / 399 for step in range(400)], id="slowly"),
        pytest.param([MEAN_S] * 200 + [100.0] * 200, id="at once"),
        pytest.param([100.0] * 200 + [MEAN_S] * 200, id="back at once"),
    ],
)
def test_latencies_that_drift_keep_looks_and_lateness_bounded(means_s: list[float]) -> None:
    played = play_all(LatencyDistribution(MEAN_S), latencies(means_s))
    for start in range(0, 400, 50):
        looks, late_s = means(played[start : start + 50])
        assert looks <= 15, f"jobs from {start}"
        assert late_s <= 10, f"jobs from {start}"
    assert means(played[-50:])[0] <= 9


@pytest.mark.parametrize("poll_cost_s", POLL_COSTS_S[:4])
def test_at_equal_lateness_it_looks_far_less_often_than_a_fixed_interval(poll_cost_s: float) -> None:
    totals_s = latencies([MEAN_S] * 300, seed=11)
    looks, late_s = means(play_all(LatencyDistribution(MEAN_S), totals_s, poll_cost_s))
    interval_s = 2 * late_s  # on average half of it passes until the end is seen
    fixed = mean(math.ceil(total_s / interval_s) for total_s in totals_s)
    assert looks <= 0.65 * fixed


def test_a_higher_price_means_fewer_looks_and_more_lateness() -> None:
    totals_s = latencies([MEAN_S] * 200)
    looks, lateness_s = zip(
        *(means(play_all(LatencyDistribution(MEAN_S), totals_s, poll_cost_s)) for poll_cost_s in POLL_COSTS_S),
        strict=True,
    )
    assert list(looks) == sorted(looks, reverse=True)
    assert list(lateness_s) == sorted(lateness_s)


@pytest.mark.parametrize("nonsense", [0.0, -5.0, math.nan, math.inf, -math.inf, 1e9])
def test_nonsense_is_not_learnt(nonsense: float) -> None:
    model, untouched = LatencyDistribution(MEAN_S), LatencyDistribution(MEAN_S)
    for _ in range(20):
        model.learn(nonsense)
    assert model.expected_s == untouched.expected_s
    assert model.next_age(10.0, 1.0) == untouched.next_age(10.0, 1.0)


@pytest.mark.parametrize("learnt", [[], [27.0] * 9, [1e-3] * 9, [86_000.0] * 9, [5.0, 500.0] * 9], ids=str)
@given(age_s=st.floats(0, 1e6), poll_cost_s=st.floats(1e-3, 1e4))
def test_the_next_look_is_always_later_than_now(learnt: list[float], age_s: float, poll_cost_s: float) -> None:
    model = LatencyDistribution(MEAN_S)
    for total_s in learnt:
        model.learn(total_s)
    assert model.next_age(age_s, poll_cost_s) > age_s


@given(st.lists(st.floats(0.5, 3600), max_size=60), st.floats(1, 600))
def test_whatever_it_learnt_fewer_and_fewer_jobs_are_alive_at_higher_ages(totals_s: list[float], told_s: float) -> None:
    model = LatencyDistribution(told_s)
    for total_s in totals_s:
        model.learn(total_s)
    alive = model._curve.alive
    assert 0 < model.expected_s < 2 * max([told_s, *totals_s])
    assert all(after <= before + 1e-12 for before, after in pairwise(alive))
    assert alive[0] <= 1 + 1e-12
    assert len(alive) == len(GRID)
