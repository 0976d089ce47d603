"""The account's spend: only rows that say everything for themselves are in a sum, and the others are counted."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from airflow_provider_runway.history.rows import HistoryRow, merge_rows, parse_row
from airflow_provider_runway.history.search import HistorySearch
from airflow_provider_runway.spending.account_spend import DaySpend, UnclearReason, sum_spend

MODEL = "runway-gen3-alphaturbo"
FIRST, LAST = date(2026, 11, 2), date(2026, 11, 4)


def make_row(**fields: Any) -> HistoryRow:
    usual = {
        "request_id": "r-1",
        "model_name": MODEL,
        "model_status": "COMPLETED",
        "credits_deduction": 0.5,
        "model_created": "2026-11-03T12:00:00Z",
    }
    row = parse_row({**usual, **fields})
    assert row is not None
    return row


def sum_rows(*rows: HistoryRow, **search: Any) -> Any:
    return sum_spend(HistorySearch(merge_rows(rows), **search), FIRST, LAST)


def test_jobs_are_summed_by_utc_day_and_model() -> None:
    spend = sum_rows(
        make_row(request_id="a"),
        make_row(request_id="b", credits_deduction="1.0"),
        make_row(request_id="c", model_status="FAILED", credits_deduction=0.0),
        make_row(request_id="d", model_status="PENDING", credits_deduction=None),
        make_row(request_id="e", model_name="runway-gen4-turbo"),
        make_row(request_id="f", model_created="2026-11-02T00:30:00+01:00"),  # the day before, in UTC
        make_row(request_id="g", model_created="2026-11-04T23:59:59.900Z"),
        make_row(request_id="h", model_name=None, model_created=datetime(2026, 11, 2, tzinfo=UTC).timestamp()),
    )
    assert spend.days == [
        DaySpend(date(2026, 11, 2), None, completed=1, cost_usd=0.5),
        DaySpend(date(2026, 11, 3), MODEL, completed=2, failed=1, running=1, cost_usd=1.5),
        DaySpend(date(2026, 11, 3), "runway-gen4-turbo", completed=1, cost_usd=0.5),
        DaySpend(date(2026, 11, 4), MODEL, completed=1, cost_usd=0.5),
    ]
    assert (spend.total_usd, spend.is_certain) == (3.0, True)


def test_a_job_with_several_outputs_is_billed_once() -> None:
    outputs = [make_row(generation_url=f"https://images.segmind.com/{number}.mp4") for number in range(3)]
    assert sum_rows(*outputs).total_usd == 0.5


def test_many_small_costs_are_summed_without_a_rest() -> None:
    assert sum_rows(*(make_row(request_id=f"r-{number}", credits_deduction=0.1) for number in range(30))).total_usd == 3


def test_whatever_costs_something_is_counted_whatever_its_status(subtests: pytest.Subtests) -> None:
    for status in ("FAILED", "PENDING", "REFUNDED", None):
        with subtests.test(status=status):
            assert sum_rows(make_row(model_status=status)).total_usd == 0.5


@pytest.mark.parametrize(
    ("fields", "reason", "cost_usd"),
    [
        pytest.param({"request_id": None}, UnclearReason.NO_REQUEST_ID, 0.5, id="no id"),
        pytest.param({"model_created": None}, UnclearReason.NO_TIME, 0.5, id="no time"),
        pytest.param({"model_created": "11/03/2026"}, UnclearReason.NO_TIME, 0.5, id="a time that has two meanings"),
        pytest.param({"model_created": "2026-11-02 03:00:00"}, UnclearReason.UNSURE_WINDOW, 0.5, id="no zone, first"),
        pytest.param({"model_created": "2026-11-05 03:00:00"}, UnclearReason.UNSURE_WINDOW, 0.5, id="no zone, after"),
        pytest.param({"credits_deduction": None}, UnclearReason.NO_COST, 0.0, id="no cost"),
        pytest.param({"credits_deduction": "n/a"}, UnclearReason.NO_COST, 0.0, id="a cost that is no number"),
        pytest.param({"credits_deduction": -0.5}, UnclearReason.NEGATIVE_COST, 0.0, id="a refund"),
        pytest.param({"credits_deduction": None, "model_status": "?"}, UnclearReason.NO_STATE, 0.0, id="no state"),
    ],
)
def test_a_row_that_does_not_say_everything_is_counted_and_in_no_sum(
    fields: dict[str, Any], reason: UnclearReason, cost_usd: float
) -> None:
    spend = sum_rows(make_row(**fields), make_row(request_id="clear"))
    assert [(rows.reason, rows.count, rows.cost_usd) for rows in spend.unclear] == [(reason, 1, cost_usd)]
    assert (spend.total_usd, spend.is_certain) == (0.5, False)


def test_a_row_that_is_surely_of_another_day_is_left_out() -> None:
    spend = sum_rows(
        make_row(model_created="2026-11-01T23:59:59Z"),
        make_row(request_id="b", model_created="2026-11-05T00:00:00Z"),
        make_row(request_id="c", model_created="2026-11-06 00:00:00"),
        make_row(request_id=None, model_created="2026-10-01T00:00:00Z"),
    )
    assert (spend.days, spend.unclear) == ([], [])


def test_without_a_time_zone_the_day_is_not_known_unless_the_user_knows_that_it_is_utc() -> None:
    row = make_row(model_created="2026-11-03 12:00:00")
    assert [(line.day, line.cost_usd) for line in sum_rows(row).days] == [(None, 0.5)]
    spend = sum_spend(HistorySearch([row]), FIRST, LAST, assume_utc=True)
    assert [(line.day, line.cost_usd) for line in spend.days] == [(date(2026, 11, 3), 0.5)]


def test_what_was_not_read_is_said() -> None:
    assert not sum_rows(is_whole=False).is_certain
    (unreadable,) = sum_rows(unreadable_count=2).unclear
    assert (unreadable.reason, unreadable.count) == (UnclearReason.UNREADABLE, 2)
