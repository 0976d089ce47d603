"""The estimate: how many jobs there are, at which prices, and what they will cost together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_runway.segmind.models import find_price_usd
from airflow_provider_runway.spending.amounts import format_usd, is_over


@dataclass(frozen=True, slots=True)
class PricedJob:
    """A job before its submit. ``price_usd`` is None where the model registry has no price for it."""

    model: str
    price_usd: float | None

    @classmethod
    def from_body(cls, model: str, body: Mapping[str, Any]) -> PricedJob:
        """Return the job with the price of its model for the fields of its body."""
        return cls(model, find_price_usd(model, body))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What some jobs will cost together, before any of them is submitted: equal jobs, and how many of them."""

    counts: Mapping[PricedJob, int]

    @classmethod
    def of(cls, jobs: Iterable[PricedJob]) -> Estimate:
        """Return the estimate of these jobs."""
        return cls(Counter(jobs))

    @property
    def job_count(self) -> int:
        """The number of jobs."""
        return sum(self.counts.values())

    @property
    def total_usd(self) -> float | None:
        """The cost of all jobs; None where one of them has no price."""
        costs = [job.price_usd * count for job, count in self.counts.items() if job.price_usd is not None]
        return sum(costs) if len(costs) == len(self.counts) else None

    @property
    def models_without_price(self) -> list[str]:
        """The models whose price is not known, each once."""
        return sorted({job.model for job in self.counts if job.price_usd is None})

    def describe(self) -> str:
        """Return the estimate as part of a log line: each number of jobs with its price, and the sum."""
        parts = [
            f"{_count_jobs(count)} x {'no known price' if job.price_usd is None else format_usd(job.price_usd)} "
            f"({job.model})"
            for job, count in self.counts.items()
        ]
        total = "not known" if self.total_usd is None else format_usd(self.total_usd)
        return f"{' + '.join(parts) or _count_jobs(0)} = {total}"

    def to_xcom(self, cost_limit_usd: float | None = None) -> dict[str, Any]:
        """Return the estimate as a task with ``estimate_only`` returns it: plain JSON, small for any number of jobs.

        :param cost_limit_usd: the task's ``cost_limit``.
        """
        total_usd = self.total_usd
        models: dict[str, dict[str, Any]] = {}
        for job, count in self.counts.items():
            row = models.setdefault(job.model, {"job_count": 0, "estimated_cost": 0.0})
            row["job_count"] += count
            if row["estimated_cost"] is None or job.price_usd is None:
                row["estimated_cost"] = None
            else:
                row["estimated_cost"] = round(row["estimated_cost"] + job.price_usd * count, 6)
        has_verdict = cost_limit_usd is not None and total_usd is not None
        return {
            "job_count": self.job_count,
            "estimated_cost": None if total_usd is None else round(total_usd, 6),
            "currency": "USD",
            "models": models,
            "cost_limit": cost_limit_usd,
            "fits_cost_limit": not is_over(total_usd, cost_limit_usd) if has_verdict else None,  # type: ignore[arg-type]
        }


def _count_jobs(count: int) -> str:
    return f"{count} job" if count == 1 else f"{count} jobs"
