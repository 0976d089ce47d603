"""History rows are read in every form that cannot be ruled out, and what cannot be read is None and never a guess."""

from __future__ import annotations

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
    parse_row,
)
from airflow_provider_runway.segmind.http import BaseUrls, Response
from airflow_provider_runway.segmind.jobs import JobState

Respond = Callable[..., Response]
HOUR = 3600.0
IMAGE = "https://images.example/in.png"
BODY = {"promptText": 'it\'s "here" \n é', "promptImage": IMAGE, "duration": 5, "seed": 56698, "x": None}
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
PAGE = endpoints.make_history_page_call(BaseUrls(), HistoryQuery(date(2026, 8, 1), date(2026, 8, 2)), 1)
SINGLE = endpoints.make_history_row_call(BaseUrls(), "r-1")


def row_of(**changes: Any) -> HistoryRow:
    """The row with some fields changed; None takes a field away."""
    row = parse_row({name: value for name, value in (ROW | changes).items() if value is not None})
    assert row is not None
    return row


def test_a_row_is_parsed() -> None:
    row = row_of()
    expected = HistoryRow(
        request_id="r-1",
        model="runway-gen3-alphaturbo",
        state=JobState.COMPLETED,
        cost=0.5,
        body=BODY,
        output_urls=(URL,),
        latency_s=27.38,
        created_at=CREATED,
        has_time_zone=True,
        created_between=(CREATED, CREATED + 1),
    )
    assert row == expected
    assert (row.seed, row.prompt, row.image_url, row.is_complete) == (56698, 'it\'s "here" é', IMAGE, True)
    assert "promptText" not in repr(row)


def test_field_names_may_be_spelled_in_another_way() -> None:
    renamed = {name.title().replace("_", "-"): value for name, value in ROW.items()}
    assert parse_row(renamed) == row_of()


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        pytest.param({"request_id": None}, "request_id", None, id="no id yet"),
        pytest.param({"request_id": 7}, "request_id", None, id="an id of another type"),
        pytest.param({"model_status": "PENDING"}, "state", JobState.QUEUED, id="PENDING is the history's QUEUED"),
        pytest.param({"model_status": "failed"}, "state", JobState.FAILED, id="any case"),
        pytest.param({"model_status": None}, "state", JobState.UNKNOWN, id="no status yet"),
        pytest.param({"model_name": "Runway Gen-3"}, "model", "Runway Gen-3", id="a display name is kept as it is"),
        pytest.param({"credits_deduction": "0.5"}, "cost", 0.5, id="cost as text"),
        pytest.param({"generation_url": [URL, OTHER]}, "output_urls", (URL, OTHER), id="outputs in a list"),
        pytest.param({"generation_url": None}, "output_urls", (), id="no output yet"),
        pytest.param({"latency_ms": "n/a"}, "latency_s", None, id="no latency"),
        pytest.param({"error": "bad\nSG_0123456789abcdef"}, "error", "bad SG_***", id="a key in an error"),
        pytest.param({"request_body": "{'cut': "}, "body", None, id="a body that cannot be read"),
    ],
)
def test_a_field_may_be_late_empty_or_of_another_type(changes: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(row_of(**changes), field) == value


@pytest.mark.parametrize(
    ("created", "between", "has_time_zone"),
    [
        pytest.param("2026-08-27T10:00:00Z", (CREATED, CREATED + 1), True, id="UTC"),
        pytest.param("2026-08-27T12:00:00+02:00", (CREATED, CREATED + 1), True, id="another zone"),
        pytest.param(
            "2026-08-27 10:00:00", (CREATED - 14 * HOUR, CREATED + 12 * HOUR + 1), False, id="no zone: it may be any"
        ),
        pytest.param("2026-08-27T10:00", (CREATED - 14 * HOUR, CREATED + 12 * HOUR + 60), False, id="cut to minutes"),
        pytest.param(CREATED, (CREATED, CREATED + 1), True, id="epoch seconds"),
        pytest.param(str(int(CREATED * 1000)), (CREATED, CREATED + 1), True, id="epoch milliseconds as text"),
        pytest.param("Thu, 27 Aug 2026 10:00:00 GMT", (CREATED, CREATED + 1), True, id="an HTTP date"),
    ],
)
def test_a_creation_time_is_read_in_every_form(created: Any, between: tuple[float, float], has_time_zone: bool) -> None:
    row = row_of(model_created=created)
    assert (row.created_at, row.created_between, row.has_time_zone) == (CREATED, between, has_time_zone)


@pytest.mark.parametrize("created", [None, "soon", 9e14, 20260827, 0, True, {}])
def test_what_is_no_time_of_this_century_is_no_creation_time(created: Any) -> None:
    row = row_of(model_created=created)
    assert (row.created_at, row.created_between, row.is_complete) == (None, None, False)


def test_several_creation_times_widen_the_range() -> None:
    row = row_of(created_at=CREATED + 100)
    assert (row.created_at, row.created_between) == (CREATED, (CREATED, CREATED + 101))


@pytest.mark.parametrize("missing", ["request_id", "request_body", "model_created"])
def test_a_row_without_id_inputs_or_time_is_not_complete(missing: str) -> None:
    assert not row_of(**{missing: None}).is_complete


def test_a_row_is_complete_without_the_rest() -> None:
    for missing in ("model_name", "model_status", "credits_deduction", "generation_url"):
        assert row_of(**{missing: None}).is_complete


def test_what_is_no_object_is_no_row() -> None:
    assert [parse_row(item) for item in (None, 7, "r-1", [ROW])] == [None] * 4


@given(
    st.dictionaries(st.sampled_from([*ROW, "id", "body"]), st.none() | st.text() | st.floats() | st.lists(st.text()))
)
@pytest.mark.filterwarnings("ignore::dateutil.parser.UnknownTimezoneWarning")
def test_parsing_a_row_never_raises(item: dict[str, Any]) -> None:
    row = parse_row(item)
    assert row is not None
    assert row.is_complete is (row.is_complete and row.created_at is not None)
    assert row.image_url is None or row.image_url.startswith("http")


def test_a_row_per_output_is_one_request() -> None:
    merged = merge_rows([row_of(), row_of(request_id="r-2"), row_of(generation_url=OTHER)])
    assert [(row.request_id, row.output_urls) for row in merged] == [("r-1", (URL, OTHER)), ("r-2", (URL,))]
    assert merged[0].cost == 0.5


def test_of_two_rows_of_a_request_the_fuller_one_counts() -> None:
    late = row_of(request_body=None, model_created=None, generation_url=OTHER)
    for rows in ([late, row_of()], [row_of(), late]):
        (row,) = merge_rows(rows)
        assert row.is_complete
        assert set(row.output_urls) == {URL, OTHER}


def test_rows_without_an_id_are_not_merged() -> None:
    assert len(merge_rows([row_of(request_id=None)] * 2 + [row_of()])) == 3


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(ROW, id="bare"),
        pytest.param({"data": ROW}, id="under data"),
        pytest.param([{"request_id": "r-0"}, ROW], id="in a list"),
        pytest.param({"data": {**ROW, "request_id": None}}, id="without an id, which the request named"),
    ],
)
def test_a_single_row_is_parsed_in_every_form(respond: Respond, body: Any) -> None:
    assert SINGLE.parse(SINGLE.request, respond(200, body)) == row_of()


@pytest.mark.parametrize("body", [{"data": []}, {"request_id": "r-2"}, {}, {"error": "not found"}, b"<html>", "x"])
def test_another_row_or_none_is_not_usable(respond: Respond, body: Any) -> None:
    with pytest.raises(NoUsableResponseError):
        SINGLE.parse(SINGLE.request, respond(200, body))


def test_a_request_that_never_was_is_not_found(respond: Respond) -> None:
    with pytest.raises(NotFoundError):
        SINGLE.parse(SINGLE.request, respond(404, {"error": "Request not found"}))


def test_a_page_counts_what_it_cannot_read(respond: Respond) -> None:
    rows = [ROW, {"request_id": 7}, 7, None]
    for body in (rows, {"data": rows}, {"data": {"items": rows}}):
        page = PAGE.parse(PAGE.request, respond(200, body, date="Fri, 15 Jan 2027 08:05:00 GMT"))
        assert (len(page.rows), page.row_count, page.unreadable_count, page.total) == (2, 4, 2, None)
        assert page.clock_offset_s == 300.0


@pytest.mark.parametrize("body", [{}, {"data": {}}, {"data": None}, b"<html>", b"", "rows"])
def test_a_page_without_a_list_is_not_usable_and_not_empty(respond: Respond, body: Any) -> None:
    with pytest.raises(NoUsableResponseError, match="no list of rows"):
        PAGE.parse(PAGE.request, respond(200, body))


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


@pytest.mark.parametrize("days", [-1, MAX_DAYS])
def test_a_query_spans_1_to_31_days(days: int) -> None:
    with pytest.raises(BadInputError, match="1 to 31 days"):
        HistoryQuery(date(2026, 8, 1), date(2026, 8, 1) + timedelta(days=days))


@pytest.mark.parametrize(
    ("days", "first", "last"),
    [
        pytest.param(0, "2026-08-25", "2026-08-29", id="a day and 14 hours at each end"),
        pytest.param(27, "2026-07-29", "2026-08-28", id="room for the earlier end, and a day later"),
        pytest.param(29, "2026-07-28", "2026-08-27", id="room for a day"),
        pytest.param(30, "2026-07-28", "2026-08-27", id="room for none"),
    ],
)
def test_a_query_is_wide_enough_for_any_time_zone(days: int, first: str, last: str) -> None:
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
