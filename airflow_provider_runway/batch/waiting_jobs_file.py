"""The jobs that a batch waits for, in a file that its worker writes and its trigger reads.

A thousand ids are too much for a deferral, which Airflow keeps in its database and shows in its pages.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from airflow_provider_runway.batch.atomic_record_files import RecordFolder
from airflow_provider_runway.batch.row_state import RowState, parse_lines
from airflow_provider_runway.exceptions import NoUsableResponseError
from airflow_provider_runway.segmind.jobs import JobSummary

FILE_NAME = "waiting.json"


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A row's job that has not ended. :param deadline: epoch seconds after which it is not waited for any more."""

    custom_id: str
    request_id: str
    model: str
    submitted_at: float
    deadline: float

    def to_summary(self) -> JobSummary:
        """Return the job as the poller takes it."""
        return JobSummary(self.request_id, model=self.model, submitted_at=self.submitted_at)


def write_waiting_jobs(folder: RecordFolder, jobs: Iterable[WaitingJob]) -> None:
    """Write the file in one step.

    :raises NoUsableResponseError: the storage did not take it.
    """
    rows = [[getattr(job, name) for name in WaitingJob.__slots__] for job in jobs]
    folder.write(FILE_NAME, json.dumps(rows).encode())


def read_waiting_jobs(folder: RecordFolder, outcomes_file: str) -> list[WaitingJob]:
    """Return the jobs whose end is not written down yet.

    :param outcomes_file: where a trigger that was restarted has written the outcomes that it saw.
    :raises NoUsableResponseError: the storage did not respond, or there is no such file.
    """
    data = folder.read(FILE_NAME)
    if data is None:
        raise NoUsableResponseError(f"The batch's journal in {folder.folder} has no {FILE_NAME}.")
    try:
        jobs = [WaitingJob(*row) for row in json.loads(data)]
        ended = {
            record["outcome"]["request_id"]
            for record in parse_lines(folder.read(outcomes_file) or b"")
            if "outcome" in record
        }
    except (ValueError, TypeError, KeyError) as problem:
        raise NoUsableResponseError(f"{FILE_NAME} in {folder.folder} cannot be read: {problem!r}.") from None
    return [job for job in jobs if job.request_id not in ended]


def make_waiting_job(custom_id: str, state: RowState, timeout_s: float) -> WaitingJob:
    """Return the job of a row that was submitted.

    :param timeout_s: seconds from the submission.
    :raises LookupError: the row's job has no id.
    """
    entry = state.entry
    if entry is None or entry.request_id is None:
        raise LookupError(f"{custom_id} waits for a job whose id was not written down")
    return WaitingJob(custom_id, entry.request_id, entry.model, entry.sent_at, entry.sent_at + timeout_s)
