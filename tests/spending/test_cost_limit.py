"""What a task may spend under its limit, as a table, and what counts as spent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import BalanceTooLowError, CostLimitError
from airflow_provider_runway.segmind.jobs import Credits
from airflow_provider_runway.spending.balance_check import check_balance, find_balance_usd
from airflow_provider_runway.spending.cost_limit import add_job_to_spent, check_cost_limit
from airflow_provider_runway.spending.estimate import Estimate, PricedJob

ONE = Estimate.of([PricedJob("m", 0.5)])
UNPRICED = Estimate.of([PricedJob("m", 0.5), PricedJob("my-own-model", None)])


@pytest.mark.parametrize(
    ("limit", "spent", "estimate", "refusal"),
    [
        pytest.param(None, None, UNPRICED, None, id="no limit, nothing known"),
        pytest.param(0.5, 0.0, ONE, None, id="exactly the limit"),
        pytest.param(0.49, 0.0, ONE, "would make USD 0.50", id="one job is more"),
        pytest.param(0, 0.0, ONE, "cost_limit is USD 0.00", id="a limit of nothing"),
        pytest.param(1, 0.5, ONE, None, id="the rest of the limit"),
        pytest.param(0.99, 0.5, ONE, "have cost USD 0.50, or may", id="an earlier job took it"),
        pytest.param(100, 0.0, UNPRICED, "price of my-own-model is not known.*catalogue", id="no price"),
        pytest.param(100, None, ONE, "not known what earlier tries.*journal_path", id="spent is not known"),
    ],
)
def test_a_limit_lets_through_only_what_surely_fits(
    limit: float | None, spent: float | None, estimate: Estimate, refusal: str | None
) -> None:
    if refusal is None:
        check_cost_limit(limit, spent, estimate)
    else:
        with pytest.raises(CostLimitError, match=refusal) as caught:
            check_cost_limit(limit, spent, estimate)
        assert "nothing was sent" in str(caught.value)


@pytest.mark.parametrize(
    ("spent", "reserved", "may_be_billed", "after"),
    [
        pytest.param(0.0, 0.5, True, 0.5, id="a job that may be billed counts"),
        pytest.param(0.5, 0.5, False, 0.5, id="a reservation of nothing is released"),
        pytest.param(0.5, None, False, 0.5, id="also one that is not known"),
        pytest.param(0.5, None, True, None, id="an unknown amount makes the sum unknown"),
        pytest.param(None, 0.5, True, None, id="and it stays so"),
        pytest.param(None, 0.5, False, None, id="whatever becomes of the next job"),
    ],
)
def test_an_earlier_job_counts_unless_it_is_sure_that_it_is_not_billed(
    spent: float | None, reserved: float | None, may_be_billed: bool, after: float | None
) -> None:
    assert add_job_to_spent(spent, reserved, may_be_billed=may_be_billed) == after


@given(
    st.floats(min_value=0, max_value=20),
    st.lists(st.tuples(st.sampled_from([0.5, 1.0, 1.125]), st.booleans()), max_size=40),
)
def test_no_sequence_of_jobs_is_billed_for_more_than_the_limit(limit: float, jobs: list[tuple[float, bool]]) -> None:
    spent: float | None = 0.0
    billed = 0.0
    for price, is_billed in jobs:
        try:
            check_cost_limit(limit, spent, Estimate.of([PricedJob("m", price)]))
        except CostLimitError:
            continue
        billed += price * is_billed
        spent = add_job_to_spent(spent, price, may_be_billed=is_billed)
    assert billed <= limit + 1e-5


@pytest.mark.parametrize(
    ("balance", "estimate", "is_refused"),
    [
        (Credits(0.5, 0.0), ONE, False),
        (Credits(0.49, 0.0), ONE, True),
        (Credits(0.2, 0.3), ONE, False),
        (Credits(0.2, -5.0), ONE, True),
        (Credits(0.0, 0.0, is_known=False), ONE, False),
        (Credits(0.0, 0.0), UNPRICED, False),
    ],
)
def test_only_a_balance_that_is_surely_too_small_stops_a_task(
    balance: Credits, estimate: Estimate, is_refused: bool
) -> None:
    if is_refused:
        with pytest.raises(BalanceTooLowError, match=r"balance is USD 0\.\d\d, and the estimate is 1 job x USD 0\.50"):
            check_balance(find_balance_usd(balance), estimate)
    else:
        check_balance(find_balance_usd(balance), estimate)
