"""State of one wait for a job: what each poll means for it, and what is worth a log line.

Used by the wait in a worker (``poll_until_done``) and by the poller of a triggerer. Time is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_runway.exceptions import NoUsableResponseError, RunwayError, ThrottledError
from airflow_provider_runway.segmind.exchange import LogStep
from airflow_provider_runway.segmind.jobs import JobState, JobStatus, JobSummary
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind, WaitOutcome, stopped_outcome, timed_out_outcome

#: A new record may not be readable yet. A 404 for a job younger than this proves nothing.
RECORD_GRACE_S = 30.0


def may_be_too_new(result: WaitOutcome | JobStatus, started_at: float, now: float) -> bool:
    """Is the record missing, but perhaps only because the job is new?

    :param started_at: when the job was submitted, or the wait began where that is not known (epoch seconds).
    """
    is_missing = isinstance(result, WaitOutcome) and result.kind is OutcomeKind.EXPIRED
    return is_missing and now - started_at < RECORD_GRACE_S


@dataclass(slots=True)
class WaitState:
    """What is remembered between two polls of one job.

    :param started_at: when the job was submitted, or the wait began where that is not known (epoch seconds).
    :param last_status: the last status that was logged.
    :param early_expired: the outcome of a poll that found no record, while the record may only be too new.
    :param is_failing: whether the last poll had no usable response; only the first of several is logged.
    """

    summary: JobSummary
    started_at: float
    last_status: str = ""
    is_failing: bool = False
    early_expired: WaitOutcome | None = None

    def on_status(self, result: WaitOutcome | JobStatus, now: float) -> tuple[WaitOutcome | None, LogStep | None]:
        """Take the result of a poll; return the outcome if the wait is over, and a log line if there is news."""
        if isinstance(result, WaitOutcome):
            if not may_be_too_new(result, self.started_at, now):
                return result, None
            self.early_expired = result
            return None, None
        self.early_expired = None
        self.is_failing = False
        if result.raw_status == self.last_status:
            return None, None
        self.last_status = result.raw_status
        line = f"Job {self.summary.request_id}: {result.raw_status}"
        if result.state is JobState.UNKNOWN:
            return None, LogStep(f"{line} is not a documented status. Polling goes on.", problem=True)
        return None, LogStep(line)

    def on_deadline(self) -> WaitOutcome:
        """Return the outcome where the deadline passed: the job goes on, unless all that is known of it is a 404."""
        if self.early_expired is not None and self.summary.submitted_at is None:
            return self.early_expired
        return timed_out_outcome(self.summary)

    def on_error(self, error: RunwayError, now: float) -> tuple[WaitOutcome | None, LogStep | None, float]:
        """Take the error of a poll; return the outcome, a log line, and the seconds to pause before the next poll.

        429, 5xx, connection resets, HTML and truncated bodies never end a wait. A refusal does.
        """
        if not isinstance(error, NoUsableResponseError):
            return stopped_outcome(self.summary, error), None, 0.0
        pause_s = 0.0
        if isinstance(error, ThrottledError) and error.reset_at is not None:
            pause_s = max(error.reset_at - now, 0.0)
        is_first, self.is_failing = not self.is_failing, True
        line = f"Job {self.summary.request_id}: {error} Polling goes on until the deadline."
        return None, LogStep(line, problem=True) if is_first else None, pause_s
