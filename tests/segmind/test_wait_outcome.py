"""Each outcome of a wait comes back from its event as the same outcome and the same error."""

from __future__ import annotations

import json

import pytest

from airflow_provider_runway.exceptions import (
    ContentBlockedError,
    JobFailedError,
    OutputMissingError,
    RecordExpiredError,
    RunwayError,
    ThrottledError,
    WaitTimeoutError,
    list_error_classes,
)
from airflow_provider_runway.segmind.jobs import JobSummary
from airflow_provider_runway.segmind.wait_outcome import (
    OutcomeKind,
    WaitOutcome,
    expired_outcome,
    failed_outcome,
    missing_output_outcome,
    stopped_outcome,
    timed_out_outcome,
)

JOB = JobSummary("r-1", model="runway-gen3-alphaturbo", seed=7, submitted_at=1_800_000_000.0)
COMPLETED = WaitOutcome(OutcomeKind.COMPLETED, JOB)
UNTIL, RESUME = "2027-01-15T09:00:00+00:00", 'RunwayJobSensor(request_id="r-1")'

#: outcome, status of the event, class of the error, and what the error says beside the job's id.
OUTCOMES = [
    pytest.param(COMPLETED, "completed", None, [], id="completed"),
    pytest.param(
        failed_outcome(JOB, "out of memory"),
        "failed",
        JobFailedError,
        ["out of memory", "not billed", "submits a new job"],
        id="failed",
    ),
    pytest.param(
        failed_outcome(JOB, "RAI content block"),
        "failed",
        ContentBlockedError,
        ["RAI content block", "not billed", "change them"],
        id="content block",
    ),
    pytest.param(
        missing_output_outcome(JOB), "failed", OutputMissingError, ["It is billed", "support"], id="no output"
    ),
    pytest.param(expired_outcome(JOB), "expired", RecordExpiredError, ["is billed", "request id"], id="expired"),
    pytest.param(timed_out_outcome(JOB), "timeout", WaitTimeoutError, ["is billed", UNTIL, RESUME], id="timeout"),
    pytest.param(
        stopped_outcome(JOB, ThrottledError("slow down.", reset_at=1.0)),
        "error",
        ThrottledError,
        ["polling stopped: slow down", "is billed", UNTIL, RESUME],
        id="stopped",
    ),
]


@pytest.mark.parametrize(("outcome", "status", "error", "words"), OUTCOMES)
def test_an_outcome_comes_back_from_its_event(
    outcome: WaitOutcome, status: str, error: type[RunwayError] | None, words: list[str]
) -> None:
    event = json.loads(json.dumps(outcome.to_event()))
    assert event == outcome.to_event()
    assert set(event) == {"status", "request_id", "job", "error"}
    assert (event["status"], event["request_id"]) == (status, "r-1")
    back = WaitOutcome.from_event(event)
    assert back.to_event() == event
    raised = back.to_error()
    assert type(raised) is (error or type(None))
    if raised is not None:
        assert raised.facts["request_id"] == "r-1"
        assert [word for word in ["r-1", *words] if word not in str(raised)] == []
        assert ".." not in str(raised)


def test_every_kind_of_outcome_is_in_the_table() -> None:
    assert {row.values[1] for row in OUTCOMES} == {kind.value for kind in OutcomeKind}  # type: ignore[index]


def test_anything_else_is_not_an_event(subtests: pytest.Subtests) -> None:
    for event in (None, "done", {}, {"status": "completed"}, {"status": "done"}):
        with (
            subtests.test(event=event),
            pytest.raises(ValueError, match=r"not an event of a RunwayJobTrigger|not a valid Outcome"),
        ):
            WaitOutcome.from_event(event)


def test_an_event_with_half_a_job_is_not_an_event() -> None:
    with pytest.raises(ValueError, match="RunwayJobTrigger"):
        WaitOutcome.from_event(COMPLETED.to_event() | {"job": {"request_id": "r-1"}})


def test_a_code_of_another_version_is_still_an_error() -> None:
    event = failed_outcome(JOB, "x").to_event()
    raised = WaitOutcome.from_event(event | {"job": event["job"] | {"code": "of_the_future"}}).to_error()
    assert type(raised) is RunwayError


def test_every_error_comes_back_by_its_code() -> None:
    for error in list_error_classes():
        raised = WaitOutcome.from_event(stopped_outcome(JOB, error("x")).to_event()).to_error()
        assert type(raised) is error
