"""What the poller tells Airflow's own metrics (StatsD or OpenTelemetry). docs/poller.md lists the names and units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_runway.compat import stats

if TYPE_CHECKING:
    from airflow_provider_runway.segmind.report import JobReport


def waiting(conn_id: str, jobs: int) -> None:
    """Jobs that wait in this triggerer."""
    stats().gauge("runway.jobs_waiting", jobs, tags={"conn_id": conn_id})


def looked(conn_id: str) -> None:
    """One request for a job's status or result."""
    stats().incr("runway.looks", tags={"conn_id": conn_id})


def throttled(conn_id: str) -> None:
    """One 429."""
    stats().incr("runway.throttled", tags={"conn_id": conn_id})


def completed(conn_id: str, report: JobReport, total_s: float | None) -> None:
    """A job's end: how late it was seen (milliseconds), and what it cost (cents, for counters count whole things)."""
    tags = {"conn_id": conn_id, "model": report.model or "unknown"}
    stats().incr("runway.jobs_completed", tags=tags)
    if report.cost:
        stats().incr("runway.cost_cents", round(report.cost * 100), tags=tags)
    if total_s is not None and report.completed_at is not None and report.submitted_at is not None:
        late_s = report.completed_at - report.submitted_at - total_s
        stats().timing("runway.lateness", max(late_s, 0.0) * 1000, tags=tags)
