"""What an account has spent today, row by row, and what a limit of the day lets through."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_runway.exceptions import DailyCostLimitError, SpendNotKnownError
from airflow_provider_runway.history.rows import parse_row
from airflow_provider_runway.history.search import HistorySearch
from airflow_provider_runway.segmind.models import DEFAULT_MODEL
from airflow_provider_runway.spending.daily_spend import DailySpend, check_daily_limit, find_day_start, sum_day
from airflow_provider_runway.spending.estimate import Estimate, PricedJob

NOON = datetime(2026, 11, 5, 12, tzinfo=UTC).timestamp()
ONE = Estimate.of([PricedJob(DEFAULT_MODEL, 0.5)])
BODY = {"duration": 10, "seed": 7}


def make_search(*rows: dict[str, Any], **fields: Any) -> HistorySearch:
    """Return a search with these rows; by default each is a completed job of today."""
    usual = {
        "request_id": "r",
        "model_name": DEFAULT_MODEL,
        "model_status": "COMPLETED",
        "credits_deduction": 0.5,
        "created_at": "2026-11-05T10:00:00Z",
        "request_body": BODY,
    }
    parsed = [parse_row({**usual, **row}) for row in rows]
    return HistorySearch(rows=[row for row in parsed if row is not None], **fields)


@pytest.mark.parametrize(
    ("row", "booked", "pending", "is_known"),
    [
        pytest.param({}, 0.5, 0.0, True, id="a completed job of today"),
        pytest.param({"created_at": "2026-11-05T00:00:00Z"}, 0.5, 0.0, True, id="of its first second"),
        pytest.param({"created_at": "2026-11-04T23:59:58Z"}, 0.0, 0.0, True, id="of yesterday"),
        pytest.param({"created_at": "2026-11-04T23:00:00"}, 0.5, 0.0, True, id="perhaps of today, without a time zone"),
        pytest.param({"created_at": "2026-11-04T06:00:00"}, 0.0, 0.0, True, id="of yesterday in every time zone"),
        pytest.param({"created_at": None}, 0.5, 0.0, True, id="without a time"),
        pytest.param({"credits_deduction": 0}, 0.0, 0.0, True, id="completed, and free"),
        pytest.param({"model_status": "FAILED", "credits_deduction": 0}, 0.0, 0.0, True, id="failed"),
        pytest.param({"model_status": "FAILED", "credits_deduction": None}, 0.0, 0.0, True, id="failed, no cost"),
        pytest.param({"model_status": "FAILED", "credits_deduction": 0.1}, 0.1, 0.0, True, id="failed, with a cost"),
        pytest.param({"model_status": "PENDING", "credits_deduction": 0}, 0.0, 1.0, True, id="under way"),
        pytest.param({"credits_deduction": None}, 0.0, 1.0, True, id="completed, its cost is not there yet"),
        pytest.param({"credits_deduction": "n/a"}, 0.0, 1.0, True, id="a cost that cannot be read"),
        pytest.param({"credits_deduction": -1}, 0.0, 1.0, True, id="a cost below nothing"),
        pytest.param({"model_status": None, "credits_deduction": 0.25}, 0.25, 0.0, True, id="only a cost"),
        pytest.param(
            {"model_name": "Gen-3", "credits_deduction": None}, 0.0, 0.0, False, id="neither cost nor known model"
        ),
        pytest.param({"request_body": None, "credits_deduction": None}, 0.0, 0.0, False, id="neither cost nor body"),
        pytest.param(
            {"model_name": "sdxl", "created_at": "2026-11-03T00:00:00Z"}, 0.0, 0.0, True, id="old and strange"
        ),
    ],
)
def test_each_row_counts_for_what_it_says(row: dict[str, Any], booked: float, pending: float, is_known: bool) -> None:
    spend = sum_day(make_search(row), NOON)
    assert (spend.booked_usd, spend.pending_usd, not spend.unknown_reason) == (booked, pending, is_known)


@pytest.mark.parametrize(
    ("search", "reason"),
    [
        (make_search({}, is_whole=False), "not all"),
        (make_search({}, unreadable_count=2), "2 of its rows"),
        (make_search({}), ""),
        (make_search(), ""),
    ],
)
def test_a_search_that_is_not_whole_tells_nothing(search: HistorySearch, reason: str) -> None:
    assert sum_day(search, NOON).unknown_reason.startswith(reason)
    assert bool(sum_day(search, NOON).unknown_reason) is bool(reason)


def test_the_day_is_that_of_the_apis_clock() -> None:
    just_before_midnight = find_day_start(NOON) + 86_400 - 30
    search = make_search({}, clock_offset_s=60.0)
    assert sum_day(search, just_before_midnight).booked_usd == 0.0
    assert sum_day(make_search({}, clock_offset_s=0.0), just_before_midnight).booked_usd == 0.5


def test_siblings_that_the_history_does_not_show_yet_count_with_the_price() -> None:
    search = make_search({"request_id": "a"}, {"request_id": "b", "model_status": "FAILED", "credits_deduction": 0})
    spend = sum_day(search, NOON, running_ids=["a", "b", "c", "d"], price_usd=0.5)
    assert (spend.booked_usd, spend.pending_usd) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("limit", "spend", "error"),
    [
        pytest.param(2.0, DailySpend(1.0, 0.5), None, id="exactly the limit"),
        pytest.param(1.99, DailySpend(1.0, 0.5), DailyCostLimitError, id="one job is more"),
        pytest.param(0.0, DailySpend(), DailyCostLimitError, id="a limit of nothing"),
        pytest.param(9.0, DailySpend(1.0, unknown_reason="a row"), SpendNotKnownError, id="there may be more"),
        pytest.param(1.0, DailySpend(1.0, unknown_reason="a row"), DailyCostLimitError, id="over it in any case"),
    ],
)
def test_a_limit_of_the_day_lets_through_only_what_surely_fits(
    limit: float, spend: DailySpend, error: type[Exception] | None
) -> None:
    if error is None:
        check_daily_limit(limit, spend, ONE)
    else:
        with pytest.raises(error, match=r"(?i)nothing was sent"):
            check_daily_limit(limit, spend, ONE)


def test_a_job_without_a_price_is_refused_under_a_limit_of_the_day() -> None:
    with pytest.raises(DailyCostLimitError, match="price of my-own-model is not known"):
        check_daily_limit(100.0, DailySpend(), Estimate.of([PricedJob("my-own-model", None)]))
