"""A query asks for whole days, at least as many as any time zone needs, and loses a filter that the server refuses."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.history.query import MAX_DAYS, HistoryQuery

CREATED = datetime(2026, 8, 27, 10, tzinfo=UTC).timestamp()


def test_a_query_is_sent_as_the_sdk_sends_it() -> None:
    query = HistoryQuery(date(2026, 8, 1), date(2026, 8, 31), model="runway", status="FAILED")
    assert dict(query.to_query_parameters(3)) == {
        "page": "3",
        "per_page": "100",
        "from_date": "2026-08-01",
        "to_date": "2026-08-31",
        "model_name": "runway",
        "status": "FAILED",
        "sort_by": "model_created",
        "sort_order": "desc",
    }


def test_a_refused_filter_is_left_out_the_named_one_first() -> None:
    query: HistoryQuery | None = HistoryQuery(date(2026, 8, 1), date(2026, 8, 31), model="m")
    left_out = []
    while query is not None:
        left_out.append(sorted(query.left_out))
        query = query.leave_out_filter("unknown parameter: per_page")
    assert left_out[:3] == [[], ["per_page"], ["per_page", "sort_by"]]
    assert left_out[-1] == sorted({"sort_by", "sort_order", "model_name", "per_page", "from_date", "to_date"})


def test_a_query_spans_1_to_31_days(subtests: pytest.Subtests) -> None:
    for days in (-1, MAX_DAYS):
        with subtests.test(days=days), pytest.raises(BadInputError, match="1 to 31 days"):
            HistoryQuery(date(2026, 8, 1), date(2026, 8, 1) + timedelta(days=days))


def test_a_query_is_wide_enough_for_any_time_zone(subtests: pytest.Subtests) -> None:
    for case, days, first, last in (
        ("a day and 14 hours at each end", 0, "2026-08-25", "2026-08-29"),
        ("room for the earlier end, and a day later", 27, "2026-07-29", "2026-08-28"),
        ("room for a day", 29, "2026-07-28", "2026-08-27"),
        ("room for none", 30, "2026-07-28", "2026-08-27"),
    ):
        with subtests.test(case):
            query = HistoryQuery.from_timestamps(CREATED - days * 86_400, CREATED)
            assert (query.from_date.isoformat(), query.to_date.isoformat()) == (first, last)


@given(since=st.floats(min_value=1e9, max_value=2e9), span_s=st.floats(min_value=0, max_value=(MAX_DAYS - 1) * 86_400))
def test_a_query_always_holds_both_timestamps(since: float, span_s: float) -> None:
    query = HistoryQuery.from_timestamps(since, since + span_s)
    assert query.from_date <= datetime.fromtimestamp(since, UTC).date()
    assert query.to_date >= datetime.fromtimestamp(since + span_s, UTC).date()


def test_a_query_that_is_too_wide_is_refused_and_not_cut() -> None:
    with pytest.raises(BadInputError):
        HistoryQuery.from_timestamps(CREATED - 40 * 86_400, CREATED)
