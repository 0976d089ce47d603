"""One look at a job: its ending with its output, or its status; what is gone is looked for in the history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_runway.exceptions import (
    ForbiddenError,
    NoUsableResponseError,
    RunwayError,
    ThrottledError,
    UnauthorizedError,
)
from airflow_provider_runway.polling.poll import poll_once
from airflow_provider_runway.segmind.http import BaseUrls, FailureKind, TransportFailure
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.jobs import JobState, JobStatus
from airflow_provider_runway.segmind.retry import RetryPolicy
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind, WaitOutcome

URL = "https://images.segmind.com/a.mp4"
METRICS = {"cost": 0.5, "remaining_credits": 9.5, "total_time": 27.4}
DONE = (200, {"status": "COMPLETED", "metrics": METRICS})
EMPTY = DONE
RESULT = (200, {"status": "COMPLETED", "output": URL, "metrics": METRICS})
FAILED = (422, {"status": "FAILED", "error": "Generation failed", "metrics": {"cost": 0.0}})
GONE = (404, {"error": "Request not found or expired"})
ROW = {"request_id": "r-1", "model_status": "COMPLETED", "credits_deduction": 0.5, "generation_url": URL}
KNOWN = (200, ROW)
NO_OUTPUT = (200, ROW | {"generation_url": None})
Drive = Callable[..., Any]

REPORT = JobSummary("r-1", model="m", seed=7, submitted_at=1_800_000_000.0)


@pytest.fixture
def look(drive: Drive) -> Drive:
    """Look once at the job ``r-1``."""
    return lambda policy=RetryPolicy(attempts=1), **sayings: drive(poll_once(BaseUrls(), REPORT, policy), **sayings)


@pytest.mark.parametrize("raw_status", ["QUEUED", "PROCESSING", "THROTTLED"])
def test_a_living_job_is_its_status_for_one_request(look: Drive, raw_status: str) -> None:
    wait = look(status=(200, {"status": raw_status}))
    assert isinstance(wait.value, JobStatus)
    assert (wait.value.raw_status, wait.value.is_final, len(wait.looks)) == (raw_status, False, 1)


def test_a_completed_job_ends_with_its_output(look: Drive, now: float) -> None:
    wait = look(status=DONE, result=RESULT)
    report = wait.value.job
    assert wait.value.kind is OutcomeKind.COMPLETED
    assert (report.status, report.output_urls, report.completed_at) == ("COMPLETED", (URL,), now)
    assert (report.cost, report.remaining_credits, report.seed, report.metrics) == (0.5, 9.5, 7, METRICS)


def test_an_output_ends_the_job_whatever_word_stands_beside_it(look: Drive) -> None:
    wait = look(status=DONE, result=(200, {"status": "DONE", "output": URL}))
    assert (wait.value.kind, wait.value.job.status) == (OutcomeKind.COMPLETED, "COMPLETED")


@pytest.mark.parametrize("where", ["status", "result"])
def test_a_failed_job_ends_with_its_reason(look: Drive, where: str) -> None:
    wait = look(status=FAILED) if where == "status" else look(status=DONE, result=FAILED)
    assert (wait.value.kind, wait.value.code) == (OutcomeKind.FAILED, "job_failed")
    assert wait.value.job.status == "FAILED"
    assert "Generation failed" in wait.value.error


def test_a_record_that_lags_behind_its_status_is_looked_at_again(look: Drive) -> None:
    wait = look(status=DONE, result=(200, {"status": "PROCESSING"}))
    assert isinstance(wait.value, JobStatus)
    assert wait.value.state is JobState.PROCESSING


@pytest.mark.parametrize("where", ["status", "result"])
def test_a_record_that_is_gone_is_looked_for_in_the_history(look: Drive, where: str) -> None:
    gone = {"status": GONE} if where == "status" else {"status": DONE, "result": GONE}
    wait = look(**gone, history_one=KNOWN)
    assert wait.value.kind is OutcomeKind.COMPLETED
    assert (wait.value.job.output_url, wait.value.job.cost) == (URL, 0.5)
    assert len(wait.lines) == 1
    assert "history" in wait.lines[0]


@pytest.mark.parametrize(
    ("row", "outcome", "code"),
    [
        pytest.param(KNOWN, "completed", None, id="completed"),
        pytest.param((200, ROW | {"model_status": None}), "completed", None, id="an output, and no word yet"),
        pytest.param((200, ROW | {"model_status": "DONE"}), "completed", None, id="an output, and another word"),
        pytest.param(
            (200, ROW | {"model_status": "FAILED", "generation_url": None, "error": "nsfw"}),
            "failed",
            "content_blocked",
            id="failed",
        ),
        pytest.param(NO_OUTPUT, "failed", "output_lost", id="completed, and no output"),
        pytest.param(GONE, "expired", "record_expired", id="not there either"),
    ],
)
def test_the_history_knows_how_an_expired_job_ended(look: Drive, row: Any, outcome: str, code: str | None) -> None:
    wait = look(status=GONE, history_one=row)
    assert (wait.value.kind, wait.value.code) == (outcome, code)
    assert wait.value.job.status == {"completed": "COMPLETED"}.get(outcome, wait.value.job.status)


@pytest.mark.parametrize("raw_status", ["PENDING", None, "SOMETHING"])
def test_a_row_that_has_not_ended_is_a_living_job(look: Drive, raw_status: str | None) -> None:
    wait = look(status=GONE, history_one=(200, {"request_id": "r-1", "model_status": raw_status}))
    assert isinstance(wait.value, JobStatus)
    assert not wait.value.is_final
    assert not wait.lines


@pytest.mark.parametrize(
    ("row", "outcome", "code"),
    [
        pytest.param(KNOWN, "completed", None, id="the history has it"),
        pytest.param(NO_OUTPUT, "failed", "output_lost", id="nor has the history"),
        pytest.param(GONE, "failed", "output_lost", id="the history does not know it"),
        pytest.param(
            (200, ROW | {"model_status": "PENDING", "generation_url": ""}), "failed", "output_lost", id="late"
        ),
        pytest.param((403, {"error": "no"}), "failed", "output_lost", id="the history is not for us"),
    ],
)
def test_a_completed_job_without_an_output_is_looked_for_in_the_history(
    look: Drive, row: Any, outcome: str, code: str | None
) -> None:
    wait = look(status=DONE, result=EMPTY, history_one=row)
    assert (wait.value.kind, wait.value.code) == (outcome, code)
    assert (wait.value.job.cost, wait.value.job.metrics) == (0.5, METRICS)
    if code:
        assert "It is billed" in wait.value.error


@pytest.mark.parametrize(
    "answer", [(429, {}), (503, b"<html>"), (200, b"<html>"), TransportFailure(FailureKind.MAYBE_SENT, "cut")]
)
def test_a_history_that_cannot_be_had_loses_no_output(look: Drive, answer: Any) -> None:
    wait = look(status=DONE, result=EMPTY, history_one=answer)
    assert isinstance(wait.error, NoUsableResponseError)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param((429, {}), ThrottledError, id="429"),
        pytest.param((500, {"status": "FAILED"}), NoUsableResponseError, id="a 5xx that says FAILED"),
        pytest.param((200, b"<html>"), NoUsableResponseError, id="HTML"),
        pytest.param((401, {}), UnauthorizedError, id="401"),
        pytest.param((403, {}), ForbiddenError, id="403"),
    ],
)
@pytest.mark.parametrize("where", ["status", "result", "history_one"])
def test_what_says_nothing_of_the_job_raises(look: Drive, where: str, answer: Any, error: type[RunwayError]) -> None:
    sayings = {"status": DONE, "result": GONE, "history_one": KNOWN}
    wait = look(**sayings | {where: answer})
    assert type(wait.error) is error


def test_a_worker_may_insist(look: Drive) -> None:
    wait = look(RetryPolicy(attempts=3), status=[(503, b""), (503, b""), DONE], result=[(502, b""), RESULT])
    assert isinstance(wait.value, WaitOutcome)
    assert [name for name, _ in wait.looks] == ["status"] * 3 + ["result"] * 2
