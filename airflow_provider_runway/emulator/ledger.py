"""The book of jobs: who asked for what, how it ends, and what that costs. Time is handed in."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from .jobs import Job, State
from .settings import mask


class Ledger:
    """Every job that was accepted, and every account's balance.

    :param opening_credits: USD that each account begins with.
    """

    def __init__(self, opening_credits: float) -> None:
        self.opening_credits = opening_credits
        #: POSTs that came to a model, accepted or not.
        self.posts = 0
        self.jobs: dict[str, Job] = {}
        self._by_output: dict[str, str] = {}
        #: account -> (when it is billed, how much), in the order of time
        self._bills: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def enter(self, job: Job) -> None:
        """Write down an accepted job."""
        self.jobs[job.request_id] = job
        self._by_output.update(dict.fromkeys(job.outputs, job.request_id))
        if job.billable:
            insort(self._bills[job.account], (job.ends_at, job.cost))

    def of_account(self, account: str) -> Iterable[Job]:
        """Return the jobs of an account, the oldest first."""
        return (job for job in self.jobs.values() if job.account == account)

    def of_output(self, path: str) -> Job | None:
        """Return the job that an output's path belongs to."""
        return self.jobs.get(self._by_output.get(path, ""))

    def balance(self, account: str, at: float) -> float:
        """Return what an account has left at an instant: running jobs are not billed yet."""
        spent = sum(cost for when, cost in self._bills[account] if when <= at)
        return round(self.opening_credits - spent, 4)

    def affords(self, account: str, cost: float) -> bool:
        """Tell whether a job can be taken: what running jobs are going to cost is held back."""
        return self.opening_credits - sum(cost for _, cost in self._bills[account]) >= cost

    def age(self, seconds: float) -> None:
        """Let time pass: move every job into the past."""
        self._move({key: replace(job, submitted_at=job.submitted_at - seconds) for key, job in self.jobs.items()})

    def expire(self, request_ids: Iterable[str]) -> None:
        """Make the poll endpoints forget jobs. The history keeps them."""
        for request_id in request_ids:
            self.jobs[request_id] = replace(self.jobs[request_id], expired=True)

    def _move(self, jobs: dict[str, Job]) -> None:
        self.jobs = {}
        self._bills.clear()
        for job in jobs.values():
            self.enter(job)

    def as_dict(self, now: float, base: str) -> dict[str, Any]:
        """Return ``{"jobs": [...], "posts", "accepted", "billable", "billed_usd"}``."""
        entries = [_entry(job, now, base) for job in self.jobs.values()]
        return {
            "posts": self.posts,
            "accepted": len(entries),
            "billable": sum(entry["billable"] for entry in entries),
            "billed_usd": round(sum(entry["cost"] for entry in entries if entry["billed"]), 2),
            "jobs": entries,
        }


def _entry(job: Job, now: float, base: str) -> dict[str, Any]:
    state = job.state_at(now)
    done = state is State.COMPLETED
    return {
        "request_id": job.request_id,
        "call": job.call,
        "model": job.model,
        "body": job.body,
        "account": mask(job.account),
        "submitted_at": job.submitted_at,
        "state": state,
        "billable": job.billable,
        "billed": done,
        "cost": job.cost,
        "output_url": base + job.outputs[0] if done and job.shape != "none" else None,
    }
