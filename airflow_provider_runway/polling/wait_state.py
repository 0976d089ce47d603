"""What one look means for a job that is waited for: is it the end, or go on, and what is worth a line of log.

Shared by the wait in a worker (``look.poll_until_done``) and the poller of a triggerer. Time is handed in.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_runway.exceptions import NoUsableResponseError, RunwayError, ThrottledError
from airflow_provider_runway.segmind.exchange import LogLine
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.jobs import JobState, JobStatus
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind, WaitOutcome, stopped_outcome

#: A record that was just made may not be readable yet; younger than this, a 404 proves nothing.
NEWBORN_S = 30.0


@dataclass(slots=True)
class WaitState:
    """The memory of a wait. ``born`` is the submission, as far as it is known, in epoch seconds.

    ``lines`` collects what to write into the task's log: one for each change of state, and one for the
    first of several looks in a row that had no usable answer.
    """

    report: JobSummary
    born: float
    seen: str = ""
    failing: bool = False

    def judge(self, looked: WaitOutcome | JobStatus, now: float) -> tuple[WaitOutcome | None, LogLine | None]:
        """Return the ending, if this is one, and a line, if there is something to say."""
        if isinstance(looked, WaitOutcome):
            known_birth = self.report.submitted_at is not None
            newborn = looked.kind is OutcomeKind.EXPIRED and known_birth and now - self.born < NEWBORN_S
            return (None if newborn else looked), None
        self.failing = False
        if looked.raw_status == self.seen:
            return None, None
        self.seen = looked.raw_status
        if looked.state is JobState.UNKNOWN:
            line = f"Job {self.report.request_id}: {looked.raw_status}, which is no documented state; looking again"
            return None, LogLine(line, problem=True)
        return None, LogLine(f"Job {self.report.request_id}: {looked.raw_status}")

    def stumble(self, problem: RunwayError, now: float) -> tuple[WaitOutcome | None, LogLine | None, float]:
        """Return what a look without an answer means, and the seconds of silence that the API asked for.

        429, 5xx, resets, HTML and cut bodies never end a wait; a refusal does.
        """
        if not isinstance(problem, NoUsableResponseError):
            return stopped_outcome(self.report, problem), None, 0.0
        floor_s = 0.0
        if isinstance(problem, ThrottledError) and problem.reset_at is not None:
            floor_s = max(problem.reset_at - now, 0.0)
        first, self.failing = not self.failing, True
        line = f"Job {self.report.request_id}: {problem} Looking again until the deadline."
        return None, LogLine(line, problem=True) if first else None, floor_s
