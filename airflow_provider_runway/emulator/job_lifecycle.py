"""Life of a job: its status, cost and random times.

QUEUED -> PROCESSING -> COMPLETED or FAILED. A job's whole life is drawn when it is accepted, so its status is
a function of the time, which the caller hands in.
"""

from __future__ import annotations

import math
import random
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .fault_rules import FaultRule
from .model_rules import CONTENT_BLOCK_ERROR, ModelRules, choose_sample_file, compute_cost_usd, find_invalid_input

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


def make_job(
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
    shape, count = "plain" if rules.makes_image else "usual", 1
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
    suffix = ".png" if rules.makes_image else ".mp4"
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
        cost=compute_cost_usd(rules, body),
        seed=int(requested_seed) if requested_seed.isdecimal() else seed,
        sample_file=choose_sample_file(rules, body),
        output_paths=tuple(f"/outputs/{uuid.uuid4()}{suffix}" for _ in range(max(1, count))),
        output_shape=shape,
        error=error,
        history_lag_s=lag_s,
    )
