"""What Airflow keeps for a task instance between its tries, as an operator's submitter needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_runway.compat import get_task_state_store
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.submission.journal import Journal
from airflow_provider_runway.submission.submitter import Submitter

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

    return Submitter(hook, journal_of(context), log, durable=durable, siblings=siblings)


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
