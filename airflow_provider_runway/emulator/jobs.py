"""The life of a job as a function of time: no clock, no dice of its own, no HTTP.

QUEUED -> PROCESSING -> COMPLETED or FAILED. How a job will end is settled when it is made.
"""

from __future__ import annotations

import math
import random
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .catalogue import CONTENT_BLOCK, Model, clip_for, cost_usd, flaw_in
from .faults import Rule

#: Spread of the latencies: sigma of a log-normal with the documented mean, so a long tail but no negative times.
SPREAD = 0.22
#: The share of a job's time that it waits in the queue.
QUEUE_SHARE = 0.12
#: A job that fails over its inputs does so early: this share of the latency.
FLAW_SHARE = 0.15


class State(StrEnum):
    """The four states that the API documents."""

    QUEUED = "QUEUED"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Job:
    """One accepted job. Instants are epoch seconds; ``account`` is the key that opens it and is never shown."""

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
    outputs: tuple[str, ...]
    shape: str = "usual"
    error: str | None = None
    history_lag_s: float = 0.0
    expired: bool = False

    @property
    def started_at(self) -> float:
        """When a worker takes it."""
        return self.submitted_at + self.queue_s

    @property
    def ends_at(self) -> float:
        """When it is done, well or not; infinity for a job that sticks."""
        return self.started_at + self.run_s

    @property
    def billable(self) -> bool:
        """Whether it is billed, now or once it is done: only completed jobs are."""
        return self.error is None and self.ends_at < math.inf

    def state_at(self, now: float) -> State:
        """Return the state at an instant."""
        if now < self.started_at:
            return State.QUEUED
        if now < self.ends_at:
            return State.PROCESSING
        return State.COMPLETED if self.error is None else State.FAILED

    def known_at(self, now: float, ttl_s: float) -> bool:
        """Tell whether the poll endpoints still have its record."""
        return not self.expired and now < self.submitted_at + ttl_s


def make_job(
    *,
    call: str,
    model: Model,
    body: dict[str, Any],
    account: str,
    now: float,
    dice: random.Random,
    time_scale: float,
    lag_range_s: tuple[float, float],
    traits: tuple[Rule, ...] = (),
) -> Job:
    """Return a new job, its whole life drawn from the dice and bent by the fault rules that hit its POST."""
    mean_s = model.mean_latency_s * time_scale
    latency_s = mean_s * dice.lognormvariate(-SPREAD * SPREAD / 2, SPREAD)
    lag_s = dice.uniform(*lag_range_s)
    seed = dice.randint(1, 99999)  # always drawn, so that a body with a seed does not shift what follows
    error = flaw_in(model, body)
    if error is not None:
        latency_s *= FLAW_SHARE
    shape, count = "usual", 1
    sticks = ""
    for rule in traits:
        match rule.fault:
            case "job_fails":
                error = str(rule.params["error"])
            case "content_block":
                error = CONTENT_BLOCK
            case "job_sticks":
                sticks = str(rule.params["state"])
            case "job_latency":
                latency_s = float(rule.params["seconds"])
            case "history_late":
                lag_s = float(rule.params["seconds"])
            case "lost_output":
                shape = "none"
            case "output_shape":
                shape, count = str(rule.params["shape"]), int(rule.params["count"])
    queue_s = math.inf if sticks == State.QUEUED else latency_s * QUEUE_SHARE
    run_s = math.inf if sticks else latency_s - queue_s
    given = str(body.get("seed"))
    return Job(
        request_id=str(uuid.uuid4()),  # not from the dice: a restarted emulator must not hand out old ids again
        call=call,
        model=model.slug,
        body=body,
        account=account,
        submitted_at=now,
        queue_s=queue_s,
        run_s=run_s,
        cost=cost_usd(body),
        seed=int(given) if given.isdecimal() else seed,
        clip=clip_for(body),
        outputs=tuple(f"/outputs/{uuid.uuid4()}.mp4" for _ in range(max(1, count))),
        shape=shape,
        error=error,
        history_lag_s=lag_s,
    )
