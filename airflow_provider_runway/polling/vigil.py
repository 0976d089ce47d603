"""What one look means for a job that is waited for: is it the end, or go on, and what is worth a line of log.

Shared by the wait in a worker (``look.watch``) and the poller of a triggerer. Time is handed in.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_runway.exceptions import RunwayError, Throttled, Unanswered
from airflow_provider_runway.segmind.ending import Ending, Outcome, broken_off
from airflow_provider_runway.segmind.flow import Tell
from airflow_provider_runway.segmind.jobs import JobState, JobStatus
from airflow_provider_runway.segmind.report import JobReport

#: A record that was just made may not be readable yet; younger than this, a 404 proves nothing.
NEWBORN_S = 30.0


@dataclass(slots=True)
class Vigil:
    """The memory of a wait. ``born`` is the submission, as far as it is known, in epoch seconds.

    ``lines`` collects what to write into the task's log: one for each change of state, and one for the
    first of several looks in a row that had no usable answer.
    """

    report: JobReport
    born: float
    seen: str = ""
    failing: bool = False

    def judge(self, looked: Ending | JobStatus, now: float) -> tuple[Ending | None, Tell | None]:
        """Return the ending, if this is one, and a line, if there is something to say."""
        if isinstance(looked, Ending):
            known_birth = self.report.submitted_at is not None
            newborn = looked.outcome is Outcome.EXPIRED and known_birth and now - self.born < NEWBORN_S
            return (None if newborn else looked), None
        self.failing = False
        if looked.word == self.seen:
            return None, None
        self.seen = looked.word
        if looked.state is JobState.UNKNOWN:
            line = f"Job {self.report.request_id}: {looked.word}, which is no documented state; looking again"
            return None, Tell(line, problem=True)
        return None, Tell(f"Job {self.report.request_id}: {looked.word}")

    def stumble(self, problem: RunwayError, now: float) -> tuple[Ending | None, Tell | None, float]:
        """Return what a look without an answer means, and the seconds of silence that the API asked for.

        429, 5xx, resets, HTML and cut bodies never end a wait; a refusal does.
        """
        if not isinstance(problem, Unanswered):
            return broken_off(self.report, problem), None, 0.0
        floor_s = 0.0
        if isinstance(problem, Throttled) and problem.reset_at is not None:
            floor_s = max(problem.reset_at - now, 0.0)
        first, self.failing = not self.failing, True
        line = f"Job {self.report.request_id}: {problem} Looking again until the deadline."
        return None, Tell(line, problem=True) if first else None, floor_s
