"""What Airflow keeps for a task instance between its tries, as an operator's submitter needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_runway.compat import get_task_state_store
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.submission.journal import Journal
from airflow_provider_runway.submission.submitter import Submitter
from airflow_provider_runway.submission.task_attempt import TaskAttempt

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_runway.hooks.runway import RunwayHook
    from airflow_provider_runway.transports.client_settings import Log


def submitter_for(hook: RunwayHook, context: Context, log: Log, *, task_id: str, durable: bool) -> Submitter:
    """Return a task instance's submitter, with its journal where there is a store, and its mapped siblings."""

    def siblings() -> list[str]:
        if context["ti"].map_index in (None, -1):
            return []
        pulled = context["ti"].xcom_pull(task_ids=task_id, key="request_id")  # of all map indexes
        found = [pulled] if isinstance(pulled, str) else pulled or ()
        return [request_id for request_id in found if isinstance(request_id, str)]

    ti = context["ti"]
    attempt = TaskAttempt(
        try_number=ti.try_number,
        max_tries=ti.max_tries or 0,
        earliest_submit_at=_earliest_submit_at(context["dag_run"]),
        journal=journal_of(context),
        sibling_request_ids=siblings,
    )
    return Submitter(hook, attempt, log, durable=durable)


def _earliest_submit_at(run: Any) -> float:
    """Return the epoch second before which no try of this run can have submitted anything.

    Clearing a finished run moves its start date (``clear_task_instances`` of Airflow 2.11.2 and 3.3.2), so
    a run that was ever cleared counts from the time at which it was due.
    """
    names = ["start_date"] if not getattr(run, "clear_number", 0) else ["start_date", "run_after", "data_interval_end"]
    dates = [date.timestamp() for name in names if (date := getattr(run, name, None)) is not None]
    return min(dates, default=0.0)


def restore_job(request_id: str, context: Context, model: str) -> JobSummary:
    """Return what is still known of a job whose deferral was lost: the journal knows most."""
    journal = journal_of(context)
    entry = None if journal is None else journal.read()
    if entry is None or entry.request_id != request_id:
        return JobSummary(request_id, model=model)
    return JobSummary(request_id, model=entry.model, seed=entry.seed, submitted_at=entry.at)


def journal_of(context: Context) -> Journal | None:
    """Return the task instance's journal; None before Airflow 3.3."""
    store = get_task_state_store(context)
    return None if store is None else Journal(store)
