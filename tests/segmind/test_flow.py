"""Whole conversations, played by hand: what is sent, how often, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from airflow_provider_runway.exceptions import (
    BadConnection,
    BadInput,
    BadRequest,
    RunwayError,
    SubmissionUnknown,
    Throttled,
    Unanswered,
    Unreachable,
)
from airflow_provider_runway.segmind import calls, flow
from airflow_provider_runway.segmind.flow import Heard, Pause, Send, Woke, carry_out, find_requests
from airflow_provider_runway.segmind.history import MOST_PAGES, MOST_ROWS_A_PAGE, HistoryQuery
from airflow_provider_runway.segmind.retry import RetryPolicy
from airflow_provider_runway.segmind.wire import Answer, Endpoints, Fault, FaultKind

Make = Callable[..., Answer]
Drive = Callable[..., Any]
POLICY = RetryPolicy(attempts=3)
QUEUED = {"request_id": "r-1", "status": "QUEUED"}
LOST = Fault(FaultKind.LOST, "ReadTimeout at gateway")
NOT_SENT = Fault(FaultKind.NOT_SENT, "ConnectionError at gateway")

#: No usable answer of any call, each in another way: (status, body) or a fault.
NO_ANSWER = [
    *(pytest.param((status, b"<html>"), id=str(status)) for status in (500, 502, 503, 504)),
    pytest.param((500, {"error": "x", "request_id": "r-1"}), id="a 500 that speaks"),
    pytest.param((200, b"<html>"), id="HTML 200"),
    pytest.param((200, b""), id="empty 200"),
    pytest.param(LOST, id="lost"),
]
#: The same, where JSON is expected.
NO_JSON = [*NO_ANSWER, pytest.param((200, b"[" * 100_000), id="endless 200")]
#: ``run_sync`` takes any bytes for an output.
BILLABLE = [
    *((calls.run_sync, row) for row in NO_ANSWER),
    *((calls.submit, row) for row in [*NO_JSON, pytest.param((200, {"status": "QUEUED"}), id="no id")]),
]


@pytest.fixture
def heard(answer: Make) -> Callable[[Any], Answer | Fault]:
    """Turn a row of the table into an outcome."""
    return lambda row: row if isinstance(row, Fault) else answer(*row)


@pytest.mark.parametrize(
    ("call_of", "row"),
    [pytest.param(call_of, *row.values, id=f"{call_of.__name__}, {row.id}") for call_of, row in BILLABLE],
)
def test_a_billable_call_without_an_answer_is_unknown_after_one_send(
    at: Endpoints, drive: Drive, heard: Any, now: float, call_of: Any, row: Any
) -> None:
    course = drive(carry_out(call_of(at, "m", {}), POLICY), [heard(row)])
    assert isinstance(course.error, SubmissionUnknown)
    assert [request.call for request in course.sent] == [call_of.__name__]
    assert "may have become a job" in str(course.error)
    assert course.error.facts["call"] == call_of.__name__
    assert isinstance(course.error.__cause__, Unanswered)


@pytest.mark.parametrize("row", NO_JSON)
def test_a_look_without_an_answer_is_repeated(at: Endpoints, drive: Drive, heard: Any, answer: Make, row: Any) -> None:
    course = drive(carry_out(calls.status(at, "r-1"), POLICY), [heard(row), answer(200, QUEUED)])
    assert [type(step) for step in course.steps] == [Send, Pause, Send]
    assert course.pauses[0].because.startswith("status: ")
    assert course.value.request_id == "r-1"


@pytest.mark.parametrize("call_of", [calls.submit, lambda at, *_: calls.status(at, "r-1")])
@pytest.mark.parametrize(
    ("first", "longest_s"),
    [pytest.param((429, {"error": "rate_limit_exceeded"}), 1.0, id="429"), pytest.param(NOT_SENT, 0.5, id="not sent")],
)
def test_what_was_certainly_not_accepted_is_sent_again(
    at: Endpoints, drive: Drive, heard: Any, answer: Make, first: Any, longest_s: float, call_of: Any
) -> None:
    course = drive(carry_out(call_of(at, "m", {}), POLICY), [heard(first), answer(200, QUEUED)])
    assert course.value.request_id == "r-1"
    assert [type(step) for step in course.steps] == [Send, Pause, Send]
    assert 0 < course.pauses[0].seconds <= longest_s


def test_a_429_at_a_submit_waits_for_its_reset(at: Endpoints, drive: Drive, answer: Make) -> None:
    course = drive(
        carry_out(calls.submit(at, "m", {}), POLICY), [answer(429, {}, retry_after="42"), answer(200, QUEUED)], dice=0.0
    )
    assert [pause.seconds for pause in course.pauses] == [42.0]


@pytest.mark.parametrize(
    ("row", "error"),
    [
        pytest.param(NOT_SENT, Unreachable, id="unreachable"),
        pytest.param(LOST, Unanswered, id="unanswered"),
        pytest.param((503, b"<html>"), Unanswered, id="503"),
    ],
)
def test_a_look_gives_up_with_the_truth(
    at: Endpoints, drive: Drive, heard: Any, row: Any, error: type[RunwayError]
) -> None:
    course = drive(carry_out(calls.status(at, "r-1"), POLICY), [heard(row)] * 3)
    assert type(course.error) is error
    assert len(course.sent) == POLICY.attempts


def test_a_submit_that_was_never_sent_is_not_unknown(at: Endpoints, drive: Drive) -> None:
    course = drive(carry_out(calls.submit(at, "m", {}), POLICY), [NOT_SENT] * 3)
    assert type(course.error) is Unreachable


def test_a_submit_after_a_429_is_still_sent_once_at_most(at: Endpoints, drive: Drive, answer: Make) -> None:
    course = drive(carry_out(calls.submit(at, "m", {}), POLICY), [answer(429, {}), NOT_SENT, LOST])
    assert isinstance(course.error, SubmissionUnknown)
    assert len(course.sent) == 3


def test_patience_counts_from_the_first_answer(at: Endpoints, drive: Drive, answer: Make, now: float) -> None:
    policy = RetryPolicy(patience_s=100.0)
    late = answer(429, {}, at=now + 80, retry_after="30")
    course = drive(carry_out(calls.submit(at, "m", {}), policy), [answer(429, {}, retry_after="30"), late])
    assert isinstance(course.error, Throttled)
    assert len(course.sent) == 2


@pytest.mark.parametrize(
    ("row", "error"),
    [
        pytest.param((400, {"error": "x"}), BadRequest, id="400"),
        pytest.param((422, {"error": "x"}), BadRequest, id="422 at the submit"),
        pytest.param((422, {"status": "FAILED", "request_id": "r"}), BadRequest, id="422 that looks like a job"),
        pytest.param((307, b"<html>"), BadRequest, id="a redirect"),
        pytest.param(Fault(FaultKind.UNTRUSTED, "x"), BadConnection, id="an untrusted host"),
    ],
)
def test_a_refusal_is_not_repeated(at: Endpoints, drive: Drive, heard: Any, row: Any, error: type[RunwayError]) -> None:
    course = drive(carry_out(calls.submit(at, "m", {}), POLICY), [heard(row)])
    assert type(course.error) is error
    assert len(course.sent) == 1


def _page(rows: int, first: int = 0) -> dict[str, Any]:
    return {"data": [{"request_id": f"r-{first + number}"} for number in range(rows)]}


def test_the_historys_pages_are_turned_until_one_is_empty(at: Endpoints, drive: Drive, answer: Make) -> None:
    query = HistoryQuery(date(2026, 8, 1), date(2026, 8, 31), model="m")
    course = drive(
        find_requests(at, query, POLICY),
        # A row that came in meanwhile moves the last one of a page to the next page.
        [
            answer(200, _page(MOST_ROWS_A_PAGE)),
            answer(200, _page(MOST_ROWS_A_PAGE, 99)),
            answer(200, _page(1, 199)),
            answer(200, _page(0)),
        ],
    )
    assert [dict(request.query)["page"] for request in course.sent] == ["1", "2", "3", "4"]
    assert [row.request_id for row in course.value] == [f"r-{number}" for number in range(200)]


def test_a_page_that_fails_is_asked_again(at: Endpoints, drive: Drive, answer: Make) -> None:
    query = HistoryQuery(date(2026, 8, 1), date(2026, 8, 31))
    course = drive(
        find_requests(at, query, POLICY), [answer(503, b"<html>"), LOST, answer(200, _page(2)), answer(200, _page(0))]
    )
    assert len(course.value) == 2


def test_a_server_that_sends_short_pages_is_asked_on(at: Endpoints, drive: Drive, answer: Make) -> None:
    query = HistoryQuery(date(2026, 8, 1), date(2026, 8, 31))
    pages = [answer(200, _page(20)), answer(200, _page(20, 20)), answer(200, _page(0))]
    assert len(drive(find_requests(at, query, POLICY), pages).value) == 40


def test_a_server_that_says_how_many_rows_it_has_is_not_asked_for_more(
    at: Endpoints, drive: Drive, answer: Make
) -> None:
    query = HistoryQuery(date(2026, 8, 1), date(2026, 8, 31))
    pages = [answer(200, {**_page(20), "total": 40}), answer(200, {**_page(20, 20), "total": 40})]
    assert len(drive(find_requests(at, query, POLICY), pages).value) == 40


def test_pages_that_are_older_altogether_are_not_turned(at: Endpoints, drive: Drive, answer: Make) -> None:
    query = HistoryQuery(date(2026, 8, 1), date(2026, 8, 31))
    rows = [{"request_id": f"r-{at_s}", "model_created": at_s} for at_s in (1_790_000_900, 1_790_000_100)]
    pages = [answer(200, {"data": rows}), answer(200, {"data": rows[1:]})]
    course = drive(find_requests(at, query, POLICY, since=1_790_000_500.0), pages)
    assert len(course.sent) == 2


def test_a_part_never_passes_for_the_whole(at: Endpoints, drive: Drive, answer: Make) -> None:
    query = HistoryQuery(date(2026, 8, 1), date(2026, 8, 31))
    course = drive(find_requests(at, query, POLICY), [answer(200, _page(MOST_ROWS_A_PAGE))] * MOST_PAGES)
    assert isinstance(course.error, BadInput)
    assert len(course.sent) == MOST_PAGES


def test_a_driver_that_mixes_up_its_answers_is_a_bug(at: Endpoints, answer: Make) -> None:
    sending = carry_out(calls.balance(at), POLICY)
    next(sending)
    with pytest.raises(TypeError, match="Send"):
        sending.send(Woke(0.0))
    waiting = flow.when(Pause(1.0))
    next(waiting)
    with pytest.raises(TypeError, match="Send"):
        waiting.send(Heard(answer(200, {})))
