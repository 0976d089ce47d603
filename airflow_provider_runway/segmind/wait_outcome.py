"""How the wait for a job ended: completed, failed, timed out or stopped. It travels as the trigger's event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airflow_provider_runway.exceptions import (
    BadConnectionError,
    ContentBlockedError,
    JobFailedError,
    OutputMissingError,
    RecordExpiredError,
    RunwayError,
    WaitTimeoutError,
    list_error_classes,
    omit_nothing_was_sent,
)
from airflow_provider_runway.segmind.billing_advice import describe_running_job
from airflow_provider_runway.segmind.error_mapping import is_content_block_error
from airflow_provider_runway.segmind.jobs import JobSummary

_ERRORS_BY_CODE = {error.code: error for error in list_error_classes()}


class OutcomeKind(StrEnum):
    """How a wait ended: the ``status`` of the trigger's event."""

    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    EXPIRED = "expired"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class WaitOutcome:
    """The outcome of a wait. ``error`` is a sentence for people, ``code`` names its error class."""

    kind: OutcomeKind
    job: JobSummary
    error: str | None = None
    code: str | None = None

    def to_event(self) -> dict[str, Any]:
        """Return the trigger's event: JSON types only, and nothing secret, for Airflow logs it whole."""
        return {
            "status": self.kind.value,
            "request_id": self.job.request_id,
            "job": {**self.job.to_json(), "code": self.code},
            "error": self.error,
        }

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> WaitOutcome:
        """Return the outcome that :meth:`to_event` wrote.

        :raises ValueError: it is not an event of this package.
        """
        try:
            return cls(
                kind=OutcomeKind(event["status"]),
                job=JobSummary.from_json(event["job"]),
                error=event["error"],
                code=event["job"].get("code"),
            )
        except (KeyError, TypeError, AttributeError) as problem:
            raise ValueError(f"this is not an event of a RunwayJobTrigger: {problem!r} in {event!r:.200}") from None

    def to_error(self) -> RunwayError | None:
        """Return the error that this outcome means; None for a completed job."""
        if self.kind is OutcomeKind.COMPLETED:
            return None
        error = _ERRORS_BY_CODE.get(self.code or "", RunwayError)
        return error(self.error or "no reason given", request_id=self.job.request_id)


def failed_outcome(job: JobSummary, reason: str | None) -> WaitOutcome:
    """Return the outcome for a job that the API calls FAILED."""
    is_blocked = is_content_block_error(reason)
    advice = (
        "The same prompt and image would be refused again: change them."
        if is_blocked
        else "A retry of the task that submitted it submits a new job."
    )
    error = ContentBlockedError if is_blocked else JobFailedError
    text = f"Job {job.request_id} failed: {reason or 'no reason given'}. It is not billed. {advice}"
    return WaitOutcome(OutcomeKind.FAILED, job, text, error.code)


def expired_outcome(job: JobSummary) -> WaitOutcome:
    """Return the outcome for a job that neither the records nor the history know."""
    text = (
        f"Job {job.request_id}: Segmind has no record of it, and this account's history has no row of it. If it did "
        "complete, it is billed. Records live for one hour. Check the request id, and that the connection's key "
        "belongs to the account that submitted it."
    )
    return WaitOutcome(OutcomeKind.EXPIRED, job, text, RecordExpiredError.code)


def missing_output_outcome(job: JobSummary) -> WaitOutcome:
    """Return the outcome for a job that completed and shows no output anywhere."""
    text = (
        f"Job {job.request_id} completed without an output, neither in its record nor in the history. It is billed. "
        "Ask Segmind's support about this id."
    )
    return WaitOutcome(OutcomeKind.FAILED, job, text, OutputMissingError.code)


def timed_out_outcome(job: JobSummary) -> WaitOutcome:
    """Return the outcome of a wait whose deadline passed while the job was running."""
    text = describe_running_job(job.request_id, job.submitted_at, "the deadline passed before it ended")
    text += (
        " To wait longer, raise the timeout; the operator's counts from the submission, the sensor's from its start."
    )
    return WaitOutcome(OutcomeKind.TIMEOUT, job, text, WaitTimeoutError.code)


def stopped_outcome(job: JobSummary, error: RunwayError) -> WaitOutcome:
    """Return the outcome of a wait that an error stopped. The job, if there is one, goes on."""
    why = f"polling stopped: {omit_nothing_was_sent(error)}"
    text = describe_running_job(job.request_id, job.submitted_at, why)
    if isinstance(error, BadConnectionError):
        text += " Or correct the connection and clear the task, which resumes the job."
    return WaitOutcome(OutcomeKind.ERROR, job, text, error.code)
