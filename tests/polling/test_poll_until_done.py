"""A whole wait on a simulated clock: deadlines, pauses, young records and log lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_runway.exceptions import UnauthorizedError
from airflow_provider_runway.polling.latency import make_latency_estimator
from airflow_provider_runway.polling.poll_and_wait_exchanges import poll_until_done
from airflow_provider_runway.polling.schedule import SINGLE_JOB_POLL_COST_S, next_poll_delay_s
from airflow_provider_runway.polling.wait_state import RECORD_GRACE_S
from airflow_provider_runway.segmind.http import BaseUrls, FailureKind, TransportFailure
from airflow_provider_runway.segmind.jobs import JobSummary
from airflow_provider_runway.segmind.models import DEFAULT_MODEL, expected_latency_s
from airflow_provider_runway.segmind.numbers_and_times import format_timestamp
from airflow_provider_runway.segmind.timing import get_timing
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind

URL = "https://images.segmind.com/a.mp4"
DONE = (200, {"status": "COMPLETED"})
RESULT = (200, {"status": "COMPLETED", "output": URL, "metrics": {"cost": 0.5}})
QUEUED, PROCESSING = (200, {"status": "QUEUED"}), (200, {"status": "PROCESSING"})
GONE = (404, {"error": "Request not found or expired"})
FOUND = (200, {"request_id": "r-1", "model_status": "COMPLETED", "generation_url": URL})
PENDING = (200, {"request_id": "r-1", "model_status": "PENDING"})
Drive = Callable[..., Any]
FIRST_S = next_poll_delay_s(make_latency_estimator(DEFAULT_MODEL), 0.0, 900.0, SINGLE_JOB_POLL_COST_S) or 0.0

#: Responses that say nothing about the job, one of each kind.
NOISE = [
    pytest.param((429, {"error": "rate_limit_exceeded"}), id="429"),
    pytest.param((502, b"<html>"), id="502"),
    pytest.param((200, b"<html>"), id="HTML 200"),
    pytest.param((200, b'{"status": "QUE'), id="cut"),
    pytest.param((200, {"status": "COMPLETED", "request_id": "r-2"}), id="another job"),
    pytest.param(TransportFailure(FailureKind.MAYBE_SENT, "ServerDisconnected"), id="reset"),
]


@pytest.fixture
def wait_for(drive: Drive, now: float) -> Drive:
    """Wait for the job ``r-1``, submitted ``age_s`` ago, for ``left_s`` at most."""

    def wait(left_s: float = 900.0, age_s: float | None = 0.0, **replies: Any) -> Any:
        summary = JobSummary("r-1", model=DEFAULT_MODEL, submitted_at=None if age_s is None else now - age_s)
        return drive(poll_until_done(BaseUrls(), summary, now + left_s, now), **replies)

    return wait


def after(seconds: float, then: Any = DONE, before: Any = PROCESSING) -> Callable[[float], Any]:
    """Return a reply that changes after so many seconds."""
    return lambda at_s: then if at_s >= seconds else before


def test_a_finished_job_ends_the_wait_with_its_output(wait_for: Drive) -> None:
    wait = wait_for(status=after(27), result=RESULT)
    assert (wait.value.kind, wait.value.job.output_url) == (OutcomeKind.COMPLETED, URL)
    assert wait.times()[0] == pytest.approx(FIRST_S)
    assert wait.times()[-1] <= 27 * 1.1 + 1


def test_a_usual_job_costs_few_requests(wait_for: Drive) -> None:
    assert len(wait_for(status=after(expected_latency_s(DEFAULT_MODEL)), result=RESULT).requests) <= 9


def test_a_job_that_ended_long_ago_is_seen_after_the_shortest_gap(wait_for: Drive) -> None:
    wait = wait_for(status=DONE, result=RESULT, age_s=FIRST_S - 0.5)
    assert wait.times() == [get_timing().min_poll_gap_s]


@pytest.mark.parametrize("left_s", [0.25, 40.0])
def test_the_last_poll_is_at_the_deadline(wait_for: Drive, left_s: float) -> None:
    running = wait_for(left_s, status=PROCESSING)
    assert running.value.kind is OutcomeKind.TIMEOUT
    assert running.times()[-1] == pytest.approx(left_s)
    assert len(set(running.times())) == len(running.times())
    assert wait_for(left_s, status=after(left_s), result=RESULT).value.kind is OutcomeKind.COMPLETED


def test_a_past_deadline_still_gets_one_poll(wait_for: Drive) -> None:
    assert wait_for(-3600.0, status=DONE, result=RESULT, age_s=60).value.kind is OutcomeKind.COMPLETED
    running = wait_for(-3600.0, status=PROCESSING, age_s=60)
    assert (running.value.kind, len(running.requests)) == (OutcomeKind.TIMEOUT, 1)


def test_a_timeout_says_how_to_resume(wait_for: Drive, now: float) -> None:
    error = wait_for(60, status=PROCESSING).value.error
    for text in ("r-1", "billed when it completes", format_timestamp(now + 3600), 'RunwayJobSensor(request_id="r-1")'):
        assert text in error


@pytest.mark.parametrize("noise", NOISE)
def test_noise_never_ends_a_wait_and_is_logged_once(wait_for: Drive, noise: Any) -> None:
    wait = wait_for(status=after(60, before=noise), result=[noise, noise, RESULT])
    assert wait.value.kind is OutcomeKind.COMPLETED
    assert [line.problem for line in wait.log] == [True]
    assert wait.lines[0].startswith("Job r-1: ")


def test_noise_until_the_deadline_is_a_timeout(wait_for: Drive) -> None:
    wait = wait_for(60, status=(503, b"<html>"))
    assert wait.value.kind is OutcomeKind.TIMEOUT
    assert wait.times()[-1] == pytest.approx(60)


@pytest.mark.parametrize("reset_s", [5.0, 100.0])
def test_polling_pauses_until_the_reset_of_a_429(wait_for: Drive, now: float, reset_s: float) -> None:
    def status(at_s: float) -> Any:
        headers = {"x-rate-limit-reset-at-utc": str(now + FIRST_S + reset_s)}
        return (429, {}, headers) if at_s < FIRST_S + reset_s - 1e-6 else DONE

    wait = wait_for(status=status, result=RESULT)
    assert wait.times() == pytest.approx([FIRST_S, FIRST_S + reset_s])


def test_a_reset_beyond_the_deadline_ends_polling(wait_for: Drive) -> None:
    wait = wait_for(60, status=(429, {}, {"retry-after": "100"}))
    assert wait.value.kind is OutcomeKind.TIMEOUT
    assert len(wait.requests) == 1


def test_each_change_of_status_is_logged_once(wait_for: Drive) -> None:
    wait = wait_for(status=[QUEUED, QUEUED, PROCESSING, PROCESSING, QUEUED, DONE], result=RESULT)
    assert wait.lines == ["Job r-1: QUEUED", "Job r-1: PROCESSING", "Job r-1: QUEUED"]


def test_an_undocumented_status_warns_once_and_polling_goes_on(wait_for: Drive) -> None:
    paused = (200, {"status": "PAUSED"})
    wait = wait_for(status=[paused, paused, paused, DONE], result=RESULT)
    assert wait.value.kind is OutcomeKind.COMPLETED
    assert [(line.problem, "PAUSED" in line.line) for line in wait.log] == [(True, True)]


@pytest.mark.parametrize(("row", "outcome"), [(FOUND, "completed"), (GONE, "expired")])
def test_a_missing_record_ends_as_the_history_says(wait_for: Drive, row: Any, outcome: str) -> None:
    wait = wait_for(status=GONE, history_one=row, age_s=3700.0)
    assert wait.value.kind == outcome
    assert len(wait.requests) == 2


def test_the_record_of_a_young_job_may_be_missing(wait_for: Drive) -> None:
    readable = after(RECORD_GRACE_S - 5, then=PROCESSING, before=GONE)
    wait = wait_for(status=lambda at_s: DONE if at_s > 60 else readable(at_s), result=RESULT, history_one=GONE)
    assert wait.value.kind is OutcomeKind.COMPLETED
    assert wait.lines == ["Job r-1: PROCESSING"]


def test_a_record_that_stays_missing_is_expired_after_the_grace(wait_for: Drive) -> None:
    wait = wait_for(status=GONE, history_one=GONE)
    assert wait.value.kind is OutcomeKind.EXPIRED
    assert RECORD_GRACE_S <= wait.times()[-1] <= RECORD_GRACE_S * 1.1 + 2


def test_a_pending_row_is_logged_once(wait_for: Drive) -> None:
    wait = wait_for(status=GONE, history_one=after(100, then=FOUND, before=PENDING), age_s=10)
    assert wait.value.kind is OutcomeKind.COMPLETED
    assert len(wait.times()) > 3
    assert len(wait.lines) == 2


def test_a_rejected_key_is_left_to_the_caller(wait_for: Drive) -> None:
    assert isinstance(wait_for(status=[QUEUED, (401, {})]).error, UnauthorizedError)


def test_another_refusal_ends_the_wait_and_says_how_to_resume(wait_for: Drive) -> None:
    outcome = wait_for(status=(403, {"error": "no"})).value
    assert outcome.kind is OutcomeKind.ERROR
    assert 'RunwayJobSensor(request_id="r-1")' in outcome.error


def test_an_unusable_id_ends_the_wait_before_anything_is_sent(drive: Drive, now: float) -> None:
    wait = drive(poll_until_done(BaseUrls(), JobSummary("../x"), now + 60, now))
    assert (wait.value.kind, wait.requests) == (OutcomeKind.ERROR, [])


def test_a_submission_in_the_future_delays_nothing(wait_for: Drive) -> None:
    assert wait_for(status=after(27), result=RESULT, age_s=-600.0).times()[0] == pytest.approx(FIRST_S)
