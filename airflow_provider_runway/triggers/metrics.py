"""What the poller tells Airflow's own metrics (StatsD or OpenTelemetry). docs/poller.md lists the names and units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_runway.compat import get_stats

if TYPE_CHECKING:
    from airflow_provider_runway.segmind.job_summary import JobSummary


def waiting(conn_id: str, jobs: int) -> None:
    """Jobs that wait in this triggerer."""
    get_stats().gauge("runway.jobs_waiting", jobs, tags={"conn_id": conn_id})


def looked(conn_id: str) -> None:
    """One request for a job's status or result."""
    get_stats().incr("runway.looks", tags={"conn_id": conn_id})


def throttled(conn_id: str) -> None:
    """One 429."""
    get_stats().incr("runway.throttled", tags={"conn_id": conn_id})


def completed(conn_id: str, report: JobSummary, total_s: float | None) -> None:
    """A job's end: how late it was seen (milliseconds), and what it cost (cents, for counters count whole things)."""
    tags = {"conn_id": conn_id, "model": report.model or "unknown"}
    get_stats().incr("runway.jobs_completed", tags=tags)
    if report.cost:
        get_stats().incr("runway.cost_cents", round(report.cost * 100), tags=tags)
    if total_s is not None and report.completed_at is not None and report.submitted_at is not None:
        late_s = report.completed_at - report.submitted_at - total_s
        get_stats().timing("runway.lateness", max(late_s, 0.0) * 1000, tags=tags)
