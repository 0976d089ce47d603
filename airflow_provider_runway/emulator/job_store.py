"""Jobs and their store: the life of each accepted job, and what each account was billed.

QUEUED -> PROCESSING -> COMPLETED or FAILED. A job's whole life is drawn when it is accepted, so its status is
a function of the time, which the caller hands in.
"""

from __future__ import annotations

import math
import random
import uuid
from bisect import insort
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from .fault_rules import FaultRule
from .model_rules import CONTENT_BLOCK_ERROR, ModelRules, choose_clip, compute_cost_usd, find_invalid_input
from .options import mask_key

#: Sigma of the log-normal latency; its mean is the documented one.
LATENCY_SIGMA = 0.22
#: Share of its latency that a job waits in the queue.
QUEUE_SHARE = 0.12
#: A job with invalid input fails early, after this share of its latency.
INVALID_INPUT_SHARE = 0.15


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
    clip: str
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


def draw_job(
    *,
    call: str,
    rules: ModelRules,
    body: dict[str, Any],
    account: str,
    now: float,
    rng: random.Random,
    time_scale: float,
    lag_range_s: tuple[float, float],
    faults: tuple[FaultRule, ...] = (),
) -> Job:
    """Return a new job with randomly drawn times, changed by the fault rules that apply to it."""
    latency_s = (
        rules.mean_latency_s * time_scale * rng.lognormvariate(-LATENCY_SIGMA * LATENCY_SIGMA / 2, LATENCY_SIGMA)
    )
    lag_s = rng.uniform(*lag_range_s)
    seed = rng.randint(1, 99999)  # always drawn, so that a body with a seed does not change later draws
    error = find_invalid_input(rules, body)
    if error is not None:
        latency_s *= INVALID_INPUT_SHARE
    shape, count = "usual", 1
    stuck_status = ""
    for rule in faults:
        match rule.fault:
            case "job_fails":
                error = str(rule.params["error"])
            case "content_block":
                error = CONTENT_BLOCK_ERROR
            case "job_sticks":
                stuck_status = str(rule.params["state"])
            case "job_latency":
                latency_s = float(rule.params["seconds"])
            case "history_late":
                lag_s = float(rule.params["seconds"])
            case "lost_output":
                shape = "none"
            case "output_shape":
                shape, count = str(rule.params["shape"]), int(rule.params["count"])
    queue_s = math.inf if stuck_status == JobStatus.QUEUED else latency_s * QUEUE_SHARE
    run_s = math.inf if stuck_status else latency_s - queue_s
    requested_seed = str(body.get("seed"))
    return Job(
        request_id=str(uuid.uuid4()),  # not from `rng`: a restarted emulator must not repeat request ids
        call=call,
        model=rules.slug,
        body=body,
        account=account,
        submitted_at=now,
        queue_s=queue_s,
        run_s=run_s,
        cost=compute_cost_usd(body),
        seed=int(requested_seed) if requested_seed.isdecimal() else seed,
        clip=choose_clip(body),
        output_paths=tuple(f"/outputs/{uuid.uuid4()}.mp4" for _ in range(max(1, count))),
        output_shape=shape,
        error=error,
        history_lag_s=lag_s,
    )


class JobStore:
    """Every accepted job, and the balance of every account.

    :param initial_credits: USD that each account starts with.
    """

    def __init__(self, initial_credits: float) -> None:
        self.initial_credits = initial_credits
        #: POSTs to a model, accepted or not.
        self.post_count = 0
        self.jobs: dict[str, Job] = {}
        self._job_by_output: dict[str, str] = {}
        #: account -> (when it is billed, USD), sorted by time
        self._charges: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def add(self, job: Job) -> None:
        """Store an accepted job."""
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
            self.add(job)

    def expire(self, request_ids: Iterable[str]) -> None:
        """Remove the records of jobs from the poll endpoints. The history keeps them."""
        for request_id in request_ids:
            self.jobs[request_id] = replace(self.jobs[request_id], is_expired=True)

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
