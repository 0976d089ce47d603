"""How operators and sensors wait for a job: defer, read the event, resume after a trigger failure."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.exceptions import (
    BadInputError,
    NoUsableResponseError,
    WaitTimeoutError,
)
from airflow_provider_runway.segmind.billing_advice import describe_running_job
from airflow_provider_runway.segmind.http import safe_path_segment
from airflow_provider_runway.segmind.jobs import JobSummary
from airflow_provider_runway.segmind.model_fields import check_rendered
from airflow_provider_runway.segmind.numbers_and_times import parse_timestamp
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
from airflow_provider_runway.task_context import JOB_XCOM_KEY
from airflow_provider_runway.triggers.runway import RunwayJobTrigger

if TYPE_CHECKING:
    from airflow_provider_runway.compat import BaseOperator
    from airflow_provider_runway.hooks.runway import RunwayHook
    from airflow_provider_runway.task_context import TaskContext
    from airflow_provider_runway.transports.client_settings import Log

#: Airflow's name, on both majors, for the resumption of a task whose trigger failed or timed out.
TRIGGER_FAILED = "__fail__"
#: How long after the deadline Airflow itself ends a deferral. Only a dead triggerer lets it come to that; the
#: worker then polls one last time.
TRIGGER_GRACE_S = 300.0
#: A trigger that cannot be loaded fails at once, every time; so the number of new deferrals is limited.
MAX_TRIGGER_FAILURES = 3

_FAILURES_KEY = "runway_lost_triggers"


def defer_until_done(
    operator: BaseOperator, runway_conn_id: str, job: JobSummary, deadline: float, kwargs: dict[str, Any] | None = None
) -> None:
    """Defer a task to the trigger of its job. It ends the execution here; ``execute_complete`` resumes it.

    :param deadline: epoch seconds. :param kwargs: further arguments of ``execute_complete``.
    """
    left_s = max(deadline - time.time(), 0.0)
    operator.log.info(
        "Job %s: waiting in the triggerer, without a worker slot, for at most %.0f s.", job.request_id, left_s
    )
    operator.defer(
        trigger=RunwayJobTrigger(
            request_id=job.request_id,
            runway_conn_id=runway_conn_id,
            model=job.model,
            submitted_at=job.submitted_at,
            deadline=deadline,
        ),
        method_name="execute_complete",
        kwargs=kwargs,
        timeout=timedelta(seconds=left_s + TRIGGER_GRACE_S),
    )


def read_event(event: Any, task_id: str, job: JobSummary | None) -> WaitOutcome:
    """Return the outcome that a trigger's event reports.

    :param job: the job that the task waits for; None where the event alone says so.
    :raises BadInputError: it is not an event of a RunwayJobTrigger.
    :raises WaitTimeoutError: it is the event of another job.
    """
    try:
        outcome = WaitOutcome.from_event(event)
    except ValueError as problem:
        raise BadInputError(f"Task {task_id!r}: {problem}") from None
    if job is not None and outcome.job.request_id != job.request_id:
        raise WaitTimeoutError(
            f"A stale event is ignored: it is of job {outcome.job.request_id}, but this task waits for "
            f"{job.request_id}. {describe_running_job(job.request_id, job.submitted_at, 'it was not polled')}"
        )
    return outcome


def poll_last_time(hook: RunwayHook, job: JobSummary, log: Log) -> WaitOutcome | None:
    """Poll a job once more; return its outcome, or None while it is running or does not respond.

    :raises RunwayError: the API refused the poll.
    """
    from airflow_provider_runway.polling.poll_and_wait_exchanges import poll_once

    transport = hook.get_conn()
    try:
        polled = transport.run(poll_once(transport.settings.base_urls, job, hook.policy), log)
    except NoUsableResponseError as problem:
        log.warning("Job %s: %s", job.request_id, problem)
        return None
    return polled if isinstance(polled, WaitOutcome) else None


def push_job(task: TaskContext, job: JobSummary, deadline: float) -> None:
    """Push what a wait needs again after a trigger failure, which loses the arguments of the deferral."""
    facts = {name: value for name, value in job.to_json().items() if name in ("model", "seed", "submitted_at")}
    task.push_xcom(JOB_XCOM_KEY, {"request_id": job.request_id, **facts, "deadline": deadline})


def pull_job(task: TaskContext) -> tuple[JobSummary, float] | None:
    """Return the job and the deadline that :func:`push_job` pushed in this try, or None."""
    pushed = task.pull_xcom(JOB_XCOM_KEY)
    if not isinstance(pushed, Mapping):
        return None
    job = JobSummary(
        pushed["request_id"],
        model=pushed["model"],
        seed=pushed["seed"],
        submitted_at=parse_timestamp(pushed["submitted_at"]),
    )
    return job, float(pushed["deadline"])


def count_trigger_failure(task: TaskContext) -> int:
    """Count one more trigger failure of this try, and return how many there were."""
    count = int(task.pull_xcom(_FAILURES_KEY) or 0) + 1
    task.push_xcom(_FAILURES_KEY, count)
    return count


def log_trigger_failure(log: Log, job: JobSummary, next_kwargs: Mapping[str, Any] | None) -> None:
    """Log Airflow's reason for a trigger failure."""
    reason = (next_kwargs or {}).get("error", "no reason given")
    log.warning("Job %s: the trigger returned no event (%s); polling once more.", job.request_id, reason)


def log_kill(log: Log, job: JobSummary) -> None:
    """Log that the job goes on although its task was ended: the API has no cancel."""
    why = "the task was ended, and the API has no cancel"
    log.warning("%s", describe_running_job(job.request_id, job.submitted_at, why))


def read_job(value: Any, model: str | None = None) -> JobSummary:
    """Return the job that ``request_id`` names: an id, or the whole result of the task that submitted it.

    :param model: the author's own; it wins over that of the result.
    :raises BadInputError: it is neither.
    """
    result: Mapping[str, Any] = value if isinstance(value, Mapping) else {"request_id": value}
    request_id, seed = result.get("request_id"), result.get("seed")
    check_rendered("request_id", request_id)
    if isinstance(request_id, str) and request_id.lstrip().startswith("{"):
        raise BadInputError(
            "request_id is the text of a dict, as a template renders it. Hand on the result itself, such as "
            "request_id=submit.output, or its id, such as request_id=submit.output['request_id']."
        )
    return JobSummary(
        safe_path_segment("request_id", request_id),
        model=model or result.get("model"),
        seed=seed if isinstance(seed, int) else None,
        submitted_at=parse_timestamp(result.get("submitted_at")),
    )
