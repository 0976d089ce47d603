"""A search of the history reads page after page, and never passes a part for the whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from airflow_provider_runway.exceptions import BadInputError, BadRequestError
from airflow_provider_runway.history.query import MAX_ROWS_PER_PAGE, HistoryQuery
from airflow_provider_runway.history.search import MAX_PAGES, find_requests, search_history
from airflow_provider_runway.segmind.http import BaseUrls, FailureKind, Response, TransportFailure
from airflow_provider_runway.segmind.retry import RetryPolicy

Respond = Callable[..., Response]
Drive = Callable[..., Any]
POLICY = RetryPolicy(attempts=3)
MAYBE_SENT = TransportFailure(FailureKind.MAYBE_SENT, "ReadTimeout at gateway", 1_800_000_000.0)
QUERY = HistoryQuery(date(2026, 8, 1), date(2026, 8, 31), model="m")


def make_page(rows: int, first: int = 0, **more: Any) -> dict[str, Any]:
    return {"data": [{"request_id": f"r-{first + number}"} for number in range(rows)], **more}


def make_dated_page(*ages_s: float) -> dict[str, Any]:
    return {"data": [{"request_id": f"r{age_s}", "model_created": 1_790_000_000 - age_s} for age_s in ages_s]}


def test_the_historys_pages_are_read_until_one_is_empty(drive: Drive, respond: Respond) -> None:
    # A row that arrives meanwhile moves the last row of a page to the next page. A short page is not the last.
    pages = [make_page(MAX_ROWS_PER_PAGE), make_page(MAX_ROWS_PER_PAGE, 99), make_page(1, 199), make_page(0)]
    played = drive(search_history(BaseUrls(), QUERY, POLICY), [respond(200, page) for page in pages])
    assert [dict(request.query)["page"] for request in played.sent] == ["1", "2", "3", "4"]
    assert [row.request_id for row in played.value.rows] == [f"r-{number}" for number in range(200)]
    assert played.value.is_whole


def test_a_total_is_not_believed(drive: Drive, respond: Respond) -> None:
    pages = [make_page(20, total=20), make_page(20, 20, total=20), make_page(0, total=20)]
    played = drive(search_history(BaseUrls(), QUERY, POLICY), [respond(200, page) for page in pages])
    assert len(played.value.rows) == 40


def test_a_page_without_a_usable_response_is_asked_for_again(drive: Drive, respond: Respond) -> None:
    script = [respond(503, b"<html>"), MAYBE_SENT, respond(200, make_page(2)), respond(200, make_page(0))]
    assert len(drive(find_requests(BaseUrls(), QUERY, POLICY), script).value) == 2


def test_a_later_page_that_is_not_found_ends_the_search_and_proves_nothing(
    subtests: pytest.Subtests, drive: Drive, respond: Respond
) -> None:
    for status, body in ((404, {"error": "No records found"}), (204, b"")):
        with subtests.test(status=status, body=body):
            script = [respond(200, make_page(2)), *[respond(status, body)] * POLICY.attempts]
            search = drive(search_history(BaseUrls(), QUERY, POLICY), script).value
            assert ([row.request_id for row in search.rows], search.is_whole) == (["r-0", "r-1"], False)


def test_unreadable_rows_and_the_clock_are_reported(drive: Drive, respond: Respond) -> None:
    page = {"data": [{"request_id": "r-1"}, {"no": "id"}, "?"]}
    script = [respond(200, page, date="Fri, 15 Jan 2027 08:05:00 GMT"), respond(200, [])]
    search = drive(search_history(BaseUrls(), QUERY, POLICY), script).value
    assert ([row.request_id for row in search.rows], search.unreadable_count) == (["r-1", None], 1)
    assert search.clock_offset_s == 300.0
    assert [row.request_id for row in drive(find_requests(BaseUrls(), QUERY, POLICY), script).value] == ["r-1"]


def test_a_filter_that_is_refused_is_left_out(subtests: pytest.Subtests, drive: Drive, respond: Respond) -> None:
    for status in (400, 406, 422):
        with subtests.test(status=status):
            refused = respond(status, {"error": "unknown parameter model_name"})
            script = [respond(200, make_page(1)), refused, respond(200, make_page(1)), respond(200, make_page(0))]
            played = drive(search_history(BaseUrls(), QUERY, POLICY), script)
            assert [("model_name" in dict(request.query), dict(request.query)["page"]) for request in played.sent] == [
                (True, "1"),
                (True, "2"),
                (False, "1"),
                (False, "2"),
            ]
            assert (played.value.left_out, len(played.value.rows)) == (frozenset({"model_name"}), 1)


def test_a_history_that_refuses_everything_is_an_error(drive: Drive, respond: Respond) -> None:
    played = drive(search_history(BaseUrls(), QUERY, POLICY), [respond(400, {"error": "no"})] * 99)
    assert isinstance(played.error, BadRequestError)
    assert dict(played.sent[-1].query) == {"page": "1"}


def test_another_refusal_is_not_blamed_on_a_filter(drive: Drive, respond: Respond) -> None:
    played = drive(search_history(BaseUrls(), QUERY, POLICY), [respond(403, {"error": "no"})])
    assert len(played.sent) == 1


def test_older_pages_are_left_unread_only_where_the_order_is_seen(
    subtests: pytest.Subtests, drive: Drive, respond: Respond
) -> None:
    for case, pages, sent in (
        ("newest first: older pages are not read", [(100, 900), (901, 1800)], 2),
        ("oldest first: newer pages may follow", [(900, 800), (700, 600), ()], 3),
        ("a single row shows no order", [(900,), (100,), ()], 3),
        ("no order at all", [(100, 900), (950, 901), ()], 3),
    ):
        with subtests.test(case):
            script = [respond(200, make_dated_page(*ages_s)) for ages_s in pages]
            played = drive(search_history(BaseUrls(), QUERY, POLICY, since=1_790_000_000 - 500), script)
            assert len(played.sent) == sent
            assert played.value.is_whole


def test_older_means_by_the_servers_clock(subtests: pytest.Subtests, drive: Drive, respond: Respond) -> None:
    for server_time, sent in (("07:50:00", 3), ("08:00:00", 2), ("08:10:00", 1)):
        with subtests.test(server_time=server_time, sent=sent):
            date_header = f"Fri, 15 Jan 2027 {server_time} GMT"
            pages = [make_dated_page(100, 900), make_dated_page(901, 1000), make_page(0)]
            script = [respond(200, page, date=date_header) for page in pages]
            played = drive(search_history(BaseUrls(), QUERY, POLICY, since=1_790_000_000 - 500), script)
            assert len(played.sent) == sent


def test_a_page_with_an_undated_row_is_not_older(drive: Drive, respond: Respond) -> None:
    first, undated = make_dated_page(100, 900), {"data": [*make_dated_page(901)["data"], {"request_id": "r"}]}
    script = [respond(200, page) for page in (first, undated, make_page(0))]
    assert len(drive(search_history(BaseUrls(), QUERY, POLICY, since=1_790_000_000 - 500), script).sent) == 3


def test_a_part_never_passes_for_the_whole(subtests: pytest.Subtests, drive: Drive, respond: Respond) -> None:
    for case, pages, is_whole in (
        ("pages may be ignored, and rows left out", [make_page(5), make_page(5)], False),
        ("pages are ignored, all rows are there", [make_page(5, total=5), make_page(5, total=5)], True),
        ("the last page is repeated", [make_page(5), make_page(5, 5), make_page(5, 5)], True),
        ("too many pages", [make_page(1, number) for number in range(MAX_PAGES)], False),
    ):
        with subtests.test(case):
            script = [respond(200, page) for page in pages]
            assert drive(search_history(BaseUrls(), QUERY, POLICY), script).value.is_whole is is_whole
            found = drive(find_requests(BaseUrls(), QUERY, POLICY), script)
            assert isinstance(found.error, BadInputError) is not is_whole
