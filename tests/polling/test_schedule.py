"""When a look is worth its price: the gap to the next look, within deadlines, floors and bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.polling.latency import LatencyDistribution
from airflow_provider_runway.polling.schedule import (
    LONGEST_GAP_S,
    POLL_COSTS_S,
    SHORTEST_GAP_S,
    SINGLE_JOB_POLL_COST_S,
    PriorityTimes,
    next_poll_delay_s,
)

MODEL = LatencyDistribution(27.0)
PATIENT = LatencyDistribution(500.0)
FIRST_S = MODEL.next_age(0.0, SINGLE_JOB_POLL_COST_S)
AGES = st.floats(min_value=-1e4, max_value=1e5)


@pytest.mark.parametrize(
    ("age_s", "last_polled_age_s", "left_s", "floor_s", "wait_s"),
    [
        pytest.param(0, 0, 900, 0, FIRST_S, id="a newborn job is left alone"),
        pytest.param(5, 0, 900, 0, FIRST_S - 5, id="the first look is at an age, not after a pause"),
        pytest.param(FIRST_S - 0.1, 0, 900, 0, SHORTEST_GAP_S, id="a look is never hasty"),
        pytest.param(600, 0, 900, 0, SHORTEST_GAP_S, id="a job that was never looked at is looked at soon"),
        pytest.param(600, 20, 900, 0, SHORTEST_GAP_S, id="as is one that was not looked at for long"),
        pytest.param(90_000, 90_000, 1e6, 0, LONGEST_GAP_S, id="a job that should have ended: the longest gap"),
        pytest.param(20, 20, 900, 50, 50, id="a floor beats the table"),
        pytest.param(0, 0, 900, 2, FIRST_S, id="a lower floor does not"),
        pytest.param(20, 20, 0.5, 0, 0.5, id="the last look lands on the deadline, however near"),
        pytest.param(0, 0, 5, 0, 5, id="also when the job cannot be done by then"),
        pytest.param(20, 20, 25, 25, 25, id="a floor on the deadline still lands"),
        pytest.param(20, 20, 4, 8, None, id="a floor beyond the deadline stops"),
        pytest.param(20, 20, 0, 0, None, id="the deadline is here"),
        pytest.param(20, 20, -9, 0, None, id="the deadline is past"),
        pytest.param(-600, 0, 900, 0, FIRST_S, id="a submission in the future counts as now"),
        pytest.param(-600, -300, 900, 0, FIRST_S, id="as does a look that was before it"),
        pytest.param(
            10, 50, 900, 0, MODEL.next_age(10, SINGLE_JOB_POLL_COST_S) - 10, id="nor was any look in the future"
        ),
    ],
)
def test_the_next_look(
    age_s: float, last_polled_age_s: float, left_s: float, floor_s: float, wait_s: float | None
) -> None:
    found = next_poll_delay_s(
        MODEL, age_s, left_s, SINGLE_JOB_POLL_COST_S, last_polled_age_s=last_polled_age_s, floor_s=floor_s
    )
    assert found == (None if wait_s is None else pytest.approx(wait_s))


def test_a_slow_model_may_wait_longer_than_the_longest_gap_but_not_past_its_mean() -> None:
    wait_s = next_poll_delay_s(PATIENT, 0.0, 3600.0, POLL_COSTS_S[-1])
    assert wait_s is not None
    assert LONGEST_GAP_S < wait_s <= PATIENT.expected_s


@given(
    age_s=AGES,
    last_polled_age_s=AGES,
    left_s=st.floats(-10, 1e5),
    floor_s=st.floats(0, 200),
    poll_cost_s=st.sampled_from(POLL_COSTS_S),
)
def test_a_wait_is_never_empty_nor_past_the_deadline_nor_below_the_floor(
    age_s: float, last_polled_age_s: float, left_s: float, floor_s: float, poll_cost_s: float
) -> None:
    wait_s = next_poll_delay_s(MODEL, age_s, left_s, poll_cost_s, last_polled_age_s=last_polled_age_s, floor_s=floor_s)
    if wait_s is None:
        assert left_s <= 0 or floor_s > left_s
    else:
        assert 0 < wait_s <= left_s
        assert wait_s >= min(max(floor_s, SHORTEST_GAP_S), left_s)


@pytest.mark.parametrize("model", [MODEL, PATIENT], ids=["quick", "slow"])
@given(age_s=AGES, last_polled_age_s=AGES)
def test_a_job_comes_to_its_ranks_one_after_the_other(
    model: LatencyDistribution, age_s: float, last_polled_age_s: float
) -> None:
    gaps_s = list(PriorityTimes(model, 0.0, age_s, last_polled_age_s))
    assert len(gaps_s) == len(PriorityTimes(model, 0.0, age_s, last_polled_age_s)) == len(POLL_COSTS_S)
    assert gaps_s == sorted(gaps_s)
    assert gaps_s[0] >= SHORTEST_GAP_S
    assert gaps_s[-1] <= max(LONGEST_GAP_S, model.expected_s)


def test_a_higher_price_means_a_later_look() -> None:
    gaps_s = list(PriorityTimes(MODEL, 0.0, 15.0, 15.0))
    assert gaps_s[-1] > 3 * gaps_s[0]


@pytest.mark.parametrize("age_s", [8_000.0, 20_000.0, 1e6])
def test_a_job_older_than_any_table_is_not_hammered(age_s: float) -> None:
    assert set(PriorityTimes(MODEL, 7.0, age_s, age_s)) == {7.0 + LONGEST_GAP_S}
