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


def test_each_row_counts_for_what_it_says(subtests: pytest.Subtests) -> None:
    for case, row, booked, pending, is_known in (
        ("a completed job of today", {}, 0.5, 0.0, True),
        ("of its first second", {"created_at": "2026-11-05T00:00:00Z"}, 0.5, 0.0, True),
        ("of yesterday", {"created_at": "2026-11-04T23:59:58Z"}, 0.0, 0.0, True),
        ("perhaps of today, without a time zone", {"created_at": "2026-11-04T23:00:00"}, 0.5, 0.0, True),
        ("of yesterday in every time zone", {"created_at": "2026-11-04T06:00:00"}, 0.0, 0.0, True),
        ("without a time", {"created_at": None}, 0.5, 0.0, True),
        ("completed, and free", {"credits_deduction": 0}, 0.0, 0.0, True),
        ("failed", {"model_status": "FAILED", "credits_deduction": 0}, 0.0, 0.0, True),
        ("failed, no cost", {"model_status": "FAILED", "credits_deduction": None}, 0.0, 0.0, True),
        ("failed, with a cost", {"model_status": "FAILED", "credits_deduction": 0.1}, 0.1, 0.0, True),
        ("under way", {"model_status": "PENDING", "credits_deduction": 0}, 0.0, 1.0, True),
        ("completed, its cost is not there yet", {"credits_deduction": None}, 0.0, 1.0, True),
        ("a cost that cannot be read", {"credits_deduction": "n/a"}, 0.0, 1.0, True),
        ("a cost below nothing", {"credits_deduction": -1}, 0.0, 1.0, True),
        ("only a cost", {"model_status": None, "credits_deduction": 0.25}, 0.25, 0.0, True),
        ("neither cost nor known model", {"model_name": "Gen-3", "credits_deduction": None}, 0.0, 0.0, False),
        ("neither cost nor body", {"request_body": None, "credits_deduction": None}, 0.0, 0.0, False),
        ("old and strange", {"model_name": "sdxl", "created_at": "2026-11-03T00:00:00Z"}, 0.0, 0.0, True),
    ):
        with subtests.test(case):
            spend = sum_day(make_search(row), NOON)
            assert (spend.booked_usd, spend.pending_usd, not spend.unknown_reason) == (booked, pending, is_known)


def test_a_search_that_is_not_whole_tells_nothing(subtests: pytest.Subtests) -> None:
    for search, reason in (
        (make_search({}, is_whole=False), "not all"),
        (make_search({}, unreadable_count=2), "2 of its rows"),
        (make_search({}), ""),
        (make_search(), ""),
    ):
        with subtests.test(search=search, reason=reason):
            assert sum_day(search, NOON).unknown_reason.startswith(reason)
            assert bool(sum_day(search, NOON).unknown_reason) is bool(reason)


def test_the_day_is_that_of_the_apis_clock() -> None:
    just_before_midnight = find_day_start(NOON) + 86_400 - 30
    search = make_search({}, clock_offset_s=60.0)
    assert sum_day(search, just_before_midnight).booked_usd == 0.0
    assert sum_day(make_search({}, clock_offset_s=0.0), just_before_midnight).booked_usd == 0.5


def test_siblings_that_the_history_does_not_show_yet_count_with_the_price() -> None:
    search = make_search({"request_id": "a"}, {"request_id": "b", "model_status": "FAILED", "credits_deduction": 0})
    spend = sum_day(search, NOON, running={"a": 0.5, "b": 0.5, "c": 0.5, "d": 1.0})
    assert (spend.booked_usd, spend.pending_usd) == (0.5, 1.5)


def test_a_limit_of_the_day_lets_through_only_what_surely_fits(subtests: pytest.Subtests) -> None:
    for case, limit, spend, error in (
        ("exactly the limit", 2.0, DailySpend(1.0, 0.5), None),
        ("one job is more", 1.99, DailySpend(1.0, 0.5), DailyCostLimitError),
        ("a limit of nothing", 0.0, DailySpend(), DailyCostLimitError),
        ("there may be more", 9.0, DailySpend(1.0, unknown_reason="a row"), SpendNotKnownError),
        ("over it in any case", 1.0, DailySpend(1.0, unknown_reason="a row"), DailyCostLimitError),
    ):
        with subtests.test(case):
            if error is None:
                check_daily_limit(limit, spend, ONE)
            else:
                with pytest.raises(error, match=r"(?i)nothing was sent"):
                    check_daily_limit(limit, spend, ONE)


def test_a_job_without_a_price_is_refused_under_a_limit_of_the_day() -> None:
    with pytest.raises(DailyCostLimitError, match="price of my-own-model is not known"):
        check_daily_limit(100.0, DailySpend(), Estimate.of([PricedJob("my-own-model", None)]))
