"""The history's rows are read in every form, late ones too; doubles are one; a window is never cut in silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import BadInputError, NotFoundError, NoUsableResponseError
from airflow_provider_runway.segmind import endpoints
from airflow_provider_runway.segmind.history import (
    MAX_DAYS,
    HistoryQuery,
    HistoryRow,
    merge_rows,
    parse_request_body,
    parse_row,
)
from airflow_provider_runway.segmind.http import BaseUrls, Response
from airflow_provider_runway.segmind.jobs import JobState

Make = Callable[..., Response]
BODY = {"promptText": 'it\'s "here" \n é', "duration": 5, "loop": True, "x": None}
URL = "https://images.segmind.com/out/a.mp4"
OTHER = "https://images.segmind.com/out/b.mp4"
ROW: dict[str, Any] = {
    "request_id": "r-1",
    "model_name": "runway-gen3-alphaturbo",
    "model_status": "COMPLETED",
    "credits_deduction": 0.5,
    "request_body": repr(BODY),
    "generation_url": URL,
    "latency_ms": 27380,
    "error": None,
    "model_created": "2026-08-27T10:00:00.000Z",
}
CREATED = datetime(2026, 8, 27, 10, tzinfo=UTC).timestamp()


def test_a_row_is_read() -> None:
    row = parse_row(ROW)
    assert row == HistoryRow(
        "r-1", "runway-gen3-alphaturbo", JobState.COMPLETED, 0.5, BODY, (URL,), 27.38, None, CREATED
    )
    assert row is not None
    assert row.is_complete
    assert "promptText" not in repr(row)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(repr(BODY), id="the text of a Python dict"),
        pytest.param(json.dumps(BODY), id="JSON text"),
        pytest.param(f"  {json.dumps(BODY)}\n", id="JSON text in blanks"),
        pytest.param(BODY, id="an object"),
    ],
)
def test_the_inputs_are_read_in_every_form(value: Any) -> None:
    assert parse_request_body(value) == BODY


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "{}", "[]", "None", "null", "7", "{'a': ", "{[]: 1}", "{{}: 1}", "__import__('os')", "f()", "\0"),
        *({}, [], 7, None, True, "[" * 100_000, "{" * 10_000, "9" * 10_000),
    ],
)
def test_what_holds_no_inputs_is_none(value: Any) -> None:
    assert parse_request_body(value) is None


@given(st.one_of(st.text(), st.text("{}[]()'\":,1aN \\", max_size=40), st.integers(), st.none(), st.lists(st.none())))
def test_reading_a_body_never_raises(value: Any) -> None:
    found = parse_request_body(value)
    assert found is None or isinstance(found, dict)


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.booleans(), st.none()), min_size=1))
def test_whatever_was_sent_is_recognised_in_both_texts(body: dict[str, Any]) -> None:
    assert parse_request_body(repr(body)) == body
    assert parse_request_body(json.dumps(body)) == body


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        pytest.param({"model_status": "PENDING"}, "state", JobState.QUEUED, id="PENDING is the history's QUEUED"),
        pytest.param({"model_status": "failed"}, "state", JobState.FAILED, id="any case"),
        pytest.param({"model_status": None}, "state", JobState.UNKNOWN, id="no status yet"),
        pytest.param({"model_name": ""}, "model", None, id="no model yet"),
        pytest.param({"model_name": ["m"]}, "model", None, id="a model of another type"),
        pytest.param({"credits_deduction": "0.5"}, "cost", 0.5, id="cost as text"),
        pytest.param({"credits_deduction": None}, "cost", None, id="no cost yet"),
        pytest.param({"generation_url": None}, "output_urls", (), id="no output yet"),
        pytest.param({"generation_url": [URL, OTHER]}, "output_urls", (URL, OTHER), id="outputs in a list"),
        pytest.param({"latency_ms": "n/a"}, "latency_s", None, id="no latency"),
        pytest.param({"error": ""}, "error", None, id="empty error"),
        pytest.param({"error": "bad\nSG_0123456789abcdef"}, "error", "bad SG_***", id="a key in an error"),
        pytest.param({"model_created": None, "created_at": CREATED}, "created_at", CREATED, id="another timestamp"),
        pytest.param({"model_created": 9e14}, "created_at", None, id="an absurd timestamp"),
    ],
)
def test_a_field_may_be_late_empty_or_of_another_type(changes: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(parse_row(ROW | changes), field) == value


@pytest.mark.parametrize("item", [None, 7, "r-1", [], {}, {"request_id": 7}, {"request_id": ""}])
def test_what_has_no_id_is_no_row(item: Any) -> None:
    assert parse_row(item) is None


@pytest.mark.parametrize("missing", ["request_body", "model_name"])
def test_a_row_has_landed_when_it_can_be_compared(missing: str) -> None:
    row = parse_row(ROW | {missing: None})
    assert row is not None
    assert not row.is_complete


def test_a_row_per_output_is_one_request() -> None:
    rows = [parse_row(ROW), parse_row(ROW | {"request_id": "r-2"}), parse_row(ROW | {"generation_url": OTHER})]
    merged = merge_rows(row for row in rows if row)
    assert [(row.request_id, row.output_urls) for row in merged] == [("r-1", (URL, OTHER)), ("r-2", (URL,))]
    assert merged[0].cost == 0.5


@pytest.mark.parametrize("late_first", [True, False])
def test_of_doubles_the_fuller_one_counts(late_first: bool) -> None:
    late = {"request_id": "r-1", "generation_url": OTHER}
    rows = [late, ROW] if late_first else [ROW, late]
    (row,) = merge_rows(row for item in rows if (row := parse_row(item)))
    assert row.is_complete
    assert set(row.output_urls) == {URL, OTHER}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(ROW, id="bare"),
        pytest.param({"data": ROW}, id="under data"),
        pytest.param({"data": [{"request_id": "r-0"}, ROW]}, id="in a list under data"),
        pytest.param([ROW], id="in a bare list"),
    ],
)
def test_one_request_is_read_in_every_form(base_urls: BaseUrls, answer: Make, body: Any) -> None:
    call = endpoints.make_history_row_call(base_urls, "r-1")
    assert call.parse(call.request, answer(200, body)) == parse_row(ROW)


@pytest.mark.parametrize("body", [{"data": []}, {"data": None}, {"request_id": "r-2"}, {}, b"<html>", b"", "x", None])
def test_another_row_or_none_is_unanswered(base_urls: BaseUrls, answer: Make, body: Any) -> None:
    call = endpoints.make_history_row_call(base_urls, "r-1")
    with pytest.raises(NoUsableResponseError):
        call.parse(call.request, answer(200, body))


def test_a_request_that_never_was_is_not_found(base_urls: BaseUrls, answer: Make) -> None:
    call = endpoints.make_history_row_call(base_urls, "r-1")
    with pytest.raises(NotFoundError):
        call.parse(call.request, answer(404, {"error": "Request not found"}))


@pytest.mark.parametrize("body", [{"data": [ROW, ROW, 7]}, [ROW, ROW, None]])
def test_a_page_counts_what_the_server_sent(base_urls: BaseUrls, answer: Make, body: Any) -> None:
    call = endpoints.make_history_page_call(base_urls, HistoryQuery(date(2026, 8, 1), date(2026, 8, 2)), 1)
    page = call.parse(call.request, answer(200, body))
    assert (len(page.rows), page.sent, page.total) == (2, 3, None)


@pytest.mark.parametrize("body", [{}, {"data": {}}, {"data": None}, b"<html>", b"", "rows", None])
def test_a_page_without_rows_in_it_is_unanswered_and_not_empty(base_urls: BaseUrls, answer: Make, body: Any) -> None:
    call = endpoints.make_history_page_call(base_urls, HistoryQuery(date(2026, 8, 1), date(2026, 8, 2)), 1)
    with pytest.raises(NoUsableResponseError, match="no list of rows"):
        call.parse(call.request, answer(200, body))


def test_a_query_asks_as_the_sdk_does() -> None:
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
    assert "model_name" not in dict(HistoryQuery(date(2026, 8, 1), date(2026, 8, 1)).to_query_parameters(1))


@pytest.mark.parametrize("days", [-1, MAX_DAYS])
def test_a_window_has_1_to_31_days(days: int) -> None:
    with pytest.raises(BadInputError, match="1 to 31 days"):
        HistoryQuery(date(2026, 8, 1), date(2026, 8, 1) + timedelta(days=days))


@pytest.mark.parametrize(
    ("days", "first", "last"),
    [
        pytest.param(0, "2026-08-26", "2026-08-28", id="a day wider at each end"),
        pytest.param(28, "2026-07-29", "2026-08-28", id="just room for both"),
        pytest.param(29, "2026-07-28", "2026-08-27", id="room for the earlier one"),
        pytest.param(30, "2026-07-28", "2026-08-27", id="room for none"),
    ],
)
def test_a_window_is_widened_as_far_as_the_limit_lets_it(days: int, first: str, last: str) -> None:
    query = HistoryQuery.from_timestamps(CREATED - days * 86_400, CREATED)
    assert (query.from_date.isoformat(), query.to_date.isoformat()) == (first, last)


@given(since=st.floats(min_value=1e9, max_value=2e9), span_s=st.floats(min_value=0, max_value=(MAX_DAYS - 1) * 86_400))
def test_a_window_always_holds_both_moments(since: float, span_s: float) -> None:
    query = HistoryQuery.from_timestamps(since, since + span_s)
    assert query.from_date <= datetime.fromtimestamp(since, UTC).date()
    assert query.to_date >= datetime.fromtimestamp(since + span_s, UTC).date()


def test_a_window_that_is_too_wide_is_refused_and_not_cut() -> None:
    with pytest.raises(BadInputError):
        HistoryQuery.from_timestamps(CREATED - 40 * 86_400, CREATED)
