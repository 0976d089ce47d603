"""Whole exchanges, driven by hand: what is sent, how often, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_runway.exceptions import (
    BadConnectionError,
    BadRequestError,
    NoUsableResponseError,
    SubmitOutcomeUnknownError,
    ThrottledError,
    UnreachableError,
)
from airflow_provider_runway.segmind import api_calls, exchange
from airflow_provider_runway.segmind.exchange import Received, Resumed, SendStep, SleepStep, execute
from airflow_provider_runway.segmind.http import BaseUrls, FailureKind, Response, TransportFailure
from airflow_provider_runway.segmind.retry import RetryPolicy

Respond = Callable[..., Response]
Drive = Callable[..., Any]
POLICY = RetryPolicy(attempts=3)
QUEUED = {"request_id": "r-1", "status": "QUEUED"}
NOT_SENT = TransportFailure(FailureKind.NOT_SENT, "ConnectionError at gateway", 1_800_000_000.0)
MAYBE_SENT = TransportFailure(FailureKind.MAYBE_SENT, "ReadTimeout at gateway", 1_800_000_000.0)
SUBMIT = api_calls.make_submit_call(BaseUrls(), "m", {})
SYNC = api_calls.make_sync_call(BaseUrls(), "m", {})
STATUS = api_calls.make_status_call(BaseUrls(), "r-1")

#: No usable response, each in another way: (status, body) or a transport failure.
NO_RESPONSE = [
    pytest.param((500, b"<html>"), id="500"),
    pytest.param((503, {"error": "x", "request_id": "r-1"}), id="a 503 in JSON"),
    pytest.param((408, {"error": "x"}), id="a proxy's timeout"),
    pytest.param((404, b"<html>"), id="a proxy's page"),
    pytest.param((200, b"<html>"), id="a page with 200"),
    pytest.param((200, b""), id="an empty 200"),
    pytest.param(MAYBE_SENT, id="a lost connection"),
]


@pytest.fixture
def outcome(respond: Respond) -> Callable[[Any], Response | TransportFailure]:
    """Turn a row of the tables into what a SendStep receives."""
    return lambda row: row if isinstance(row, TransportFailure) else respond(*row)


@pytest.mark.parametrize(
    "row",
    [*NO_RESPONSE, pytest.param((307, b""), id="a redirect"), pytest.param((409, {"error": "x"}), id="a conflict")],
)
def test_a_billable_call_without_a_usable_response_is_sent_once_and_its_outcome_unknown(
    drive: Drive, outcome: Any, now: float, row: Any
) -> None:
    for call in (SUBMIT, SYNC):
        played = drive(execute(call, POLICY), [outcome(row)])
        assert isinstance(played.error, SubmitOutcomeUnknownError)
        assert [request.call for request in played.sent] == [call.request.call]
        assert "may have become a job" in str(played.error)
        assert (played.error.facts["call"], played.error.facts["at"]) == (call.request.call, now)
        assert isinstance(played.error.__cause__, NoUsableResponseError)


def test_a_submit_without_an_id_in_its_response_is_unknown(drive: Drive, respond: Respond) -> None:
    played = drive(execute(SUBMIT, POLICY), [respond(200, {"status": "QUEUED"})])
    assert isinstance(played.error, SubmitOutcomeUnknownError)


@pytest.mark.parametrize("row", NO_RESPONSE)
def test_a_poll_without_a_usable_response_is_repeated(drive: Drive, outcome: Any, respond: Respond, row: Any) -> None:
    played = drive(execute(STATUS, POLICY), [outcome(row), respond(200, QUEUED)])
    assert [type(step) for step in played.steps] == [SendStep, SleepStep, SendStep]
    assert played.pauses[0].because.startswith("status: ")
    assert played.value.request_id == "r-1"


def test_what_was_certainly_not_accepted_is_sent_again(
    subtests: pytest.Subtests, drive: Drive, outcome: Any, respond: Respond
) -> None:
    for case, first, max_pause_s in (
        ("429", (429, {"error": "rate_limit_exceeded"}), 1.0),
        ("not sent", NOT_SENT, 0.5),
    ):
        with subtests.test(case):
            for call in (SUBMIT, STATUS):
                played = drive(execute(call, POLICY), [outcome(first), respond(200, QUEUED)])
                assert played.value.request_id == "r-1"
                assert [type(step) for step in played.steps] == [SendStep, SleepStep, SendStep]
                assert 0 < played.pauses[0].seconds <= max_pause_s


def test_a_submit_after_a_429_waits_for_the_reset(drive: Drive, respond: Respond) -> None:
    script = [respond(429, {}, retry_after="42"), respond(200, QUEUED)]
    played = drive(execute(SUBMIT, POLICY), script, jitter=0.0)
    assert [pause.seconds for pause in played.pauses] == [42.0]


def test_a_poll_ends_with_the_last_error(subtests: pytest.Subtests, drive: Drive, outcome: Any) -> None:
    for case, row, error in (
        ("unreachable", NOT_SENT, UnreachableError),
        ("lost", MAYBE_SENT, NoUsableResponseError),
        ("503", (503, b"<html>"), NoUsableResponseError),
    ):
        with subtests.test(case):
            played = drive(execute(STATUS, POLICY), [outcome(row)] * 3)
            assert type(played.error) is error
            assert len(played.sent) == POLICY.attempts


def test_a_submit_that_was_never_sent_is_not_unknown(drive: Drive) -> None:
    assert type(drive(execute(SUBMIT, POLICY), [NOT_SENT] * 3).error) is UnreachableError


def test_a_submit_is_in_doubt_at_most_once(drive: Drive, respond: Respond) -> None:
    played = drive(execute(SUBMIT, POLICY), [respond(429, {}), NOT_SENT, MAYBE_SENT])
    assert isinstance(played.error, SubmitOutcomeUnknownError)
    assert len(played.sent) == 3


def test_no_retry_is_planned_for_after_a_request_has_expired(
    subtests: pytest.Subtests, drive: Drive, now: float
) -> None:
    for not_after_s, sends in ((0.2, 1), (3.0, 3)):
        with subtests.test(not_after_s=not_after_s, sends=sends):
            call = api_calls.make_submit_call(BaseUrls(), "m", {}, not_after=now + not_after_s)
            played = drive(execute(call, POLICY), [NOT_SENT] * 3)
            assert type(played.error) is UnreachableError
            assert len(played.sent) == sends


def test_the_elapsed_time_counts_from_the_first_response(drive: Drive, respond: Respond, now: float) -> None:
    script = [respond(429, {}, retry_after="30"), respond(429, {}, received_at=now + 80, retry_after="30")]
    played = drive(execute(SUBMIT, RetryPolicy(max_elapsed_s=100.0)), script)
    assert isinstance(played.error, ThrottledError)
    assert len(played.sent) == 2


def test_a_refusal_is_not_repeated(subtests: pytest.Subtests, drive: Drive, outcome: Any) -> None:
    for case, row, error in (
        ("400", (400, {"error": "x"}), BadRequestError),
        ("422", (422, {"error": "x", "status": "FAILED"}), BadRequestError),
        ("an untrusted host", TransportFailure(FailureKind.UNTRUSTED, "x"), BadConnectionError),
    ):
        with subtests.test(case):
            played = drive(execute(SUBMIT, POLICY), [outcome(row)])
            assert type(played.error) is error
            assert len(played.sent) == 1


def test_a_transport_that_mixes_up_its_results_is_a_bug(respond: Respond) -> None:
    sending = execute(STATUS, POLICY)
    next(sending)
    with pytest.raises(TypeError, match="Send"):
        sending.send(Resumed(0.0))
    waiting = exchange.run_step(SleepStep(1.0))
    next(waiting)
    with pytest.raises(TypeError, match="Send"):
        waiting.send(Received(respond(200, {})))
