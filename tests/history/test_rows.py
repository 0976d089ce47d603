"""History rows are read in every form that cannot be ruled out, and what cannot be read is None and never a guess."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import NotFoundError, NoUsableResponseError
from airflow_provider_runway.history.query import HistoryQuery
from airflow_provider_runway.history.rows import HistoryRow, merge_rows, parse_row
from airflow_provider_runway.history.search import make_history_page_call, make_history_row_call
from airflow_provider_runway.segmind.http import BaseUrls, Response
from airflow_provider_runway.segmind.jobs import JobState, JobSummary

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
PAGE = make_history_page_call(BaseUrls(), HistoryQuery(date(2026, 8, 1), date(2026, 8, 2)), 1)
SINGLE = make_history_row_call(BaseUrls(), "r-1")


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
    assert (row.seed, row.prompt, row.image_url, row.is_identifiable) == (56698, 'it\'s "here" é', IMAGE, True)
    assert "promptText" not in repr(row)


def test_field_names_may_be_spelled_in_another_way() -> None:
    renamed = {name.title().replace("_", "-"): value for name, value in ROW.items()}
    assert parse_row(renamed) == row_of()


def test_a_field_may_be_late_empty_or_of_another_type(subtests: pytest.Subtests) -> None:
    for case, changes, field, value in (
        ("no id yet", {"request_id": None}, "request_id", None),
        ("an id of another type", {"request_id": 7}, "request_id", None),
        ("PENDING is the history's QUEUED", {"model_status": "PENDING"}, "state", JobState.QUEUED),
        ("any case", {"model_status": "failed"}, "state", JobState.FAILED),
        ("no status yet", {"model_status": None}, "state", JobState.UNKNOWN),
        ("a display name is kept as it is", {"model_name": "Runway Gen-3"}, "model", "Runway Gen-3"),
        ("cost as text", {"credits_deduction": "0.5"}, "cost", 0.5),
        ("outputs in a list", {"generation_url": [URL, OTHER]}, "output_urls", (URL, OTHER)),
        ("no output yet", {"generation_url": None}, "output_urls", ()),
        ("no latency", {"latency_ms": "n/a"}, "latency_s", None),
        ("a key in an error", {"error": "bad\nSG_0123456789abcdef"}, "error", "bad SG_***"),
        ("a body that cannot be read", {"request_body": "{'cut': "}, "body", None),
    ):
        with subtests.test(case):
            assert getattr(row_of(**changes), field) == value


def test_a_creation_time_is_read_in_every_form(subtests: pytest.Subtests) -> None:
    for case, created, between, has_time_zone in (
        ("UTC", "2026-08-27T10:00:00Z", (CREATED, CREATED + 1), True),
        ("another zone", "2026-08-27T12:00:00+02:00", (CREATED, CREATED + 1), True),
        ("no zone: it may be any", "2026-08-27 10:00:00", (CREATED - 14 * HOUR, CREATED + 12 * HOUR + 1), False),
        ("cut to minutes", "2026-08-27T10:00", (CREATED - 14 * HOUR, CREATED + 12 * HOUR + 60), False),
        ("epoch seconds", CREATED, (CREATED, CREATED + 1), True),
        ("epoch milliseconds as text", str(int(CREATED * 1000)), (CREATED, CREATED + 1), True),
        ("an HTTP date", "Thu, 27 Aug 2026 10:00:00 GMT", (CREATED, CREATED + 1), True),
    ):
        with subtests.test(case):
            row = row_of(model_created=created)
            assert (row.created_at, row.created_between, row.has_time_zone) == (CREATED, between, has_time_zone)


def test_what_is_no_time_of_this_century_is_no_creation_time(subtests: pytest.Subtests) -> None:
    for created in (None, "soon", 9e14, 20260827, 0, True, {}):
        with subtests.test(created=created):
            row = row_of(model_created=created)
            assert (row.created_at, row.created_between, row.is_identifiable) == (None, None, False)


def test_several_creation_times_widen_the_range() -> None:
    row = row_of(created_at=CREATED + 100)
    assert (row.created_at, row.created_between) == (CREATED, (CREATED, CREATED + 101))


def test_a_row_without_id_inputs_or_time_is_not_complete(subtests: pytest.Subtests) -> None:
    for missing in ("request_id", "request_body", "model_created"):
        with subtests.test(missing=missing):
            assert not row_of(**{missing: None}).is_identifiable


def test_a_row_is_identifiable_without_the_rest() -> None:
    for missing in ("model_name", "model_status", "credits_deduction", "generation_url"):
        assert row_of(**{missing: None}).is_identifiable


def test_what_is_no_object_is_no_row() -> None:
    assert [parse_row(item) for item in (None, 7, "r-1", [ROW])] == [None] * 4


@given(
    st.dictionaries(st.sampled_from([*ROW, "id", "body"]), st.none() | st.text() | st.floats() | st.lists(st.text()))
)
@pytest.mark.filterwarnings("ignore::dateutil.parser.UnknownTimezoneWarning")
def test_parsing_a_row_never_raises(item: dict[str, Any]) -> None:
    row = parse_row(item)
    assert row is not None
    assert row.is_identifiable is (row.is_identifiable and row.created_at is not None)
    assert row.image_url is None or row.image_url.startswith("http")


def test_a_row_per_output_is_one_request() -> None:
    merged = merge_rows([row_of(), row_of(request_id="r-2"), row_of(generation_url=OTHER)])
    assert [(row.request_id, row.output_urls) for row in merged] == [("r-1", (URL, OTHER)), ("r-2", (URL,))]
    assert merged[0].cost == 0.5


def test_of_two_rows_of_a_request_the_fuller_one_counts() -> None:
    late = row_of(request_body=None, model_created=None, generation_url=OTHER)
    for rows in ([late, row_of()], [row_of(), late]):
        (row,) = merge_rows(rows)
        assert row.is_identifiable
        assert set(row.output_urls) == {URL, OTHER}


def test_rows_without_an_id_are_not_merged() -> None:
    assert len(merge_rows([row_of(request_id=None)] * 2 + [row_of()])) == 3


def test_a_single_row_is_parsed_in_every_form(subtests: pytest.Subtests, respond: Respond) -> None:
    for case, body in (
        ("bare", ROW),
        ("under data", {"data": ROW}),
        ("in a list", [{"request_id": "r-0"}, ROW]),
        ("without an id, which the request named", {"data": {**ROW, "request_id": None}}),
    ):
        with subtests.test(case):
            assert SINGLE.parse(SINGLE.request, respond(200, body)) == row_of()


def test_another_row_or_none_is_not_usable(subtests: pytest.Subtests, respond: Respond) -> None:
    for body in ({"data": []}, {"request_id": "r-2"}, {}, {"error": "not found"}, b"<html>", "x"):
        with subtests.test(body=body), pytest.raises(NoUsableResponseError):
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


def test_a_page_without_a_list_is_not_usable_and_not_empty(subtests: pytest.Subtests, respond: Respond) -> None:
    for body in ({}, {"data": {}}, {"data": None}, b"<html>", b"", "rows"):
        with subtests.test(body=body), pytest.raises(NoUsableResponseError, match="no list of rows"):
            PAGE.parse(PAGE.request, respond(200, body))


def test_a_history_row_fills_what_the_record_did_not_say() -> None:
    row = HistoryRow("r-1", "m", JobState.COMPLETED, 0.5, {"Seed": "77"}, (URL,), 27.4, None, CREATED - 5)
    found = row.add_to_summary(JobSummary("r-1"), CREATED + 4000)
    assert (found.model, found.seed, found.submitted_at, found.cost) == ("m", 77, CREATED - 5, 0.5)
    assert found.metrics == {"total_time": 27.4}


def test_a_history_row_takes_nothing_away() -> None:
    known = JobSummary("r-1", model="m", output_urls=(URL,), cost=0.5, metrics={"total_time": 27.4}, seed=7)
    row = HistoryRow("r-1", "other", JobState.UNKNOWN, output_urls=(OTHER,))
    found = row.add_to_summary(known, CREATED + 4000)
    assert (found.model, found.seed, found.cost, found.metrics) == ("m", 7, 0.5, {"total_time": 27.4})
    assert found.output_urls == (OTHER,)
