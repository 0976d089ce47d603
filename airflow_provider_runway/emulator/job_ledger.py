"""Jobs of the emulator: the life of each, and the ledger of all, with the balance of each account.

QUEUED -> PROCESSING -> COMPLETED or FAILED. A job's whole life is drawn when it is accepted, so its status is
a function of the time, which the caller hands in.
"""

from __future__ import annotations

import json
import math
from bisect import insort
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from .options import mask_key

#: Version of the state file.
FILE_VERSION = 1


class JobStatus(StrEnum):
    """The four statuses that the API documents."""

    QUEUED = "QUEUED"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Job:
    """One accepted job. Times are epoch seconds; ``account`` is the account's first key and is never shown."""

    request_id: str
    call: str
    model: str
    body: dict[str, Any]
    account: str
    submitted_at: float
    queue_s: float
    run_s: float
    cost: float
    seed: int
    sample_file: str
    output_paths: tuple[str, ...]
    output_shape: str = "usual"
    error: str | None = None
    history_lag_s: float = 0.0
    is_expired: bool = False

    @property
    def started_at(self) -> float:
        """When it leaves the queue."""
        return self.submitted_at + self.queue_s

    @property
    def finished_at(self) -> float:
        """When it completes or fails; infinity for a stuck job."""
        return self.started_at + self.run_s

    @property
    def is_billable(self) -> bool:
        """Whether it is billed, now or later: only completed jobs are."""
        return self.error is None and self.finished_at < math.inf

    def get_status(self, now: float) -> JobStatus:
        """Return the status at a time."""
        if now < self.started_at:
            return JobStatus.QUEUED
        if now < self.finished_at:
            return JobStatus.PROCESSING
        return JobStatus.COMPLETED if self.error is None else JobStatus.FAILED

    def has_record(self, now: float, ttl_s: float) -> bool:
        """Tell whether the poll endpoints still know it."""
        return not self.is_expired and now < self.submitted_at + ttl_s


class JobStore:
    """Every accepted job, and the balance of every account.

    :param initial_credits: USD that each account starts with.
    :param file: file that keeps the jobs; None to forget them.
    """

    def __init__(self, initial_credits: float, file: Path | None = None) -> None:
        self.initial_credits = initial_credits
        self.file = file
        #: POSTs to a model, accepted or not.
        self.post_count = 0
        self.jobs: dict[str, Job] = {}
        self._job_by_output: dict[str, str] = {}
        #: account -> (when it is billed, USD), sorted by time
        self._charges: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def add(self, job: Job) -> None:
        """Store an accepted job."""
        self._index_job(job)
        self.save()

    def _index_job(self, job: Job) -> None:
        self.jobs[job.request_id] = job
        self._job_by_output.update(dict.fromkeys(job.output_paths, job.request_id))
        if job.is_billable:
            insort(self._charges[job.account], (job.finished_at, job.cost))

    def list_jobs(self, account: str) -> Iterable[Job]:
        """Return the jobs of an account, oldest first."""
        return (job for job in self.jobs.values() if job.account == account)

    def find_job_by_output(self, path: str) -> Job | None:
        """Return the job that an output path belongs to."""
        return self.jobs.get(self._job_by_output.get(path, ""))

    def get_balance(self, account: str, at: float) -> float:
        """Return an account's balance at a time. Running jobs are not billed yet."""
        charged = sum(cost for billed_at, cost in self._charges[account] if billed_at <= at)
        return round(self.initial_credits - charged, 4)

    def can_afford(self, account: str, cost: float) -> bool:
        """Tell whether the balance covers one more job, with the cost of running jobs set aside."""
        return self.initial_credits - sum(cost for _, cost in self._charges[account]) >= cost

    def advance(self, seconds: float) -> None:
        """Move every job into the past, as if this much time had passed."""
        jobs = [replace(job, submitted_at=job.submitted_at - seconds) for job in self.jobs.values()]
        self.jobs = {}
        self._charges.clear()
        for job in jobs:
            self._index_job(job)
        self.save()

    def expire(self, request_ids: Iterable[str]) -> None:
        """Remove the records of jobs from the poll endpoints. The history keeps them."""
        for request_id in request_ids:
            self.jobs[request_id] = replace(self.jobs[request_id], is_expired=True)
        self.save()

    def save(self) -> None:
        """Write the jobs to the file, if there is one. The file is replaced in one step."""
        if self.file is None:
            return
        content = {
            "version": FILE_VERSION,
            "posts": self.post_count,
            "jobs": [asdict(job) for job in self.jobs.values()],
        }
        new_file = self.file.with_name(f"{self.file.name}.new")
        new_file.write_text(json.dumps(content), encoding="utf-8")
        new_file.replace(self.file)

    def load(self) -> None:
        """Read the jobs from the file, if there is one.

        :raises ValueError: if the file was not written by this emulator.
        """
        if self.file is None or not self.file.exists():
            return
        try:
            content = json.loads(self.file.read_text(encoding="utf-8"))
            if content["version"] != FILE_VERSION:
                raise ValueError(f"version {content['version']!r} is not supported")
            jobs = [Job(**fields | {"output_paths": tuple(fields["output_paths"])}) for fields in content["jobs"]]
            self.post_count = int(content["posts"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{self.file} is not a state file of the emulator: {error}") from None
        for job in jobs:
            self._index_job(job)

    def build_ledger(self, now: float, base_url: str) -> dict[str, Any]:
        """Return ``{"jobs": [...], "posts", "accepted", "billable", "billed_usd"}``."""
        entries = [_build_ledger_entry(job, now, base_url) for job in self.jobs.values()]
        return {
            "posts": self.post_count,
            "accepted": len(entries),
            "billable": sum(entry["billable"] for entry in entries),
            "billed_usd": round(sum(entry["cost"] for entry in entries if entry["billed"]), 2),
            "jobs": entries,
        }


def _build_ledger_entry(job: Job, now: float, base_url: str) -> dict[str, Any]:
    status = job.get_status(now)
    is_completed = status is JobStatus.COMPLETED
    return {
        "request_id": job.request_id,
        "call": job.call,
        "model": job.model,
        "body": job.body,
        "account": mask_key(job.account),
        "submitted_at": job.submitted_at,
        "state": status,
        "billable": job.is_billable,
        "billed": is_completed,
        "cost": job.cost,
        "output_url": base_url + job.output_paths[0] if is_completed and job.output_shape != "none" else None,
    }
