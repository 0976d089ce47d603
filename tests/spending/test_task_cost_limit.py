"""What a task may spend under its limit, as a table, and what counts as spent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import BalanceTooLowError, CostLimitError
from airflow_provider_runway.segmind.jobs import Credits
from airflow_provider_runway.spending.balance_check import check_balance, find_balance_usd
from airflow_provider_runway.spending.estimate import Estimate, PricedJob
from airflow_provider_runway.spending.task_cost_limit import add_job_to_spent, check_cost_limit, count_fitting

ONE = Estimate.of([PricedJob("m", 0.5)])
UNPRICED = Estimate.of([PricedJob("m", 0.5), PricedJob("my-own-model", None)])


def test_a_limit_lets_through_only_what_surely_fits(subtests: pytest.Subtests) -> None:
    for case, limit, spent, estimate, refusal in (
        ("no limit, nothing known", None, None, UNPRICED, None),
        ("exactly the limit", 0.5, 0.0, ONE, None),
        ("one job is more", 0.49, 0.0, ONE, "would make USD 0.50"),
        ("a limit of nothing", 0, 0.0, ONE, "cost_limit is USD 0.00"),
        ("the rest of the limit", 1, 0.5, ONE, None),
        ("an earlier job took it", 0.99, 0.5, ONE, "have cost USD 0.50, or may"),
        ("no price", 100, 0.0, UNPRICED, "price of my-own-model is not known.*catalogue"),
        ("spent is not known", 100, None, ONE, "not known what earlier tries.*journal_path"),
    ):
        with subtests.test(case):
            if refusal is None:
                check_cost_limit(limit, spent, estimate)
            else:
                with pytest.raises(CostLimitError, match=refusal) as caught:
                    check_cost_limit(limit, spent, estimate)
                assert "nothing was sent" in str(caught.value)


def test_an_earlier_job_counts_unless_it_is_sure_that_it_is_not_billed(subtests: pytest.Subtests) -> None:
    for case, spent, reserved, may_be_billed, after in (
        ("a job that may be billed counts", 0.0, 0.5, True, 0.5),
        ("a reservation of nothing is released", 0.5, 0.5, False, 0.5),
        ("also one that is not known", 0.5, None, False, 0.5),
        ("an unknown amount makes the sum unknown", 0.5, None, True, None),
        ("and it stays so", None, 0.5, True, None),
        ("whatever becomes of the next job", None, 0.5, False, None),
    ):
        with subtests.test(case):
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


def test_only_a_balance_that_is_surely_too_small_stops_a_task(subtests: pytest.Subtests) -> None:
    for balance, estimate, is_refused in (
        (Credits(0.5, 0.0), ONE, False),
        (Credits(0.49, 0.0), ONE, True),
        (Credits(0.2, 0.3), ONE, False),
        (Credits(0.2, -5.0), ONE, True),
        (Credits(0.0, 0.0, is_known=False), ONE, False),
        (Credits(0.0, 0.0), UNPRICED, False),
    ):
        with subtests.test(balance=balance, estimate=estimate, is_refused=is_refused):
            if is_refused:
                with pytest.raises(
                    BalanceTooLowError, match=r"balance is USD 0\.\d\d, and the estimate is 1 job x USD 0\.50"
                ):
                    check_balance(find_balance_usd(balance), estimate)
            else:
                check_balance(find_balance_usd(balance), estimate)


def test_jobs_fit_in_their_order_up_to_the_first_that_does_not(subtests: pytest.Subtests) -> None:
    for prices, left, count in (
        ([0.5] * 4, 1.5, 3),
        ([0.5, 1.0, 0.5], 1.0, 1),
        ([0.5, None, 0.5], 9.0, 1),
        ([0.1] * 10, 1.0, 10),
        ([0.5], -1.0, 0),
        ([], 1.0, 0),
    ):
        with subtests.test(prices=prices, left=left, count=count):
            assert count_fitting(prices, left) == count
