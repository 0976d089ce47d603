"""Whole conversations, played by hand: what is sent, how often, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from airflow_provider_runway.exceptions import (
    BadConnectionError,
    BadInputError,
    BadRequestError,
    NoUsableResponseError,
    RunwayError,
    SubmitOutcomeUnknownError,
    ThrottledError,
    UnreachableError,
)
from airflow_provider_runway.segmind import endpoints, exchange
from airflow_provider_runway.segmind.exchange import Received, Resumed, Send, Sleep, execute, find_requests
from airflow_provider_runway.segmind.history import MAX_PAGES, MAX_ROWS_PER_PAGE, HistoryQuery
from airflow_provider_runway.segmind.http import BaseUrls, FailureKind, Response, TransportFailure
from airflow_provider_runway.segmind.retry import RetryPolicy

Make = Callable[..., Response]
Drive = Callable[..., Any]
POLICY = RetryPolicy(attempts=3)
QUEUED = {"request_id": "r-1", "status": "QUEUED"}
MAYBE_SENT = TransportFailure(FailureKind.MAYBE_SENT, "ReadTimeout at gateway")
NOT_SENT = TransportFailure(FailureKind.NOT_SENT, "ConnectionError at gateway")

#: No usable answer of any call, each in another way: (status, body) or a fault.
NO_ANSWER = [
    *(pytest.param((status, b"<html>"), id=str(status)) for status in (500, 502, 503, 504)),
    pytest.param((500, {"error": "x", "request_id": "r-1"}), id="a 500 that speaks"),
    pytest.param((200, b"<html>"), id="HTML 200"),
    pytest.param((200, b""), id="empty 200"),
    pytest.param(MAYBE_SENT, id="lost"),
]
#: The same, where JSON is expected.
NO_JSON = [*NO_ANSWER, pytest.param((200, b"[" * 100_000), id="endless 200")]
#: ``run_sync`` takes any bytes for an output.
BILLABLE = [
    *((endpoints.make_sync_call, row) for row in NO_ANSWER),
    *((endpoints.make_submit_call, row) for row in [*NO_JSON, pytest.param((200, {"status": "QUEUED"}), id="no id")]),
]


@pytest.fixture
def heard(answer: Make) -> Callable[[Any], Response | TransportFailure]:
    """Turn a row of the table into an outcome."""
    return lambda row: row if isinstance(row, TransportFailure) else answer(*row)


@pytest.mark.parametrize(
    ("call_of", "row"),
    [pytest.param(call_of, *row.values, id=f"{call_of.__name__}, {row.id}") for call_of, row in BILLABLE],
)
def test_a_billable_call_without_an_answer_is_unknown_after_one_send(
    base_urls: BaseUrls, drive: Drive, heard: Any, now: float, call_of: Any, row: Any
) -> None:
    course = drive(execute(call_of(base_urls, "m", {}), POLICY), [heard(row)])
    assert isinstance(course.error, SubmitOutcomeUnknownError)
    call = call_of(base_urls, "m", {}).request.call
    assert [request.call for request in course.sent] == [call]
    assert "may have become a job" in str(course.error)
    assert course.error.facts["call"] == call
    assert isinstance(course.error.__cause__, NoUsableResponseError)


@pytest.mark.parametrize("row", NO_JSON)
def test_a_look_without_an_answer_is_repeated(
    base_urls: BaseUrls, drive: Drive, heard: Any, answer: Make, row: Any
) -> None:
    course = drive(execute(endpoints.make_status_call(base_urls, "r-1"), POLICY), [heard(row), answer(200, QUEUED)])
    assert [type(step) for step in course.steps] == [Send, Sleep, Send]
    assert course.pauses[0].because.startswith("status: ")
    assert course.value.request_id == "r-1"


@pytest.mark.parametrize(
    "call_of", [endpoints.make_submit_call, lambda base_urls, *_: endpoints.make_status_call(base_urls, "r-1")]
)
@pytest.mark.parametrize(
    ("first", "longest_s"),
    [pytest.param((429, {"error": "rate_limit_exceeded"}), 1.0, id="429"), pytest.param(NOT_SENT, 0.5, id="not sent")],
)
def test_what_was_certainly_not_accepted_is_sent_again(
    base_urls: BaseUrls, drive: Drive, heard: Any, answer: Make, first: Any, longest_s: float, call_of: Any
) -> None:
    course = drive(execute(call_of(base_urls, "m", {}), POLICY), [heard(first), answer(200, QUEUED)])
    assert course.value.request_id == "r-1"
    assert [type(step) for step in course.steps] == [Send, Sleep, Send]
    assert 0 < course.pauses[0].seconds <= longest_s


def test_a_429_at_a_submit_waits_for_its_reset(base_urls: BaseUrls, drive: Drive, answer: Make) -> None:
    course = drive(
        execute(endpoints.make_submit_call(base_urls, "m", {}), POLICY),
        [answer(429, {}, retry_after="42"), answer(200, QUEUED)],
        jitter=0.0,
    )
    assert [pause.seconds for pause in course.pauses] == [42.0]


@pytest.mark.parametrize(
    ("row", "error"),
    [
        pytest.param(NOT_SENT, UnreachableError, id="unreachable"),
        pytest.param(MAYBE_SENT, NoUsableResponseError, id="unanswered"),
        pytest.param((503, b"<html>"), NoUsableResponseError, id="503"),
    ],
)
def test_a_look_gives_up_with_the_truth(
    base_urls: BaseUrls, drive: Drive, heard: Any, row: Any, error: type[RunwayError]
) -> None:
    course = drive(execute(endpoints.make_status_call(base_urls, "r-1"), POLICY), [heard(row)] * 3)
    assert type(course.error) is error
    assert len(course.sent) == POLICY.attempts


def test_a_submit_that_was_never_sent_is_not_unknown(base_urls: BaseUrls, drive: Drive) -> None:
    course = drive(execute(endpoints.make_submit_call(base_urls, "m", {}), POLICY), [NOT_SENT] * 3)
    assert type(course.error) is UnreachableError


def test_a_submit_after_a_429_is_still_sent_once_at_most(base_urls: BaseUrls, drive: Drive, answer: Make) -> None:
    course = drive(
        execute(endpoints.make_submit_call(base_urls, "m", {}), POLICY), [answer(429, {}), NOT_SENT, MAYBE_SENT]
    )
    assert isinstance(course.error, SubmitOutcomeUnknownError)
    assert len(course.sent) == 3


def test_patience_counts_from_the_first_answer(base_urls: BaseUrls, drive: Drive, answer: Make, now: float) -> None:
    policy = RetryPolicy(max_elapsed_s=100.0)
    late = answer(429, {}, received_at=now + 80, retry_after="30")
    course = drive(
        execute(endpoints.make_submit_call(base_urls, "m", {}), policy), [answer(429, {}, retry_after="30"), late]
    )
    assert isinstance(course.error, ThrottledError)
    assert len(course.sent) == 2


@pytest.mark.parametrize(
    ("row", "error"),
    [
        pytest.param((400, {"error": "x"}), BadRequestError, id="400"),
        pytest.param((422, {"error": "x"}), BadRequestError, id="422 at the submit"),
        pytest.param((422, {"status": "FAILED", "request_id": "r"}), BadRequestError, id="422 that looks like a job"),
        pytest.param((307, b"<html>"), BadRequestError, id="a redirect"),
        pytest.param(TransportFailure(FailureKind.UNTRUSTED, "x"), BadConnectionError, id="an untrusted host"),
    ],
)
def test_a_refusal_is_not_repeated(
    base_urls: BaseUrls, drive: Drive, heard: Any, row: Any, error: type[RunwayError]
) -> None:
    course = drive(execute(endpoints.make_submit_call(base_urls, "m", {}), POLICY), [heard(row)])
    assert type(course.error) is error
    assert len(course.sent) == 1


def _page(rows: int, first: int = 0) -> dict[str, Any]:
    return {"data": [{"request_id": f"r-{first + number}"} for number in range(rows)]}


def test_the_historys_pages_are_turned_until_one_is_empty(base_urls: BaseUrls, drive: Drive, answer: Make) -> None:
    query = HistoryQuery(date(2026, 8, 1), date(2026, 8, 31), model="m")
    course = drive(
        find_requests(base_urls, query, POLICY),
        # A row that came in meanwhile moves the last one of a page to the next page.
        [
            answer(200, _page(MAX_ROWS_PER_PAGE)),
            answer(200, _page(MAX_ROWS_PER_PAGE, 99)),
            answer(200, _page(1, 199)),
            answer(200, _page(0)),
        ],
    )
    assert [dict(request.query)["page"] for request in course.sent] == ["1", "2", "3", "4"]
    assert [row.request_id for row in course.value] == [f"r-{number}" for number in range(200)]


def test_a_page_that_fails_is_asked_again(base_urls: BaseUrls, drive: Drive, answer: Make) -> None:
    query = HistoryQuery(date(2026, 8, 1), date(2026, 8, 31))
    course = drive(
        find_requests(base_urls, query, POLICY),
        [answer(503, b"<html>"), MAYBE_SENT, answer(200, _page(2)), answer(200, _page(0))],
    )
    assert len(course.value) == 2


def test_a_server_that_sends_short_pages_is_asked_on(base_urls: BaseUrls, drive: Drive, answer: Make) -> None:
    query = HistoryQuery(date(2026, 8, 1), date(2026, 8, 31))
    pages = [answer(200, _page(20)), answer(200, _page(20, 20)), answer(200, _page(0))]
    assert len(drive(find_requests(base_urls, query, POLICY), pages).value) == 40


def test_a_server_that_says_how_many_rows_it_has_is_not_asked_for_more(
    base_urls: BaseUrls, drive: Drive, answer: Make
) -> None:
    query = HistoryQuery(date(2026, 8, 1), date(2026, 8, 31))
    pages = [answer(200, {**_page(20), "total": 40}), answer(200, {**_page(20, 20), "total": 40})]
    assert len(drive(find_requests(base_urls, query, POLICY), pages).value) == 40


def test_pages_that_are_older_altogether_are_not_turned(base_urls: BaseUrls, drive: Drive, answer: Make) -> None:
    query = HistoryQuery(date(2026, 8, 1), date(2026, 8, 31))
    rows = [{"request_id": f"r-{at_s}", "model_created": at_s} for at_s in (1_790_000_900, 1_790_000_100)]
    pages = [answer(200, {"data": rows}), answer(200, {"data": rows[1:]})]
    course = drive(find_requests(base_urls, query, POLICY, since=1_790_000_500.0), pages)
    assert len(course.sent) == 2


def test_a_part_never_passes_for_the_whole(base_urls: BaseUrls, drive: Drive, answer: Make) -> None:
    query = HistoryQuery(date(2026, 8, 1), date(2026, 8, 31))
    course = drive(find_requests(base_urls, query, POLICY), [answer(200, _page(MAX_ROWS_PER_PAGE))] * MAX_PAGES)
    assert isinstance(course.error, BadInputError)
    assert len(course.sent) == MAX_PAGES


def test_a_driver_that_mixes_up_its_answers_is_a_bug(base_urls: BaseUrls, answer: Make) -> None:
    sending = execute(endpoints.make_credits_call(base_urls), POLICY)
    next(sending)
    with pytest.raises(TypeError, match="Send"):
        sending.send(Resumed(0.0))
    waiting = exchange.run_step(Sleep(1.0))
    next(waiting)
    with pytest.raises(TypeError, match="Send"):
        waiting.send(Received(answer(200, {})))
