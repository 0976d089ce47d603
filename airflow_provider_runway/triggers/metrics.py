"""Metrics of jobs and of the poller, sent through Airflow's own (StatsD or OpenTelemetry)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_runway.compat import get_stats
from airflow_provider_runway.segmind.numbers_and_times import parse_number

if TYPE_CHECKING:
    from airflow_provider_runway.segmind.jobs import JobSummary


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as docs/poller.md lists it."""

    name: str
    kind: str
    unit: str
    tags: tuple[str, ...]
    description: str


JOBS_WAITING = Metric("runway.jobs_waiting", "gauge", "jobs", ("conn_id",), "jobs that wait in this triggerer")
POLLS = Metric("runway.looks", "counter", "requests", ("conn_id",), "polls: requests for a status or a result")
THROTTLED = Metric("runway.throttled", "counter", "responses", ("conn_id",), "429 responses")
JOBS_COMPLETED = Metric("runway.jobs_completed", "counter", "jobs", ("conn_id", "model"), "jobs that completed")
COST_CENTS = Metric("runway.cost_cents", "counter", "US cents", ("conn_id", "model"), "what they have cost")
LATENESS = Metric(
    "runway.lateness", "timing", "milliseconds", ("conn_id", "model"), "from a job's end until it was seen"
)
HISTORY_PAGES = Metric(
    "runway.history_pages", "counter", "requests", ("conn_id",), "pages of the account's history that were read"
)
JOBS_SETTLED_BY_PAGE = Metric(
    "runway.jobs_settled_by_history", "counter", "jobs", ("conn_id",), "jobs that such a page showed as completed"
)
ALL_METRICS = (
    *(JOBS_WAITING, POLLS, THROTTLED, HISTORY_PAGES, JOBS_SETTLED_BY_PAGE),
    *(JOBS_COMPLETED, COST_CENTS, LATENESS),
)


def set_jobs_waiting(conn_id: str, jobs: int) -> None:
    """Report how many jobs wait in this triggerer."""
    get_stats().gauge(JOBS_WAITING.name, jobs, tags={"conn_id": conn_id})


def count_poll(conn_id: str) -> None:
    """Count a request for a job's status or result."""
    get_stats().incr(POLLS.name, tags={"conn_id": conn_id})


def count_throttled(conn_id: str) -> None:
    """Count a 429 response."""
    get_stats().incr(THROTTLED.name, tags={"conn_id": conn_id})


def count_history_page(conn_id: str) -> None:
    """Count a request for a page of the history."""
    get_stats().incr(HISTORY_PAGES.name, tags={"conn_id": conn_id})


def count_job_settled_by_page(conn_id: str) -> None:
    """Count a job that a page of the history showed as completed."""
    get_stats().incr(JOBS_SETTLED_BY_PAGE.name, tags={"conn_id": conn_id})


def count_completed_job(conn_id: str, summary: JobSummary) -> None:
    """Count a completed job and its cost (in whole cents), and record how late it was seen (in milliseconds).

    Whoever sees the completion first calls this, once a job: the poller; a worker that polls by itself; a batch for a
    row that it reads from the history.
    """
    tags = {"conn_id": conn_id, "model": summary.model or "unknown"}
    get_stats().incr(JOBS_COMPLETED.name, tags=tags)
    if summary.cost:
        get_stats().incr(COST_CENTS.name, round(summary.cost * 100), tags=tags)
    total_s = parse_number((summary.metrics or {}).get("total_time"))
    if total_s is not None and summary.completed_at is not None and summary.submitted_at is not None:
        lateness_s = summary.completed_at - summary.submitted_at - total_s
        get_stats().timing(LATENESS.name, max(lateness_s, 0.0) * 1000, tags=tags)
