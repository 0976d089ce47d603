"""One poll of a job: its outcome with the output, or its status; a missing record is looked up in the history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_runway.exceptions import ForbiddenError, NoUsableResponseError, RunwayError, ThrottledError
from airflow_provider_runway.polling.poll_and_wait_exchanges import poll_once
from airflow_provider_runway.segmind.http import BaseUrls, FailureKind, TransportFailure
from airflow_provider_runway.segmind.jobs import JobState, JobStatus, JobSummary
from airflow_provider_runway.segmind.retry import RetryPolicy
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind, WaitOutcome

URL = "https://images.segmind.com/a.mp4"
METRICS = {"cost": 0.5, "remaining_credits": 9.5, "total_time": 27.4}
DONE = (200, {"status": "COMPLETED", "metrics": METRICS})
RESULT = (200, {"status": "COMPLETED", "output": URL, "metrics": METRICS})
FAILED = (422, {"status": "FAILED", "error": "Generation failed", "metrics": {"cost": 0.0}})
GONE = (404, {"error": "Request not found or expired"})
ROW = {"request_id": "r-1", "model_status": "COMPLETED", "credits_deduction": 0.5, "generation_url": URL}
FOUND = (200, ROW)
NO_OUTPUT = (200, ROW | {"generation_url": None})
Drive = Callable[..., Any]

SUMMARY = JobSummary("r-1", model="m", seed=7, submitted_at=1_800_000_000.0)


@pytest.fixture
def poll(drive: Drive) -> Drive:
    """Poll the job ``r-1`` once."""
    return lambda policy=RetryPolicy(attempts=1), **replies: drive(poll_once(BaseUrls(), SUMMARY, policy), **replies)


@pytest.mark.parametrize("raw_status", ["QUEUED", "THROTTLED"])
def test_a_running_job_costs_one_request(poll: Drive, raw_status: str) -> None:
    wait = poll(status=(200, {"status": raw_status}))
    assert isinstance(wait.value, JobStatus)
    assert (wait.value.raw_status, wait.value.is_final, len(wait.requests)) == (raw_status, False, 1)


def test_a_completed_job_comes_with_its_output(poll: Drive, now: float) -> None:
    wait = poll(status=DONE, result=RESULT)
    summary = wait.value.job
    assert wait.value.kind is OutcomeKind.COMPLETED
    assert (summary.status, summary.output_urls, summary.completed_at) == ("COMPLETED", (URL,), now)
    assert (summary.cost, summary.remaining_credits, summary.seed, summary.metrics) == (0.5, 9.5, 7, METRICS)


def test_an_output_completes_the_job_whatever_its_status_word(poll: Drive) -> None:
    wait = poll(status=DONE, result=(200, {"status": "DONE", "output": URL}))
    assert (wait.value.kind, wait.value.job.status) == (OutcomeKind.COMPLETED, "COMPLETED")


@pytest.mark.parametrize("where", ["status", "result"])
def test_a_failed_job_comes_with_its_reason(poll: Drive, where: str) -> None:
    wait = poll(status=FAILED) if where == "status" else poll(status=DONE, result=FAILED)
    assert (wait.value.kind, wait.value.code) == (OutcomeKind.FAILED, "job_failed")
    assert wait.value.job.status == "FAILED"
    assert "Generation failed" in wait.value.error


def test_a_record_that_lags_behind_its_status_is_a_running_job(poll: Drive) -> None:
    wait = poll(status=DONE, result=(200, {"status": "PROCESSING"}))
    assert isinstance(wait.value, JobStatus)
    assert wait.value.state is JobState.PROCESSING


@pytest.mark.parametrize("where", ["status", "result"])
def test_a_missing_record_is_looked_up_in_the_history(poll: Drive, where: str) -> None:
    missing = {"status": GONE} if where == "status" else {"status": DONE, "result": GONE}
    wait = poll(**missing, history_one=FOUND)
    assert wait.value.kind is OutcomeKind.COMPLETED
    assert (wait.value.job.output_url, wait.value.job.cost) == (URL, 0.5)
    assert len(wait.lines) == 1
    assert "history" in wait.lines[0]


@pytest.mark.parametrize(
    ("row", "outcome", "code"),
    [
        pytest.param((200, ROW | {"model_status": None}), "completed", None, id="an output without a status"),
        pytest.param(
            (200, ROW | {"model_status": "FAILED", "generation_url": None, "error": "nsfw"}),
            "failed",
            "content_blocked",
            id="failed",
        ),
        pytest.param(NO_OUTPUT, "failed", "output_lost", id="completed without an output"),
        pytest.param(GONE, "expired", "record_expired", id="not in the history either"),
    ],
)
def test_the_history_says_how_an_expired_job_ended(poll: Drive, row: Any, outcome: str, code: str | None) -> None:
    wait = poll(status=GONE, history_one=row)
    assert (wait.value.kind, wait.value.code) == (outcome, code)


@pytest.mark.parametrize("raw_status", ["PENDING", None, "SOMETHING"])
def test_a_row_that_has_not_ended_is_a_running_job(poll: Drive, raw_status: str | None) -> None:
    wait = poll(status=GONE, history_one=(200, {"request_id": "r-1", "model_status": raw_status}))
    assert isinstance(wait.value, JobStatus)
    assert not wait.value.is_final
    assert not wait.lines


@pytest.mark.parametrize(
    ("row", "outcome", "code"),
    [
        pytest.param(FOUND, "completed", None, id="the history has it"),
        pytest.param(NO_OUTPUT, "failed", "output_lost", id="nor has the history"),
        pytest.param(GONE, "failed", "output_lost", id="the history does not know the job"),
        pytest.param(
            (200, ROW | {"model_status": "PENDING", "generation_url": ""}), "failed", "output_lost", id="late"
        ),
        pytest.param((403, {"error": "no"}), "failed", "output_lost", id="the history is forbidden"),
    ],
)
def test_a_missing_output_is_looked_up_in_the_history(poll: Drive, row: Any, outcome: str, code: str | None) -> None:
    wait = poll(status=DONE, result=DONE, history_one=row)
    assert (wait.value.kind, wait.value.code) == (outcome, code)
    assert (wait.value.job.cost, wait.value.job.metrics) == (0.5, METRICS)
    if code:
        assert "It is billed" in wait.value.error


@pytest.mark.parametrize("reply", [(503, b"<html>"), TransportFailure(FailureKind.MAYBE_SENT, "cut")])
def test_an_unreadable_history_does_not_lose_the_output(poll: Drive, reply: Any) -> None:
    assert isinstance(poll(status=DONE, result=DONE, history_one=reply).error, NoUsableResponseError)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        pytest.param((429, {}), ThrottledError, id="429"),
        pytest.param((500, {"status": "FAILED"}), NoUsableResponseError, id="a 5xx that says FAILED"),
        pytest.param((403, {}), ForbiddenError, id="403"),
    ],
)
@pytest.mark.parametrize("where", ["status", "result", "history_one"])
def test_a_response_that_is_not_about_the_job_raises(
    poll: Drive, where: str, reply: Any, error: type[RunwayError]
) -> None:
    wait = poll(**{"status": DONE, "result": GONE, "history_one": FOUND, where: reply})
    assert type(wait.error) is error


def test_a_worker_may_retry(poll: Drive) -> None:
    wait = poll(RetryPolicy(attempts=3), status=[(503, b""), (503, b""), DONE], result=[(502, b""), RESULT])
    assert isinstance(wait.value, WaitOutcome)
    assert [call for call, _ in wait.requests] == ["status"] * 3 + ["result"] * 2
