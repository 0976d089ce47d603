"""How a job ended, or why the looking ended: what travels from a look to the task that waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airflow_provider_runway.exceptions import (
    ContentBlockedError,
    JobFailedError,
    OutputMissingError,
    RecordExpiredError,
    RunwayError,
    WaitTimeoutError,
    list_error_classes,
)
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.jobs import is_content_block_error
from airflow_provider_runway.segmind.user_messages import job_still_running

_BY_CODE = {error.code: error for error in list_error_classes()}


class OutcomeKind(StrEnum):
    """The event's ``status``."""

    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    EXPIRED = "expired"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class WaitOutcome:
    """The end of a wait. ``error`` is a sentence for people, ``code`` that of its error class."""

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
        """Return the ending that :meth:`to_event` wrote.

        :raises ValueError: the event is not one of ours.
        """
        try:
            return cls(
                kind=OutcomeKind(event["status"]),
                job=JobSummary.from_json(event["job"]),
                error=event["error"],
                code=event["job"].get("code"),
            )
        except (KeyError, TypeError, AttributeError) as problem:
            raise ValueError(f"this is no event of a RunwayJobTrigger: {problem!r} in {event!r:.200}") from None

    def to_error(self) -> RunwayError | None:
        """Return the error that this ending means; None for a completed job."""
        if self.kind is OutcomeKind.COMPLETED:
            return None
        kind = _BY_CODE.get(self.code or "", RunwayError)
        return kind(self.error or "no reason given", request_id=self.job.request_id)


def failed_outcome(report: JobSummary, reason: str | None) -> WaitOutcome:
    """Return the ending of a job that the API calls FAILED."""
    kind = ContentBlockedError if is_content_block_error(reason) else JobFailedError
    advice = (
        "The same prompt and image would be refused again: change them."
        if kind is ContentBlockedError
        else "A retry of the task that generates it submits a new job."
    )
    text = f"Job {report.request_id} failed: {reason or 'no reason given'}. It is not billed. {advice}"
    return WaitOutcome(OutcomeKind.FAILED, report, text, kind.code)


def expired_outcome(report: JobSummary) -> WaitOutcome:
    """Return the ending of a job that neither the records nor the history know."""
    text = (
        f"Job {report.request_id}: Segmind has no record of it (they live for one hour), and this account's history "
        "has no row of it. Check the request id, and that the connection's key belongs to the account that "
        "submitted it. If it did run, it is billed."
    )
    return WaitOutcome(OutcomeKind.EXPIRED, report, text, RecordExpiredError.code)


def missing_output_outcome(report: JobSummary) -> WaitOutcome:
    """Return the ending of a job that completed and shows no output anywhere."""
    text = (
        f"Job {report.request_id} completed without an output, neither in its record nor in the history. It is billed: "
        "ask Segmind's support about this id."
    )
    return WaitOutcome(OutcomeKind.FAILED, report, text, OutputMissingError.code)


def timed_out_outcome(report: JobSummary) -> WaitOutcome:
    """Return the ending of a wait whose deadline passed while the job was alive."""
    text = job_still_running(report.request_id, report.submitted_at, "the deadline passed before it ended")
    text += (
        " To wait longer, raise the timeout; the operator's counts from the submission, the sensor's from its start."
    )
    return WaitOutcome(OutcomeKind.TIMEOUT, report, text, WaitTimeoutError.code)


def stopped_outcome(report: JobSummary, error: RunwayError) -> WaitOutcome:
    """Return the ending of a wait that an error broke off; the job, if there is one, goes on."""
    text = job_still_running(report.request_id, report.submitted_at, f"the looking broke off: {error}")
    return WaitOutcome(OutcomeKind.ERROR, report, text, error.code)
